// The float kernels for AVX-512.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define TABLE declip_float_avx512
#include "vectors.h"

#include "powers_avx512.h"

#include "float_vector.inc"
#else
typedef int declip_float_avx512_is_not_built; // an empty translation unit is not C
#endif
