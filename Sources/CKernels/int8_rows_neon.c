// The quantising kernels for NEON.
#if defined(__aarch64__)
#define LANES 4
#define TARGET
#define TABLE declip_int8_rows_neon
#include "int8_rows.h"
#else
typedef int declip_int8_rows_neon_is_not_built; // an empty translation unit is not C
#endif
