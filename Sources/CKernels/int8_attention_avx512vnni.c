// Int8 attention with AVX-512 VNNI: tiles of 6 queries x 64 keys or channels, 24 registers of sums.
// Narrow products take 64 multiply-accumulates to an instruction, wide ones 32.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define FLOATS declip_float_avx512
#define TABLE declip_int8_attention_avx512vnni
#define ROWS 6
#define PANELS 4
#define REGISTER "v"
#define VEX ""
#include "int8_attention_types.h"

#include <immintrin.h>

// 2^x = 2^r * 2^(x - r) with x - r whole and |r| <= 1/2; the minimax polynomial of degree 5 that
// int8_attention.h takes, relative error 1e-7.
#define HAS_POWER_OF_2
INLINE vector power_of_2(vector x) {
    vector r = (vector)_mm512_reduce_ps((__m512)x, 8);
    vector p = splat(1.326472731307149e-3f);
    p = p * r + 9.671512991189957e-3f;
    p = p * r + 5.550733581185341e-2f;
    p = p * r + 2.4022242426872253e-1f;
    p = p * r + 6.931470036506653e-1f;
    p = p * r + 1.0f;
    return (vector)_mm512_scalef_ps((__m512)p, (__m512)(x - r));
}

#define HAS_NEAREST
INLINE integers nearest(vector v) {
    return (integers)_mm512_cvtps_epi32((__m512)v);
}

#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
