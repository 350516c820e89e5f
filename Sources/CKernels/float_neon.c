// The float kernels for NEON.
#if defined(__aarch64__)
#define LANES 4
#define TARGET
#define TABLE declip_float_neon
#include "float_vector.inc"
#else
typedef int declip_float_neon_is_not_built; // an empty translation unit is not C
#endif
