// The largest magnitudes of rows by which they are scaled. The file that includes this defines
// INLINE, `vector`, `integers` and `load`.
#ifndef PEAKS_H
#define PEAKS_H

#include "lanes.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// Magnitudes as integers, which are in the order of the floats; above `INFINITE` is what is no
// number.
enum { INFINITE = 0x7f800000 };

INLINE integers magnitude_bits(vector v) {
    return (integers)v & INT32_MAX;
}

INLINE integers larger_bits(integers a, integers b) {
    integers mask = a > b;
    return (mask & a) | (~mask & b);
}

INLINE int32_t largest_bits(integers v) {
    MEET_ALL(larger_bits, v);
    return v[0];
}

// The largest magnitude, given its bits, or where those are of no number the largest of all
// numbers.
INLINE float peak_of_bits(int32_t bits, const float *row, size_t columns) {
    float peak;
    memcpy(&peak, &bits, sizeof peak);
    if (bits <= INFINITE)
        return peak;
    peak = 0;
    for (size_t c = 0; c < columns; c++)
        peak = fmaxf(peak, fabsf(row[c]));
    return peak;
}

#endif
