#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/// What this process takes in memory, for tests that bound it.
///
/// In a program that links this target, malloc and its kin are those of the C library behind a
/// counter. Under a sanitizer, which has an allocator of its own, nothing is counted.

/// Whether allocations are counted in this build.
bool declip_counts_allocations(void);

/// Starts counting: the bytes allocated now are the zero point.
void declip_start_counting(void);

/// Stops counting; returns the most bytes that were allocated at any moment since the start, over
/// all threads, touched or not.
int64_t declip_stop_counting(void);

/// Gives unused heap back to the system and makes the present resident size the peak; returns it in
/// bytes, -1 where the system does not tell.
int64_t declip_reset_resident_peak(void);

/// The largest resident size of the process since the reset, in bytes; -1 where the system does
/// not tell.
int64_t declip_resident_peak(void);

#endif
