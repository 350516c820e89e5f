// Products of unsigned and signed bytes with AVX2 whose sums are kept in 16 bits, for 4 rows at
// most and 16 columns, whose bytes stand in steps of four terms. They are modulo 2^16; what moves
// them so that they fit, and how many terms do, is the caller's to know.
//
// The file that includes this defines TARGET, INLINE and UNROLL.
#ifndef BYTE_STEPS_AVX2_H
#define BYTE_STEPS_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STEP_ROWS = 4,
    STEP_COLUMNS = 16,
    STEP_TERMS = 4,
    STEP_BYTES = STEP_COLUMNS * STEP_TERMS,
};

INLINE __m256i load_vector(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

// The sums of squares of neighbours among 16 signed bytes.
INLINE __m256i squares_of(__m128i bytes) {
    const __m256i words = _mm256_cvtepi8_epi16(bytes);
    return _mm256_madd_epi16(words, words);
}

// A sum of products fits 16 bits where the sums of both operands' squares, multiplied, are below
// 2^30 (Cauchy and Schwarz): what one may be where the other is known.
INLINE int32_t limit_of(int32_t squares) {
    return squares ? 32767 * 32767 / squares : INT32_MAX;
}

// -c times the sums of `terms` terms' weights, `distance` bytes from each step to the next. A
// column has two sums, one of the first two terms of every step and one of the others.
INLINE void find_shift(const int8_t *w, size_t distance, size_t terms, int c,
                       int16_t shift[2 * STEP_COLUMNS]) {
    const __m256i factor = _mm256_set1_epi8((char)c);
    __m256i words[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < terms; i += STEP_TERMS, w += distance) {
        UNROLL for (size_t h = 0; h < 2; h++) words[h] =
            _mm256_sub_epi16(words[h], _mm256_maddubs_epi16(factor, load_vector(w + 32 * h)));
    }
    UNROLL for (size_t h = 0; h < 2; h++)
        _mm256_storeu_si256((__m256i *)(shift + 16 * h), words[h]);
}

// A row's products, and their addition to what stands in FROM0 and FROM1. In assembly because the
// compiler, left alone, loads the terms of all rows first and runs out of registers.
#define PRODUCTS(ROW, TERMS, LOW)                                                                  \
    "vpbroadcastd " ROW ", " TERMS "\n\t"                                                          \
    "vpmaddubsw %[w0], " TERMS ", " LOW "\n\t"                                                     \
    "vpmaddubsw %[w1], " TERMS ", " TERMS "\n\t"
#define ADDITIONS(FROM0, FROM1, TERMS, LOW, SUM0, SUM1)                                            \
    "vpaddw " FROM0 ", " LOW ", " SUM0 "\n\t"                                                      \
    "vpaddw " FROM1 ", " TERMS ", " SUM1 "\n\t"
#define ROW_STEP(FROM0, FROM1)                                                                     \
    PRODUCTS("%[a]", "%[t0]", "%[l0]") ADDITIONS(FROM0, FROM1, "%[t0]", "%[l0]", "%0", "%1")

// The step of four rows: one row multiplies before the last one adds.
#define FOUR_ROWS(FROM0, FROM1)                                                                    \
    PRODUCTS("%[a0]", "%[t0]", "%[l0]")                                                            \
    PRODUCTS("%[a1]", "%[t1]", "%[l1]")                                                            \
    ADDITIONS(FROM0("%0"), FROM1("%1"), "%[t0]", "%[l0]", "%0", "%1")                              \
    PRODUCTS("%[a2]", "%[t0]", "%[l0]")                                                            \
    ADDITIONS(FROM0("%2"), FROM1("%3"), "%[t1]", "%[l1]", "%2", "%3")                              \
    PRODUCTS("%[a3]", "%[t1]", "%[l1]")                                                            \
    ADDITIONS(FROM0("%4"), FROM1("%5"), "%[t0]", "%[l0]", "%4", "%5")                              \
    ADDITIONS(FROM0("%6"), FROM1("%7"), "%[t1]", "%[l1]", "%6", "%7")
#define ITSELF(sum) sum
#define SHIFT0(sum) "%[s0]"
#define SHIFT1(sum) "%[s1]"

#define TERMS_AT(a) "m"(*(const uint8_t(*)[STEP_TERMS])(a))
#define FOUR_SUMS(MODE)                                                                            \
    MODE(words[0][0]), MODE(words[0][1]), MODE(words[1][0]), MODE(words[1][1]), MODE(words[2][0]), \
        MODE(words[2][1]), MODE(words[3][0]),                                                      \
        MODE(words[3][1]), [t0] "=&x"(t0), [l0] "=&x"(l0), [t1] "=&x"(t1), [l1] "=&x"(l1)
#define FOUR_TERMS                                                                                 \
    [a0] TERMS_AT(a), [a1] TERMS_AT(a + stride), [a2] TERMS_AT(a + 2 * stride),                    \
        [a3] TERMS_AT(a + 3 * stride), [w0] "x"(w0), [w1] "x"(w1)
#define WRITTEN(x) "=&x"(x)
#define CHANGED(x) "+x"(x)

// The sums of R rows' products over `terms` terms, with the shift.
INLINE void sum_steps(const size_t R, const size_t terms, const uint8_t *a, size_t stride,
                      const int8_t *w, size_t distance, const int16_t *shift,
                      __m256i words[STEP_ROWS][2]) {
    const __m256i s0 = load_vector(shift), s1 = load_vector(shift + 16);
    UNROLL for (size_t i = 0; i < terms; i += STEP_TERMS, a += STEP_TERMS, w += distance) {
        const __m256i w0 = load_vector(w), w1 = load_vector(w + 32);
        __m256i t0, l0, t1, l1;
        if (R == 4 && i == 0) {
            __asm__ volatile(FOUR_ROWS(SHIFT0, SHIFT1)
                             : FOUR_SUMS(WRITTEN)
                             : FOUR_TERMS, [s0] "x"(s0), [s1] "x"(s1));
        } else if (R == 4) {
            __asm__ volatile(FOUR_ROWS(ITSELF, ITSELF) : FOUR_SUMS(CHANGED) : FOUR_TERMS);
        }
        UNROLL for (size_t r = 0; R != 4 && r < R; r++) {
            if (i == 0)
                __asm__ volatile(ROW_STEP("%[s0]", "%[s1]")
                                 : WRITTEN(words[r][0]),
                                   WRITTEN(words[r][1]), [t0] "=&x"(t0), [l0] "=&x"(l0)
                                 : [a] TERMS_AT(a + r * stride), [w0] "x"(w0), [w1] "x"(w1),
                                   [s0] "x"(s0), [s1] "x"(s1));
            else
                __asm__ volatile(ROW_STEP("%0", "%1")
                                 : CHANGED(words[r][0]),
                                   CHANGED(words[r][1]), [t0] "=&x"(t0), [l0] "=&x"(l0)
                                 : [a] TERMS_AT(a + r * stride), [w0] "x"(w0), [w1] "x"(w1));
        }
    }
}

// Adds what 16 bits hold to sums of 32 bits in memory: the registers are taken.
INLINE void widen(__m256i words, int32_t *sums) {
    const __m256i ones = _mm256_set1_epi16(1);
    __asm__ volatile("vpmaddwd %2, %0, %0\n\tvpaddd %1, %0, %0\n\tvmovdqa %0, %1"
                     : "+x"(words), "+m"(*(int32_t(*)[8])sums)
                     : "x"(ones));
}

// Adds the products of R rows and `terms` terms, which fit 16 bits together with the shift, to sums
// of [row][column].
INLINE void add_steps(const size_t R, const size_t terms, const uint8_t *a, size_t stride,
                      const int8_t *w, size_t distance, const int16_t *shift, int32_t *sums) {
    __m256i words[STEP_ROWS][2];
    sum_steps(R, terms, a, stride, w, distance, shift, words);
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++) widen(words[r][h], sums + r * STEP_COLUMNS + 8 * h);
    }
}

#endif
