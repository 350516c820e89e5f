#ifndef INT8_TABLES_H
#define INT8_TABLES_H

// The parts that int8_tables.c puts the int8 kernel sets together from: an instruction set takes
// the parts that it does not improve from the one below.
#include "ckernels_int8.h"

extern const declip_int8_gemm declip_int8_gemm_portable;
extern const declip_int8_rows declip_int8_rows_portable;
extern const declip_int8_attention declip_int8_attention_portable;
#if defined(__x86_64__)
extern const declip_int8_gemm declip_int8_gemm_sse41;
extern const declip_int8_gemm declip_int8_gemm_avx2;
extern const declip_int8_gemm declip_int8_gemm_avxvnni;
extern const declip_int8_gemm declip_int8_gemm_avx512vnni;
extern const declip_int8_gemm declip_int8_gemm_avx512fip;
extern const declip_int8_rows declip_int8_rows_sse41;
extern const declip_int8_rows declip_int8_rows_avx2;
extern const declip_int8_rows declip_int8_rows_avx512;
extern const declip_int8_attention declip_int8_attention_sse41;
extern const declip_int8_attention declip_int8_attention_avx2;
extern const declip_int8_attention declip_int8_attention_avxvnni;
extern const declip_int8_attention declip_int8_attention_avx512vnni;
extern const declip_int8_attention declip_int8_attention_avx512fip;
#elif defined(__aarch64__)
extern const declip_int8_gemm declip_int8_gemm_neon;
extern const declip_int8_gemm declip_int8_gemm_dotprod;
extern const declip_int8_gemm declip_int8_gemm_i8mm;
extern const declip_int8_rows declip_int8_rows_neon;
extern const declip_int8_attention declip_int8_attention_neon;
extern const declip_int8_attention declip_int8_attention_dotprod;
#endif

#endif
