// Vectors of LANES floats, written with compiler vectors. The file that includes this defines LANES
// (4, 8 or 16), TARGET (a function attribute) and, with HAS_NEAREST, its own way to round.
#ifndef VECTORS_H
#define VECTORS_H

#include "lanes.h"
#include "rounding.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int16_t shorts __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE vector load(const float *p) {
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vector v) {
    memcpy(p, &v, sizeof v);
}

// The first `count` floats, the other lanes as `rest` says.
INLINE vector load_part(const float *p, size_t count, float rest) {
    float buffer[LANES];
    for (size_t i = 0; i < LANES; i++)
        buffer[i] = rest;
    memcpy(buffer, p, count * sizeof(float));
    return load(buffer);
}

INLINE void store_part(float *p, vector v, size_t count) {
    float buffer[LANES];
    store(buffer, v);
    memcpy(p, buffer, count * sizeof(float));
}

INLINE vector splat(float x) {
    return x - (vector){0};
}

INLINE integers bits_of(vector v) {
    return (integers)v;
}

INLINE vector of_bits(integers v) {
    return (vector)v;
}

INLINE vector floats_of(integers v) {
    return __builtin_convertvector(v, vector);
}

INLINE vector choose(integers mask, vector a, vector b) {
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

// The larger and the smaller of each pair; b where either is not a number, so data stands second
// where that is to stay visible.
INLINE vector larger(vector a, vector b) {
    return choose(a > b, a, b);
}

INLINE vector smaller(vector a, vector b) {
    return choose(a < b, a, b);
}

#ifndef HAS_NEAREST
// The nearest integers, even ones of two, to magnitudes below 2^22: by adding 1.5 * 2^23.
INLINE integers nearest(vector v) {
    const vector magic = splat(12582912.0f);
    return (integers)(v + magic) - (integers)magic;
}
#endif

// Sums of rows have 32 lanes whatever the vectors' size: lane i adds the elements i, i + 32, ... of
// a row, one after the other; then lanes 16 and more are added to those 16 below, of these the
// upper 8 to the lower, and so on.
enum { SUM_LANES = 32, SUMS = SUM_LANES / LANES };

INLINE float sum_of_sums(vector sums[SUMS]) {
    UNROLL for (size_t half = SUMS / 2; half > 0; half /= 2) {
        UNROLL for (size_t i = 0; i < half; i++) sums[i] += sums[i + half];
    }
    MEET_ALL(ADD, sums[0]);
    return sums[0][0];
}

INLINE float largest_lane(vector v) {
    MEET_ALL(larger, v);
    return v[0];
}

#endif
