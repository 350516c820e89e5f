// Integers into bytes, for AVX-512. The file that includes this defines TARGET and includes
// immintrin.h.
#ifndef PACK_AVX512_H
#define PACK_AVX512_H

// The bytes that four vectors were packed to, in their order: packing twice takes lanes of 128 bits
// from its operands in turn.
TARGET static inline __attribute__((always_inline)) __m512i in_order(__m512i bytes) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
}

#endif
