// The quantising kernels for AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define TABLE declip_int8_rows_avx512

#define HAS_NEAREST
#define nearest(v) ((integers)_mm512_cvtps_epi32((__m512)(v)))

// Packing takes lanes of 128 bits from its operands in turn, which one permutation puts in order.
#define HAS_FOUR_VECTORS
#define store_four(v, output)                                                                      \
    _mm512_storeu_si512(                                                                           \
        output,                                                                                    \
        _mm512_permutexvar_epi32(                                                                  \
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),               \
            _mm512_packus_epi16(_mm512_packs_epi32((__m512i)v[0], (__m512i)v[1]),                  \
                                _mm512_packs_epi32((__m512i)v[2], (__m512i)v[3]))))

#include "int8_rows.h"
#else
typedef int declip_int8_rows_avx512_is_not_built; // an empty translation unit is not C
#endif
