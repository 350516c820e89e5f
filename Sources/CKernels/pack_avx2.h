// Integers into bytes, for AVX2. The file that includes this defines TARGET and includes
// immintrin.h.
#ifndef PACK_AVX2_H
#define PACK_AVX2_H

// The bytes that four vectors were packed to, in their order: packing twice takes lanes of 128 bits
// from its operands in turn.
TARGET static inline __attribute__((always_inline)) __m256i in_order(__m256i bytes) {
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

#endif
