// The quantising kernels for AVX2 and FMA.
#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE declip_int8_rows_avx2
#include "int8_rows.h"
#else
typedef int declip_int8_rows_avx2_is_not_built; // an empty translation unit is not C
#endif
