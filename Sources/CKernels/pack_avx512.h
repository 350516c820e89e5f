// Integers into bytes, for AVX-512. The file that includes this defines TARGET and includes immintrin.h.
#ifndef PACK_AVX512_H
#define PACK_AVX512_H

// The lanes of four vectors, 0..255, as bytes: packing takes lanes of 128 bits from its operands in
// turn, which one permutation puts in order.
TARGET static inline __attribute__((always_inline)) __m512i four_vectors(__m512i a, __m512i b,
                                                                        __m512i c, __m512i d) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(
        order, _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}

#endif
