// The float kernels for AVX2.
#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE declip_float_avx2
#include "float_vector.inc"
#else
typedef int declip_float_avx2_is_not_built; // an empty translation unit is not C
#endif
