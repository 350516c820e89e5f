// Powers of 2 by AVX-512's instructions for them, for functions.h. The file that includes this
// includes vectors.h.
#ifndef POWERS_AVX512_H
#define POWERS_AVX512_H

#include <immintrin.h>

#define HAS_POWER
INLINE vector fraction_of(vector x) {
    return (vector)_mm512_reduce_ps((__m512)x, 8);
}

INLINE vector scale_by_power(vector v, vector x, vector r) {
    return (vector)_mm512_scalef_ps((__m512)v, (__m512)(x - r));
}

#endif
