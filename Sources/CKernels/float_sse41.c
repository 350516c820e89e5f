// The float kernels for SSE4.1.
#if defined(__x86_64__)
#define LANES 4
#define TARGET __attribute__((target("ssse3,sse4.1")))
#define TABLE declip_float_sse41
#include "float_vector.inc"
#else
typedef int declip_float_sse41_is_not_built; // an empty translation unit is not C
#endif
