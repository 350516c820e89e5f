// Int8 attention with AVX2: tiles of 4 queries x 16 keys or channels, 8 registers of sums.
//
// Slim bytes are multiplied by `vpmaddubsw` and eight pairs of products added in 16 bits before
// they are widened. With 64 added to a query, as there is in a weight, and -64 times the sum of the
// keys or values added, what is left are products of -64..63 and -63..63. The squares of the former
// add up to 16 * 64^2 at most; where those of the latter are below 2^30 / 2^16, which are those of
// all but rare ones, the sums of all pairs fit (Cauchy and Schwarz), and those of four pairs always
// do (8 * 64 * 63 < 2^15). Other bytes are widened when they are packed, for signed bytes times
// signed bytes saturate that instruction.
#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE declip_int8_attention_avx2
#define ROWS 4
#define PANELS 1
#define WORD_GROUP 2
#define KEY_BYTES 0
#define VALUE_BYTES 0
#define QUERY_OFFSET 0
#define PROBE probe_peak
#include "int8_attention_types.h"

#include "byte_steps_avx2.h"

#define HAS_SPLIT 1
#define SPLITS_WORDS 0
enum {
    OFFSET = 64,
    // Terms that may fit 16 bits together, and those that do.
    RUN_TERMS = 32,
    SURE_TERMS = 16,
    MOST_SQUARES = (1 << 14) - 1,
};

// What the products of 16 channels take: a bit for every run that fits, and the runs' shifts.
typedef struct slim_runs {
    _Alignas(64) uint64_t fit;
    _Alignas(64) int16_t shifts[][2 * STEP_COLUMNS];
} slim_runs;

static size_t split_extra(const operands kind, size_t size) {
    (void)kind;
    return sizeof(slim_runs) +
           (size + RUN_TERMS - 1) / RUN_TERMS * sizeof(int16_t[2 * STEP_COLUMNS]);
}

static size_t run_terms(size_t left) {
    return left < RUN_TERMS ? left : RUN_TERMS;
}

// Whether the squares of every sum's terms are few enough.
INLINE int fits(const int8_t *w, size_t distance, size_t terms) {
    __m256i squares[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256()},
            over = _mm256_setzero_si256();
    for (size_t i = 0; i < terms; i += STEP_TERMS, w += distance) {
        UNROLL for (size_t j = 0; j < 4; j++) {
            const __m256i words =
                _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16 * j)));
            squares[j] = _mm256_add_epi32(squares[j], _mm256_madd_epi16(words, words));
        }
    }
    UNROLL for (size_t j = 0; j < 4; j++) over =
        _mm256_or_si256(over, _mm256_cmpgt_epi32(squares[j], _mm256_set1_epi32(MOST_SQUARES)));
    return terms <= SURE_TERMS || _mm256_testz_si256(over, over);
}

// The runs, and the sums of their shifts: what 64 added to the other operand would have brought.
INLINE void split_panel(const operands kind, char *panel, size_t group, size_t size,
                        int32_t excess[STEP_COLUMNS], char *extra) {
    (void)kind;
    slim_runs *runs = (slim_runs *)extra;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    runs->fit = 0;
    for (size_t i = 0, run = 0; i < size; i += RUN_TERMS, run++) {
        const int8_t *w = (const int8_t *)panel + i / STEP_TERMS * group;
        const size_t terms = run_terms(size - i);
        int16_t shift[2 * STEP_COLUMNS];
        for (size_t j = 0; j < terms; j += SURE_TERMS) {
            find_shift(w + j / STEP_TERMS * group, group, SURE_TERMS, OFFSET, shift);
            UNROLL for (size_t h = 0; h < 2; h++) sums[h] = _mm256_add_epi32(
                sums[h], _mm256_madd_epi16(load_vector(shift + STEP_COLUMNS * h), ones));
        }
        find_shift(w, group, terms, OFFSET, runs->shifts[run]);
        runs->fit |= (uint64_t)fits(w, group, terms) << run;
    }
    UNROLL for (size_t h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)(excess + 8 * h), sums[h]);
}

INLINE int32_t split_row(const operands kind, const char *row, size_t size, integers total) {
    (void)kind, (void)row, (void)size, (void)total;
    return 0;
}

INLINE void split_products(const operands kind, const size_t P, const char *rows,
                           const size_t stride, const char *panels, size_t panel, size_t group,
                           size_t size, const char *extra, integers sums[ROWS][2]) {
    (void)kind, (void)P, (void)panel;
    const slim_runs *runs = (const slim_runs *)extra;
    const uint8_t *a = (const uint8_t *)rows;
    const int8_t *w = (const int8_t *)panels;
    const size_t sure = SURE_TERMS / STEP_TERMS * group;
    _Alignas(32) int32_t whole[ROWS * STEP_COLUMNS];
    memcpy(whole, sums, sizeof whole);
    uint64_t fit = runs->fit;
    for (size_t i = 0, run = 0; i < size; i += RUN_TERMS, run++, fit >>= 1) {
        if (__builtin_expect(size - i >= RUN_TERMS && fit & 1, 1)) {
            add_steps(ROWS, RUN_TERMS, a, stride, w, group, runs->shifts[run], whole);
        } else {
            for (size_t j = 0; j < run_terms(size - i); j += SURE_TERMS) {
                const int8_t *part = w + j / SURE_TERMS * sure;
                int16_t shift[2 * STEP_COLUMNS];
                find_shift(part, group, SURE_TERMS, OFFSET, shift);
                add_steps(ROWS, SURE_TERMS, a + j, stride, part, group, shift, whole);
            }
        }
        a += RUN_TERMS, w += RUN_TERMS / STEP_TERMS * group;
    }
    memcpy(sums, whole, sizeof whole);
}

