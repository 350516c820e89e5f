// Int8 attention with AVX-VNNI: tiles of 6 queries x 16 keys or channels, 12 registers of sums.
#if defined(__x86_64__)
#ifndef TARGET
#define TARGET __attribute__((target("avx2,fma,avxvnni")))
#define VEX "%{vex%} "
#endif
#define LANES 8
#define TABLE declip_int8_attention_avxvnni
#define ROWS 6
#define PANELS 1
#define REGISTER "x"
#include "int8_attention_types.h"

#include "functions.h"
#include "weights_256.h"

#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avxvnni_is_not_built; // an empty translation unit is not C
#endif
