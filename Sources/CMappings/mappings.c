#include "cmappings.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Entries are never freed, for the handler may stand in any of them; forgotten ones are used again.
 * An entry is known while `base` is not 0, which is written last and cleared first. */
struct cmappings_entry {
    _Atomic(uintptr_t) base;
    _Atomic(size_t) count;
    _Atomic(char *) line;
    _Atomic(size_t) length;
    cmappings_entry *next;
};

static _Atomic(cmappings_entry *) entries;
static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;
static int exit_status;

/* An entry that is not in use, or NULL without memory; `changes` is locked. */
static cmappings_entry *unused_entry(void) {
    for (cmappings_entry *entry = entries; entry; entry = entry->next) {
        if (!entry->base)
            return entry;
    }
    cmappings_entry *entry = calloc(1, sizeof *entry);
    if (entry) {
        entry->next = entries;
        entries = entry;
    }
    return entry;
}

cmappings_entry *cmappings_add(const void *base, size_t count, const char *line, size_t length) {
    char *copy = malloc(length);
    if (!copy)
        return NULL;
    memcpy(copy, line, length);
    pthread_mutex_lock(&changes);
    cmappings_entry *entry = unused_entry();
    if (entry) {
        entry->count = count;
        entry->line = copy;
        entry->length = length;
        entry->base = (uintptr_t)base;
    } else {
        free(copy);
    }
    pthread_mutex_unlock(&changes);
    return entry;
}

void cmappings_remove(cmappings_entry *entry) {
    if (!entry)
        return;
    pthread_mutex_lock(&changes);
    entry->base = 0;
    free(entry->line);
    entry->line = NULL;
    pthread_mutex_unlock(&changes);
}

/* Calls nothing but write, _exit, signal and raise, which handlers may. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t address = (uintptr_t)info->si_addr;
    for (cmappings_entry *entry = entries; entry; entry = entry->next) {
        uintptr_t base = entry->base;
        if (!base || address < base || address - base >= entry->count)
            continue;
        ssize_t written = write(STDERR_FILENO, entry->line, entry->length);
        (void)written;
        _exit(exit_status);
    }
    signal(number, SIG_DFL);
    raise(number);
}

int cmappings_end_process_on_fault(int status) {
    exit_status = status;
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_bus_error;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL);
}
