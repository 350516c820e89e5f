// Int8 attention with AVX-512 VNNI: tiles of 6 queries x 64 keys or channels, 24 registers of sums.
// Narrow products take 64 multiply-accumulates to an instruction, wide ones 32.
#if defined(__x86_64__)
#define TABLE declip_int8_attention_avx512vnni
#define ROWS 6
#define PANELS 4
#include "int8_attention_512.h"

#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
