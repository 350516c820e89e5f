// What int8 attention on 512-bit registers takes for int8_attention_vnni.h. The file that includes
// this defines TABLE, ROWS and PANELS.
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define REGISTER "v"
#define VEX ""
#include <immintrin.h>

#define HAS_NEAREST
#define nearest(v) ((integers)_mm512_cvtps_epi32((__m512)(v)))
#include "int8_attention_types.h"

#include "powers_avx512.h"

#include "functions.h"
#include "weights_512.h"
