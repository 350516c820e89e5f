// The float kernels for AVX-512.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define TABLE declip_float_avx512
#include "vectors.h"

#include "powers_avx512.h"

// In assembly because the compiler broadcasts a term to a register first, which keeps a multiplier
// busy: 39 instead of 59 G MAC/s on Zen 4.
#define HAS_PRODUCTS
INLINE void products(const float *term, vector low, vector high, vector result[2]) {
    __asm__("vmulps %2%{1to16%}, %3, %0\n\tvmulps %2%{1to16%}, %4, %1"
            : "=&v"(result[0]), "=v"(result[1])
            : "m"(*term), "v"(low), "v"(high));
}

#include "float_vector.inc"
#else
typedef int declip_float_avx512_is_not_built; // an empty translation unit is not C
#endif