// How the scores of a row become slim weights, 127 * 2^((score - peak) * factor), in 16-bit
// integers: the exponent in steps of 2^-11, the power of its fraction by a minimax polynomial of
// degree 2, relative error 0.0018.
typedef struct slim_weighing {
    __m256 steps, start;
} slim_weighing;

enum { EXPONENT_BITS = 11 };

INLINE slim_weighing slim_weighing_of(float peak, float factor) {
    const float steps = factor * (1 << EXPONENT_BITS);
    return (slim_weighing){_mm256_set1_ps(-steps), _mm256_set1_ps(peak * steps)};
}

INLINE __m256i exponents_of(const slim_weighing *row, const float *scores) {
    const __m256 steps = _mm256_fmadd_ps(_mm256_loadu_ps(scores), row->steps, row->start);
    return _mm256_cvtps_epi32(_mm256_min_ps(steps, _mm256_set1_ps(INT16_MAX)));
}

// The weights of 16 scores, of 8 and 8, in the order that packing takes them.
INLINE __m256i powers_of(__m256i low, __m256i high) {
    // 2^(7 - n), in the lower byte of each word.
    const __m256i whole_powers = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i e = _mm256_max_epi16(_mm256_packs_epi32(low, high), _mm256_setzero_si256());
    const __m256i whole =
        _mm256_or_si256(_mm256_srli_epi16(e, EXPONENT_BITS), _mm256_set1_epi16(INT16_MIN));
    const __m256i fraction =
        _mm256_and_si256(_mm256_slli_epi16(e, 15 - EXPONENT_BITS), _mm256_set1_epi16(INT16_MAX));
    // 127 * 2^8 * 2^(-fraction)
    __m256i power = _mm256_mulhrs_epi16(fraction, _mm256_set1_epi16(5481));
    power = _mm256_add_epi16(power, _mm256_set1_epi16(-21653));
    power = _mm256_mulhrs_epi16(fraction, power);
    power = _mm256_add_epi16(power, _mm256_set1_epi16(32456));
    return _mm256_mulhrs_epi16(power, _mm256_shuffle_epi8(whole_powers, whole));
}

// Writes the weights of 32 scores and adds them by lanes.
INLINE __m256i weigh_32(const slim_weighing *row, const float *scores, char *weights) {
    __m256i exponents[4];
    UNROLL for (size_t j = 0; j < 4; j++) exponents[j] = exponents_of(row, scores + 8 * j);
    __m256i w = _mm256_packus_epi16(powers_of(exponents[0], exponents[1]),
                                    powers_of(exponents[2], exponents[3]));
    w = _mm256_permutevar8x32_epi32(w, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)weights, w);
    return _mm256_sad_epu8(w, _mm256_setzero_si256());
}

INLINE integers slim_weights(const char *scores, size_t count, float peak, float factor,
                             char *weights) {
    const slim_weighing row = slim_weighing_of(peak, factor);
    const float *place = (const float *)scores;
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= count; i += 32)
        sums = _mm256_add_epi32(sums, weigh_32(&row, place + i, weights + i));
    if (i < count) {
        float rest[32];
        for (size_t j = 0; j < 32; j++)
            rest[j] = i + j < count ? place[i + j] : FAR_BELOW;
        sums = _mm256_add_epi32(sums, weigh_32(&row, rest, weights + i));
    }
    return (integers)sums;
}

typedef integers byte_vector;
typedef integers word_vector;

#define load_bytes load_integers
#define load_words load_integers
#define byte_terms word_terms
#define dot_bytes dot_words

// In assembly, and volatile, because the compiler, left alone, loads the terms of all rows first
// and runs out of registers.
INLINE integers word_terms(const char *p) {
    integers terms;
    __asm__ volatile("vpbroadcastd %1, %0" : "=x"(terms) : "m"(*(const char(*)[4])p));
    return terms;
}

INLINE integers dot_words(integers sum, integers a, integers b) {
    integers products;
    __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(sum), "=&x"(products)
                     : "x"(a), "x"(b));
    return sum;
}

TARGET static uint64_t probe_peak(uint64_t iterations) {
    enum { SUMS = 8 };
    integers sums[SUMS], a = {3}, b = {5};
    UNROLL for (size_t i = 0; i < SUMS; i++) sums[i] = (integers){0};
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t j = 0; j < SUMS; j++) sums[j] = dot_words(sums[j], a, b);
    }
    UNROLL for (size_t i = 0; i < SUMS; i++) __asm__ volatile("" ::"x"(sums[i]));
    return iterations * SUMS * 16;
}

#include "int8_attention.h"
#else
typedef int declip_int8_attention_avx2_is_not_built; // an empty translation unit is not C
#endif
