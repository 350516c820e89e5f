// The int8 kernels of each instruction set, put together from their parts.
#include "int8_tables.h"

const declip_int8_kernels declip_int8_portable = {
    &declip_int8_gemm_portable,
    &declip_int8_rows_portable,
    &declip_int8_attention_portable,
};

#if defined(__x86_64__)
const declip_int8_kernels declip_int8_sse41 = {
    &declip_int8_gemm_sse41,
    &declip_int8_rows_sse41,
    &declip_int8_attention_sse41,
};
const declip_int8_kernels declip_int8_avx2 = {
    &declip_int8_gemm_avx2,
    &declip_int8_rows_avx2,
    &declip_int8_attention_avx2,
};
const declip_int8_kernels declip_int8_avxvnni = {
    &declip_int8_gemm_avxvnni,
    &declip_int8_rows_avx2,
    &declip_int8_attention_avxvnni,
};
const declip_int8_kernels declip_int8_avx512vnni = {
    &declip_int8_gemm_avx512vnni,
    &declip_int8_rows_avx512,
    &declip_int8_attention_avx512vnni,
};
const declip_int8_kernels declip_int8_avx512fip = {
    &declip_int8_gemm_avx512fip,
    &declip_int8_rows_avx512,
    &declip_int8_attention_avx512fip,
};
#elif defined(__aarch64__)
const declip_int8_kernels declip_int8_neon = {
    &declip_int8_gemm_neon,
    &declip_int8_rows_neon,
    &declip_int8_attention_neon,
};
const declip_int8_kernels declip_int8_dotprod = {
    &declip_int8_gemm_dotprod,
    &declip_int8_rows_neon,
    &declip_int8_attention_dotprod,
};
const declip_int8_kernels declip_int8_i8mm = {
    &declip_int8_gemm_i8mm,
    &declip_int8_rows_neon,
    &declip_int8_attention_dotprod,
};
#endif
