// The float kernels for AVX2 and FMA.
#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE declip_float_avx2

#include <immintrin.h>

typedef float vector8 __attribute__((vector_size(32)));

// 1 / (1 + 2^(-x log2 e)), absolute error 1e-6: the exponent n + r with |r| <= 1/2, n added to the
// exponent of 2^r, which a minimax polynomial of degree 5 gives; 1 / x by an estimate of 12 bits and
// a step of Newton's.
#define HAS_SIGMOID
TARGET static inline __attribute__((always_inline)) vector8 sigmoid(vector8 x) {
    const __m256 limit = _mm256_set1_ps(126.0f), one = _mm256_set1_ps(1.0f);
    __m256 v = _mm256_mul_ps((__m256)x, _mm256_set1_ps(-1.44269504f));
    // Of two operands the second is taken where one is no number.
    v = _mm256_max_ps(-limit, _mm256_min_ps(limit, v));
    const __m256i n = _mm256_cvtps_epi32(v);
    const __m256 r = _mm256_sub_ps(v, _mm256_cvtepi32_ps(n));
    __m256 p = _mm256_set1_ps(1.326472731307149e-3f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(9.671512991189957e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.550733581185341e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(2.4022242426872253e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(6.931470036506653e-1f));
    p = _mm256_fmadd_ps(p, r, one);
    const __m256i power = _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(n, 23));
    const __m256 divisor = _mm256_add_ps(_mm256_castsi256_ps(power), one);
    const __m256 estimate = _mm256_rcp_ps(divisor);
    const __m256 error = _mm256_fnmadd_ps(divisor, estimate, one);
    return (vector8)_mm256_fmadd_ps(estimate, error, estimate);
}

#include "float_vector.inc"
#else
typedef int declip_float_avx2_is_not_built; // an empty translation unit is not C
#endif
