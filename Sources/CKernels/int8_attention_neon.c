// Int8 attention with plain NEON: tiles of 4 queries x 16 keys or channels, 16 registers of sums.
// Everything is multiplied in 16 bits, four terms to a `smlal`.
#if defined(__aarch64__)
#define TARGET
#define TABLE declip_int8_attention_neon
#define KEY_BYTES 0
#define QUERY_OFFSET 0
#include "int8_attention_neon.h"
#else
typedef int declip_int8_attention_neon_is_not_built; // an empty translation unit is not C
#endif
