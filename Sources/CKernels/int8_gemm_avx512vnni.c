// The product with AVX-512 VNNI: the tiles of int8_gemm_512.h for operands of any range.
#if defined(__x86_64__)
#include "int8_gemm_512.h"

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    return panels > 1 ? tile_rows(rows, 2, in, out) : tile_rows(rows, 1, in, out);
}

TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    (void)range;
    return probe_tile(iterations);
}

const declip_int8_gemm declip_int8_gemm_avx512vnni = {
    GROUP, 1, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
