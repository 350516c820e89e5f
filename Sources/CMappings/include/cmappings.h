#ifndef CMAPPINGS_H
#define CMAPPINGS_H

#include <stddef.h>

/* What is said where the memory of a mapped file can no longer be read.
 *
 * A file that another program cuts short while it is mapped, or whose medium fails, answers the
 * next touch of the lost pages with SIGBUS. Nothing can be returned from there, and a program that
 * reads everything into memory instead would need twice the memory of its model. So programs that
 * want it end with a line that names the file; in others the signal keeps its default action. */

/* One mapping that is known to the handler. */
typedef struct cmappings_entry cmappings_entry;

/* Makes `count` bytes from `base` known, and the line that is written to stderr where they cannot
 * be read, `length` bytes, which are copied. Returns NULL without memory. */
cmappings_entry *cmappings_add(const void *base, size_t count, const char *line, size_t length);

/* Forgets a mapping, before it is unmapped; does nothing for NULL. */
void cmappings_remove(cmappings_entry *entry);

/* From now on a fault within a known mapping writes its line and ends the process with `status`.
 * Any other SIGBUS is left to its default action. Returns 0, or -1 with errno. */
int cmappings_end_process_on_fault(int status);

#endif
