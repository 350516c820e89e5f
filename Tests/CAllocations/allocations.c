#include "callocations.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif

static atomic_bool counting;
static atomic_int_fast64_t live;
static atomic_int_fast64_t peak;

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void add(void *block) {
    if (!block || !atomic_load_explicit(&counting, memory_order_relaxed))
        return;
    int64_t size = (int64_t)malloc_usable_size(block);
    int64_t now = atomic_fetch_add_explicit(&live, size, memory_order_relaxed) + size;
    int64_t known = atomic_load_explicit(&peak, memory_order_relaxed);
    while (now > known && !atomic_compare_exchange_weak_explicit(
                              &peak, &known, now, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void subtract(int64_t size) {
    if (atomic_load_explicit(&counting, memory_order_relaxed)) {
        atomic_fetch_sub_explicit(&live, size, memory_order_relaxed);
    }
}

void *malloc(size_t size) {
    void *block = __libc_malloc(size);
    add(block);
    return block;
}

void *calloc(size_t count, size_t size) {
    void *block = __libc_calloc(count, size);
    add(block);
    return block;
}

// Counted as if both blocks had existed at once, which they do where the block moves.
void *realloc(void *old, size_t size) {
    int64_t before = old ? (int64_t)malloc_usable_size(old) : 0;
    void *block = __libc_realloc(old, size);
    if (block)
        add(block);
    if (block || size == 0)
        subtract(before);
    return block;
}

void *memalign(size_t alignment, size_t size) {
    void *block = __libc_memalign(alignment, size);
    add(block);
    return block;
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
        return EINVAL;
    void *made = memalign(alignment, size);
    if (!made)
        return ENOMEM;
    *block = made;
    return 0;
}

void free(void *block) {
    if (!block)
        return;
    subtract((int64_t)malloc_usable_size(block));
    __libc_free(block);
}

bool declip_counts_allocations(void) {
    return true;
}

#else

bool declip_counts_allocations(void) {
    return false;
}

#endif

void declip_start_counting(void) {
    atomic_store(&live, 0);
    atomic_store(&peak, 0);
    atomic_store(&counting, true);
}

int64_t declip_stop_counting(void) {
    atomic_store(&counting, false);
    return atomic_load(&peak);
}

// The number behind a key of /proc/self/status, in bytes.
static int64_t status(const char *key) {
    char text[8192];
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0)
        return -1;
    text[count] = 0;
    const char *place = strstr(text, key);
    return place ? 1024 * strtoll(place + strlen(key), NULL, 10) : -1;
}

int64_t declip_reset_resident_peak(void) {
#if defined(__GLIBC__) && !defined(HAS_SANITIZER)
    malloc_trim(0);
#endif
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    // 5 resets the peak and nothing else (proc(5)).
    ssize_t written = write(file, "5", 1);
    close(file);
    return written == 1 ? status("VmRSS:") : -1;
}

int64_t declip_resident_peak(void) {
    return status("VmHWM:");
}
