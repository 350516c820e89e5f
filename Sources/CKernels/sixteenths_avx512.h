// Powers of 2 by a table of sixteenths, for AVX-512. The file that includes this defines TARGET and
// includes immintrin.h.
#ifndef SIXTEENTHS_AVX512_H
#define SIXTEENTHS_AVX512_H

// 1.5 * 2^19: adding it rounds to sixteenths, and leaves n + i / 16 as 16 n + i in the lowest bits.
#define SIXTEENTHS_MAGIC 786432.0f

// The bits of scale * 2^(i / 16), less i << 19.
TARGET static inline __attribute__((always_inline)) __m512i sixteenths(__m512 scale) {
    const __m512 powers =
        _mm512_setr_ps(1.0f, 1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f,
                       1.29683955f, 1.35425555f, 1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f,
                       1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f);
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_sub_epi32(_mm512_castps_si512(_mm512_mul_ps(powers, scale)),
                            _mm512_slli_epi32(steps, 19));
}

// scale * 2^(n + i / 16) for x = SIXTEENTHS_MAGIC + n + i / 16: the shift brings n into the
// exponent and i << 19, which the table lacks, beside it.
TARGET static inline __attribute__((always_inline)) __m512 sixteenth_power(__m512i table,
                                                                           __m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_permutexvar_epi32(bits, table), _mm512_slli_epi32(bits, 19)));
}

#endif
