// The float kernels for AVX-512.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define TABLE declip_float_avx512
#define HAS_EXPONENTIAL

#include <immintrin.h>

#include "sixteenths_avx512.h"

typedef float vector16 __attribute__((vector_size(64)));

// exp(x) for x <= 88, 0 far below -87: x = n ln 2 / 16 + r with |r| <= ln 2 / 32 (Cody and Waite's
// split of ln 2), the sixteenths by a table, a polynomial of degree 3 for exp(r); relative error
// 2e-7.
TARGET static inline __attribute__((always_inline)) vector16 exponential(vector16 x) {
    const __m512 magic = _mm512_set1_ps(SIXTEENTHS_MAGIC);
    __m512 v = _mm512_max_ps(_mm512_set1_ps(-87.0f), (__m512)x);
    __m512 t = _mm512_fmadd_ps(v, _mm512_set1_ps(1.44269504f), magic), n = _mm512_sub_ps(t, magic);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), v);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194440e-4f), r);
    __m512 power = sixteenth_power(sixteenths(_mm512_set1_ps(1.0f)), t);
    __m512 p = _mm512_fmadd_ps(r, _mm512_set1_ps(0.16666667f), _mm512_set1_ps(0.5f));
    p = _mm512_mul_ps(_mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f)), r);
    return (vector16)_mm512_fmadd_ps(p, power, power);
}

// 1 / x by an estimate of 14 bits and a step of Newton's, relative error 1e-7.
TARGET static inline __attribute__((always_inline)) vector16 reciprocal(vector16 x) {
    __m512 estimate = _mm512_rcp14_ps((__m512)x);
    __m512 error = _mm512_fnmadd_ps((__m512)x, estimate, _mm512_set1_ps(1.0f));
    return (vector16)_mm512_fmadd_ps(estimate, error, estimate);
}

// 1 / (1 + 2^(-x log2 e)), absolute error 1e-6: the exponent n / 16 + r with |r| <= 1/32, the
// sixteenths by a table, a polynomial of degree 3 for 2^r.
#define HAS_SIGMOID
TARGET static inline __attribute__((always_inline)) vector16 sigmoid(vector16 x) {
    const __m512 magic = _mm512_set1_ps(SIXTEENTHS_MAGIC), limit = _mm512_set1_ps(126.0f);
    __m512 v = _mm512_mul_ps((__m512)x, _mm512_set1_ps(-1.44269504f));
    // Of two operands the second is taken where one is no number.
    v = _mm512_max_ps(-limit, _mm512_min_ps(limit, v));
    __m512 t = _mm512_add_ps(v, magic), r = _mm512_sub_ps(v, _mm512_sub_ps(t, magic));
    __m512 power = sixteenth_power(sixteenths(_mm512_set1_ps(1.0f)), t);
    __m512 p = _mm512_fmadd_ps(r, _mm512_set1_ps(5.5504109e-2f), _mm512_set1_ps(0.24022651f));
    p = _mm512_mul_ps(_mm512_fmadd_ps(p, r, _mm512_set1_ps(0.69314718f)), r);
    return reciprocal((vector16)_mm512_fmadd_ps(p, power, power) + 1.0f);
}

#include "float_vector.inc"
#else
typedef int declip_float_avx512_is_not_built; // an empty translation unit is not C
#endif
