// The names of vectors.h for single floats: what the portable kernels compute with.
#ifndef SCALARS_H
#define SCALARS_H

#include "rounding.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vector;
typedef int32_t integers;

#define INLINE static inline

INLINE vector splat(float x) {
    return x;
}

INLINE integers bits_of(vector v) {
    integers bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

INLINE vector of_bits(integers bits) {
    vector v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

INLINE vector floats_of(integers v) {
    return (float)v;
}

INLINE vector larger(vector a, vector b) {
    return a > b ? a : b;
}

INLINE vector smaller(vector a, vector b) {
    return a < b ? a : b;
}

// The nearest integer, the even one of two.
INLINE integers nearest(vector v) {
    return (int32_t)rintf(v);
}

enum { SUM_LANES = 32 };

// The sum of 32 lanes as vectors.h adds them.
INLINE float sum_of_lanes(float lanes[SUM_LANES]) {
    for (size_t half = SUM_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#endif
