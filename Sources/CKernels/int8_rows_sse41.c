// The quantising kernels for SSE4.1.
#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 4
#define TARGET __attribute__((target("ssse3,sse4.1")))
#define TABLE declip_int8_rows_sse41

#define HAS_NEAREST
#define nearest(v) ((integers)_mm_cvtps_epi32((__m128)(v)))

#define HAS_FOUR_VECTORS
#define store_four(v, output)                                                                      \
    _mm_storeu_si128((__m128i *)(output),                                                          \
                     _mm_packus_epi16(_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]),               \
                                      _mm_packs_epi32((__m128i)v[2], (__m128i)v[3])))

#include "int8_rows.h"
#else
typedef int declip_int8_rows_sse41_is_not_built; // an empty translation unit is not C
#endif
