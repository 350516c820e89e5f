// The quantising kernels for AVX-512.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define FLOATS declip_float_avx512
#define TABLE declip_int8_rows_avx512
#include "int8_rows.h"
#else
typedef int declip_int8_rows_avx512_is_not_built; // an empty translation unit is not C
#endif
