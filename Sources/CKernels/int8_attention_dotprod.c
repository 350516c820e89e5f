// Int8 attention with NEON's dot products: narrow scores by `sdot`, the rest as with plain NEON.
#if defined(__aarch64__)
#define TARGET __attribute__((target("dotprod")))
#define TABLE declip_int8_attention_dotprod
#define KEY_BYTES 1
#define QUERY_OFFSET 0
#include "int8_attention_neon.h"
#else
typedef int declip_int8_attention_dotprod_is_not_built; // an empty translation unit is not C
#endif
