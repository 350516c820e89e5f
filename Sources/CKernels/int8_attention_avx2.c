// Int8 attention with AVX2: tiles of 4 queries x 16 keys or channels, 8 registers of sums.
//
// Slim bytes are multiplied by `vpmaddubsw` and eight pairs of products added in 16 bits before
// they are widened. With 64 added to a query, as there is in a weight, and -64 times the sum of the
// keys or values added, what is left are products of -64..63 and -63..63. The sums of all pairs fit
// where the squares of both, added up and multiplied, are below 2^30 (Cauchy and Schwarz), which
// they nearly always are; those of four pairs always do (8 * 64 * 63 < 2^15). Other bytes are
// widened when they are packed, for signed bytes times signed bytes saturate that instruction.
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
#include "functions.h"
#include "weights_256.h"

#define HAS_SPLIT 1
#define SPLITS_WORDS 0
#define ROW_EXCESS 0
#define HAS_BOUNDS 1
enum {
    OFFSET = 64,
    // Terms that may fit 16 bits together: two runs, which are most heads' channels, or one; and
    // those that always do.
    WHOLE_TERMS = 64,
    RUN_TERMS = 32,
    SURE_TERMS = 16,
    MOST_RUNS = DECLIP_INT8_SCORE_SIZE / RUN_TERMS,
};

// What the products of 16 channels take besides: the most that the squares of the other operand may
// add up to, for the whole where that is WHOLE_TERMS and for every run, and the shifts.
typedef struct slim_runs {
    int32_t whole_limit, limits[MOST_RUNS];
    _Alignas(64) int16_t whole_shift[2 * STEP_COLUMNS];
    int16_t shifts[][2 * STEP_COLUMNS];
} slim_runs;

static size_t split_extra(const operands kind, size_t size) {
    (void)kind;
    return sizeof(slim_runs) + size / RUN_TERMS * sizeof(int16_t[2 * STEP_COLUMNS]);
}

// The most that the squares of the other operand may add up to.
INLINE int32_t limit_of_terms(const int8_t *w, size_t distance, size_t terms) {
    __m256i squares[4], most = _mm256_setzero_si256();
    UNROLL for (size_t j = 0; j < 4; j++) squares[j] = most;
    for (size_t i = 0; i < terms; i += STEP_TERMS, w += distance) {
        UNROLL for (size_t j = 0; j < 4; j++) squares[j] = _mm256_add_epi32(
            squares[j], squares_of(_mm_loadu_si128((const __m128i *)(w + 16 * j))));
    }
    UNROLL for (size_t j = 0; j < 4; j++) most = _mm256_max_epi32(most, squares[j]);
    return limit_of(largest_bits((integers)most));
}

// Squares in the two sums that four terms are parted into.
INLINE __m256i parted(__m256i squares) {
    squares = _mm256_add_epi32(squares, _mm256_shuffle_epi32(squares, 0x4e));
    return _mm256_add_epi32(squares, _mm256_permute4x64_epi64(squares, 0x4e));
}

INLINE split_bounds bounds_of(const char *rows, const size_t stride, size_t size) {
    __m256i run = _mm256_setzero_si256(), whole = run;
    for (size_t r = 0; r < ROWS; r++, rows += stride) {
        __m256i all = _mm256_setzero_si256();
        for (size_t i = 0; i + RUN_TERMS <= size; i += RUN_TERMS) {
            __m256i squares = _mm256_setzero_si256();
            UNROLL for (size_t j = 0; j < RUN_TERMS; j += 16) {
                const __m128i bytes = _mm_loadu_si128((const __m128i *)(rows + i + j));
                squares = _mm256_add_epi32(squares,
                                           squares_of(_mm_sub_epi8(bytes, _mm_set1_epi8(OFFSET))));
            }
            all = _mm256_add_epi32(all, squares);
            run = _mm256_max_epi32(run, parted(squares));
        }
        whole = _mm256_max_epi32(whole, parted(all));
    }
    return (split_bounds){largest_bits((integers)run), largest_bits((integers)whole)};
}

static const split_bounds weight_bounds = {.run = RUN_TERMS / 2 * OFFSET * OFFSET};

// The limits, the shifts, and the sums of these: what 64 added to the other operand would have
// brought.
INLINE void split_panel(const operands kind, char *panel, size_t group, size_t size,
                        int32_t excess[STEP_COLUMNS], char *extra) {
    (void)kind;
    slim_runs *runs = (slim_runs *)extra;
    const int8_t *w = (const int8_t *)panel;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < size; i += SURE_TERMS) {
        int16_t shift[2 * STEP_COLUMNS];
        find_shift(w + i / STEP_TERMS * group, group, SURE_TERMS, OFFSET, shift);
        UNROLL for (size_t h = 0; h < 2; h++) sums[h] = _mm256_add_epi32(
            sums[h], _mm256_madd_epi16(load_vector(shift + STEP_COLUMNS * h), ones));
    }
    UNROLL for (size_t h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)(excess + 8 * h), sums[h]);
    for (size_t i = 0; i < size / RUN_TERMS; i++) {
        const int8_t *run = w + i * RUN_TERMS / STEP_TERMS * group;
        find_shift(run, group, RUN_TERMS, OFFSET, runs->shifts[i]);
        runs->limits[i] = limit_of_terms(run, group, RUN_TERMS);
    }
    if (size == WHOLE_TERMS) {
        find_shift(w, group, WHOLE_TERMS, OFFSET, runs->whole_shift);
        runs->whole_limit = limit_of_terms(w, group, WHOLE_TERMS);
    }
}

INLINE void split_products(const operands kind, const size_t P, const char *rows,
                           const size_t stride, const char *panels, size_t panel, size_t group,
                           size_t size, const char *extra, split_bounds bounds,
                           integers sums[ROWS][2]) {
    (void)kind, (void)P, (void)panel;
    const slim_runs *runs = (const slim_runs *)extra;
    const uint8_t *a = (const uint8_t *)rows;
    const int8_t *w = (const int8_t *)panels;
    if (bounds.whole && size == WHOLE_TERMS && bounds.whole <= runs->whole_limit) {
        const __m256i ones = _mm256_set1_epi16(1);
        __m256i words[STEP_ROWS][2];
        sum_steps(ROWS, WHOLE_TERMS, a, stride, w, group, runs->whole_shift, words);
        UNROLL for (size_t r = 0; r < ROWS; r++) {
            UNROLL for (size_t h = 0; h < 2; h++) sums[r][h] +=
                (integers)_mm256_madd_epi16(words[r][h], ones);
        }
        return;
    }
    _Alignas(32) int32_t whole[ROWS * STEP_COLUMNS];
    memcpy(whole, sums, sizeof whole);
    for (size_t run = 0; size; run++) {
        if (__builtin_expect(size >= RUN_TERMS && bounds.run <= runs->limits[run], 1)) {
            add_steps(ROWS, RUN_TERMS, a, stride, w, group, runs->shifts[run], whole);
            a += RUN_TERMS, w += RUN_TERMS / STEP_TERMS * group, size -= RUN_TERMS;
            continue;
        }
        for (size_t i = 0; i < RUN_TERMS && size; i += SURE_TERMS) {
            int16_t shift[2 * STEP_COLUMNS];
            find_shift(w, group, SURE_TERMS, OFFSET, shift);
            add_steps(ROWS, SURE_TERMS, a, stride, w, group, shift, whole);
            a += SURE_TERMS, w += SURE_TERMS / STEP_TERMS * group, size -= SURE_TERMS;
        }
    }
    memcpy(sums, whole, sizeof whole);
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
