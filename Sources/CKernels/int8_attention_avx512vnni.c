// Int8 attention with AVX-512 VNNI: tiles of 6 queries x 64 keys or channels, 24 registers of sums.
// Narrow scores take 64 multiply-accumulates to an instruction, wide scores and values 32.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define FLOATS declip_float_avx512
#define TABLE declip_int8_attention_avx512vnni
#define ROWS 6
#define PANELS 4
#define REGISTER "v"
#define VEX ""
#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
