// The quantising kernels for AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define TABLE declip_int8_rows_avx512

#include "pack_avx512.h"

#define HAS_NEAREST
#define nearest(v) ((integers)_mm512_cvtps_epi32((__m512)(v)))

#define HAS_FOUR_VECTORS
#define store_four(v, output)                                                                      \
    _mm512_storeu_si512(                                                                           \
        output, in_order(_mm512_packus_epi16(_mm512_packs_epi32((__m512i)v[0], (__m512i)v[1]),     \
                                             _mm512_packs_epi32((__m512i)v[2], (__m512i)v[3]))))

#include "int8_rows.h"
#else
typedef int declip_int8_rows_avx512_is_not_built; // an empty translation unit is not C
#endif
