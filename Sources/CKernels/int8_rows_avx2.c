// The quantising kernels for AVX2 and FMA.
#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE declip_int8_rows_avx2

#include "pack_avx2.h"

#define HAS_NEAREST
#define nearest(v) ((integers)_mm256_cvtps_epi32((__m256)(v)))

#define HAS_FOUR_VECTORS
#define store_four(v, output)                                                                      \
    _mm256_storeu_si256(                                                                           \
        (__m256i *)(output),                                                                       \
        in_order(_mm256_packus_epi16(_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]),             \
                                     _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3]))))

#include "int8_rows.h"
#else
typedef int declip_int8_rows_avx2_is_not_built; // an empty translation unit is not C
#endif
