// The product with AVX2.
//
// Narrow operands: a tile of 4 rows x 16 columns. `vpmaddubsw` adds two products of bytes in 16
// bits, which cannot saturate while activations have 7 bits (2 * 127 * 128 < 2^15), weights have
// (2 * 255 * 64 < 2^15), or neighbouring weights add up to 128 (255 * 128 < 2^15). Up to 16 such
// pairs are added in 16 bits before they are widened, though their sum may overflow: it is kept
// modulo 2^16, and with -c times the sum of the weights added it is, modulo 2^16, the sum of
// w * (a - c), where c is the middle of the activations' range. That sum is known to fit where the
// sums of the squares of w and of a - c, multiplied, are below 2^30 (Cauchy and Schwarz). Where
// they are not for a whole run of groups they are compared for each of its groups, and where they
// are not for a group its pairs are widened one by one. Nine instructions for 128
// multiply-accumulates.
//
// Full bytes: a tile of 2 rows x 16 columns with everything widened to 16 bits, two instructions
// for 16 multiply-accumulates; 8 registers hold the sums, two to a column.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define TILE_ROWS 4
// Terms of a group: two to a pair, and two lanes of pairs to a column.
#define GROUP_TERMS 16
// Runs of a row up to which bounds of whole runs are kept; those of longer rows are found group by
// group.
#define MOST_RUNS 256
#define BLOCK_ROWS 96
#define FACTS_BYTES (BLOCK_ROWS / TILE_ROWS * MOST_RUNS * 4 + MOST_RUNS * 64 + 16 * 4 + 64)
#include "int8_gemm_256.h"

#include "byte_steps_avx2.h"

// What is known of a panel: the sum of every column, and for every group, then for every run, the
// most that the squares of an activation's distances from the middle may add up to. Behind them
// stand the shifts of long runs, so that no block of rows needs to find them.
typedef struct panel_facts {
    int32_t sums[PANEL];
    int32_t limits[];
} panel_facts;

// What tiles need to know besides bytes.
typedef struct block_facts {
    // The largest sum of squares of a tile's rows in every run.
    int32_t squares[BLOCK_ROWS / TILE_ROWS][MOST_RUNS];
    // For the panel at hand: c times the sum of a column's weights, where sums start, the limits,
    // and -c times the sum of a run's weights, modulo 2^16, which may be `own_shifts`.
    int32_t starts[PANEL];
    const int32_t *limits;
    const int16_t (*shifts)[2 * PANEL];
    int16_t own_shifts[MOST_RUNS][2 * PANEL];
} block_facts;

_Static_assert(sizeof(block_facts) <= FACTS_BYTES, "a block's facts do not fit");

static size_t groups_of(size_t k) {
    return (k + GROUP_TERMS - 1) / GROUP_TERMS;
}

// Groups that are widened together: the narrower operands are, the fewer sums come near 16 bits.
static size_t run_of(declip_int8_range range) {
    switch (range) {
    case DECLIP_INT8_U7S7:
        return 4;
    case DECLIP_INT8_U7S8:
    case DECLIP_INT8_U8S7:
        return 2;
    default:
        return 1;
    }
}

// Whole runs of a row.
static size_t runs_of(size_t k, declip_int8_range range) {
    return groups_of(k) / run_of(range);
}

// The limits of groups and runs, in whole cache lines.
static size_t limits_size(size_t k) {
    const size_t limits = groups_of(k) + runs_of(k, DECLIP_INT8_U8S8_PAIRED);
    return (limits + 15) / 16 * 16 * sizeof(int32_t);
}

static size_t panel_facts_size(size_t k) {
    return sizeof(panel_facts) + limits_size(k) +
           runs_of(k, DECLIP_INT8_U7S7) * sizeof(int16_t[2 * PANEL]);
}

INLINE int32_t largest_of(const __m256i v[4]) {
    __m256i lanes = _mm256_max_epi32(_mm256_max_epi32(v[0], v[1]), _mm256_max_epi32(v[2], v[3]));
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1)));
}

// The middle of the activations' range.
INLINE int middle(const tile_input *in) {
    return in->range == DECLIP_INT8_U7S7 || in->range == DECLIP_INT8_U7S8 ? 64 : 128;
}

// Whether the shifts of a panel's runs stand behind its limits.
INLINE int has_shifts(const tile_input *in) {
    return in->range == DECLIP_INT8_U7S7;
}

INLINE void find_shifts(const tile_input *in, const int8_t *panel, int16_t shifts[][2 * PANEL]) {
    const size_t terms = run_of(in->range) * GROUP_TERMS;
    for (size_t i = 0; i < runs_of(in->k, in->range); i++)
        find_shift(panel + i * terms * PANEL, STEP_BYTES, terms, middle(in), shifts[i]);
}

INLINE void finish_panel(const tile_input *in, int8_t *panel, void *facts) {
    panel_facts *found = facts;
    if (has_shifts(in))
        find_shifts(in, panel, (void *)((char *)found->limits + limits_size(in->k)));
    const size_t groups = groups_of(in->k), most = run_of(in->range);
    int32_t *runs = found->limits + groups;
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, run[4];
    const __m256i ones = _mm256_set1_epi8(1), word_ones = _mm256_set1_epi16(1);
    for (size_t g = 0; g < groups; g++) {
        __m256i squares[4];
        UNROLL for (size_t j = 0; j < 4; j++) squares[j] = _mm256_setzero_si256();
        UNROLL for (size_t q = 0; q < GROUP_TERMS / 4; q++, panel += 4 * PANEL) {
            UNROLL for (size_t j = 0; j < 4; j++) squares[j] = _mm256_add_epi32(
                squares[j], squares_of(_mm_loadu_si128((const __m128i *)(panel + 16 * j))));
            UNROLL for (size_t h = 0; h < 2; h++) sums[h] = _mm256_add_epi32(
                sums[h], _mm256_madd_epi16(_mm256_maddubs_epi16(ones, load_vector(panel + 32 * h)),
                                           word_ones));
        }
        UNROLL for (size_t j = 0; j < 4; j++) run[j] =
            g % most ? _mm256_add_epi32(run[j], squares[j]) : squares[j];
        found->limits[g] = limit_of(largest_of(squares));
        if (g % most == most - 1)
            *runs++ = limit_of(largest_of(run));
    }
    _mm256_storeu_si256((__m256i *)found->sums, sums[0]);
    _mm256_storeu_si256((__m256i *)(found->sums + 8), sums[1]);
}

INLINE int has_bounds(const tile_input *in) {
    return in->range != DECLIP_INT8_U8S8 && runs_of(in->k, in->range) <= MOST_RUNS;
}

// The largest sum of squares among rows over `groups` groups, each row's in the larger of its
// lanes.
INLINE int32_t row_squares(size_t rows, const uint8_t *a, size_t stride, size_t groups,
                           int middle) {
    const __m128i c = _mm_set1_epi8((char)middle);
    __m128i most = _mm_setzero_si128();
    for (size_t r = 0; r < rows; r++, a += stride) {
        __m256i squares = _mm256_setzero_si256();
        for (size_t g = 0; g < groups; g++) {
            const __m128i bytes = _mm_loadu_si128((const __m128i *)(a + g * GROUP_TERMS));
            squares = _mm256_add_epi32(squares, squares_of(_mm_sub_epi8(bytes, c)));
        }
        __m128i lanes =
            _mm_add_epi32(_mm256_castsi256_si128(squares), _mm256_extracti128_si256(squares, 1));
        most = _mm_max_epi32(most, _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0x4e)));
    }
    return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1)));
}

INLINE void find_row_facts(const tile_input *in, size_t rows, size_t tiles, void *facts) {
    block_facts *found = facts;
    if (!has_bounds(in))
        return;
    const size_t run = run_of(in->range), runs = runs_of(in->k, in->range);
    for (size_t t = 0; t < tiles; t++) {
        const size_t first = tile_start(rows, tiles, t), end = tile_start(rows, tiles, t + 1);
        const uint8_t *a = in->a + first * in->a_stride;
        for (size_t i = 0; i < runs; i++)
            found->squares[t][i] =
                row_squares(end - first, a + i * run * GROUP_TERMS, in->a_stride, run, middle(in));
    }
}

INLINE void take_panel_facts(const tile_input *in, const void *panel, void *facts) {
    const panel_facts *known = panel;
    block_facts *found = facts;
    if (in->range == DECLIP_INT8_U8S8)
        return;
    found->limits = known->limits;
    UNROLL for (size_t h = 0; h < PANEL; h += 8) _mm256_storeu_si256(
        (__m256i *)(found->starts + h),
        _mm256_mullo_epi32(load_vector(known->sums + h), _mm256_set1_epi32(middle(in))));
    if (!has_bounds(in))
        return;
    found->shifts = (const void *)((const char *)known->limits + limits_size(in->k));
    if (!has_shifts(in)) {
        find_shifts(in, in->panels, found->own_shifts);
        found->shifts = (const void *)found->own_shifts;
    }
}

// A group whose sums may not fit: those of a pair's w * (a - c) do.
INLINE void add_pairs(const size_t R, const uint8_t *a, size_t stride, const int8_t *w, int middle,
                      int32_t *sums) {
    const __m256i c = _mm256_set1_epi8((char)middle);
    UNROLL for (size_t h = 0; h < 2; h++) {
        for (size_t q = 0; q < GROUP_TERMS; q += 4) {
            const __m256i weights = load_vector(w + q * PANEL + 32 * h);
            const __m256i shift = _mm256_maddubs_epi16(c, weights);
            UNROLL for (size_t r = 0; r < R; r++) {
                int32_t terms;
                memcpy(&terms, a + r * stride + q, sizeof terms);
                __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(terms), weights);
                widen(_mm256_sub_epi16(pairs, shift), sums + r * PANEL + 8 * h);
            }
        }
    }
}

// A run whose sums may not fit together.
INLINE void add_groups(const size_t R, const uint8_t *a, size_t stride, const int8_t *w,
                       size_t groups, const int32_t *limits, int middle, int32_t *sums) {
    for (size_t g = 0; g < groups; g++, a += GROUP_TERMS, w += GROUP_TERMS * PANEL) {
        if (row_squares(R, a, stride, 1, middle) <= limits[g]) {
            int16_t shift[2 * PANEL];
            find_shift(w, STEP_BYTES, GROUP_TERMS, middle, shift);
            add_steps(R, GROUP_TERMS, a, stride, w, STEP_BYTES, shift, sums);
        } else {
            add_pairs(R, a, stride, w, middle, sums);
        }
    }
}

// The same as a function of its own for every R, as it is rare and would take registers.
#define ADD_GROUPS(R)                                                                              \
    __attribute__((noinline)) TARGET static void add_groups_##R(                                   \
        const uint8_t *a, size_t stride, const int8_t *w, size_t groups, const int32_t *limits,    \
        int middle, int32_t *sums) {                                                               \
        add_groups(R, a, stride, w, groups, limits, middle, sums);                                 \
    }
ADD_GROUPS(1)
ADD_GROUPS(2)
ADD_GROUPS(3)
ADD_GROUPS(4)

INLINE void add_rarely(const size_t R, const uint8_t *a, size_t stride, const int8_t *w,
                       size_t groups, const int32_t *limits, int middle, int32_t *sums) {
    switch (R) {
    case 1:
        return add_groups_1(a, stride, w, groups, limits, middle, sums);
    case 2:
        return add_groups_2(a, stride, w, groups, limits, middle, sums);
    case 3:
        return add_groups_3(a, stride, w, groups, limits, middle, sums);
    default:
        return add_groups_4(a, stride, w, groups, limits, middle, sums);
    }
}

// A run of the next panel, into the second-level cache: the processor's own prefetching stops at
// every page. Behind the last panel follows nothing that could be harmed.
INLINE void fetch(const int8_t *w, size_t groups) {
    for (size_t j = 0; j < groups * GROUP_TERMS * PANEL; j += 64)
        __builtin_prefetch(w + j, 0, 2);
}

INLINE void tile(const size_t R, const size_t run, const tile_input *in, const tile_output *out) {
    const block_facts *facts = in->facts;
    _Alignas(64) int32_t sums[TILE_ROWS * PANEL];
    UNROLL for (size_t h = 0; h < 2; h++) {
        const __m256i start =
            _mm256_add_epi32(load_vector(facts->starts + 8 * h), start_of(h, out));
        UNROLL for (size_t r = 0; r < R; r++)
            _mm256_store_si256((__m256i *)(sums + r * PANEL + 8 * h), start);
    }
    prefetch_output(R, out);
    const size_t groups = groups_of(in->k), runs = has_bounds(in) ? groups / run : 0;
    const int32_t *squares = facts->squares[in->tile], *limits = facts->limits + groups;
    const uint8_t *a = in->a;
    const int8_t *w = in->panels;
    for (size_t i = 0; i < runs; i++) {
        if (in->tile == 0)
            fetch(w + in->panel_bytes, run);
        if (__builtin_expect(squares[i] > limits[i], 0)) {
            add_rarely(R, a, in->a_stride, w, run, facts->limits + i * run, middle(in), sums);
        } else {
            add_steps(R, run * GROUP_TERMS, a, in->a_stride, w, STEP_BYTES, facts->shifts[i], sums);
        }
        a += run * GROUP_TERMS, w += run * GROUP_TERMS * PANEL;
    }
    if (runs * run < groups)
        add_rarely(R, a, in->a_stride, w, groups - runs * run, facts->limits + runs * run,
                   middle(in), sums);
    __m256i whole[TILE_ROWS][2];
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++) whole[r][h] = load_vector(sums + r * PANEL + 8 * h);
    }
    finish(R, whole, out);
}

INLINE size_t tile_rows(const size_t run, size_t rows, const tile_input *in,
                        const tile_output *out) {
    if (rows >= 4)
        return tile(4, run, in, out), 4;
    if (rows >= 3)
        return tile(3, run, in, out), 3;
    if (rows >= 2)
        return tile(2, run, in, out), 2;
    return tile(1, run, in, out), 1;
}

// A row's step with 16-bit operands.
INLINE void wide_step(const uint8_t *a, const __m256i w[4], __m256i sum[4]) {
    int32_t bytes;
    memcpy(&bytes, a, sizeof bytes);
    __m256i terms = _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes));
    UNROLL for (size_t j = 0; j < 4; j++) sum[j] =
        _mm256_add_epi32(sum[j], _mm256_madd_epi16(terms, w[j]));
}

INLINE void wide_tile(const size_t R, const tile_input *in, const tile_output *out) {
    __m256i sums[TILE_ROWS][4], whole[TILE_ROWS][2];
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t j = 0; j < 4; j++) sums[r][j] = _mm256_setzero_si256();
    }
    prefetch_output(R, out);
    const uint8_t *a = in->a;
    const int8_t *w = in->panels;
    for (size_t i = 0; i < in->k; i += 4, a += 4, w += 4 * PANEL) {
        __m256i wide[4];
        UNROLL for (size_t j = 0; j < 4; j++) wide[j] =
            _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16 * j)));
        UNROLL for (size_t r = 0; r < R; r++) wide_step(a + r * in->a_stride, wide, sums[r]);
    }
    // Neighbours are added within 128-bit lanes, then the 64-bit quarters put in order.
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++) whole[r][h] = _mm256_add_epi32(
            _mm256_permute4x64_epi64(_mm256_hadd_epi32(sums[r][2 * h], sums[r][2 * h + 1]), 0xd8),
            start_of(h, out));
    }
    finish(R, whole, out);
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    (void)panels;
    if (in->range == DECLIP_INT8_U8S8) {
        if (rows >= 2)
            return wide_tile(2, in, out), 2;
        return wide_tile(1, in, out), 1;
    }
    switch (run_of(in->range)) {
    case 4:
        return tile_rows(4, rows, in, out);
    case 2:
        return tile_rows(2, rows, in, out);
    default:
        return tile_rows(1, rows, in, out);
    }
}

// A run's instructions.
TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    enum { SUMS = 10 };
    __m256i words[SUMS], ones = _mm256_set1_epi16(1), whole = _mm256_setzero_si256();
    __m256i a = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5);
    UNROLL for (size_t r = 0; r < SUMS; r++) words[r] = _mm256_setzero_si256();
    const size_t groups = run_of(range);
    for (uint64_t i = 0; i < iterations; i++) {
        for (size_t g = 0; g < groups; g++) {
            UNROLL for (size_t q = 0; q < GROUP_TERMS / 4; q++) {
                UNROLL for (size_t r = 0; r < SUMS; r++) {
                    __m256i pairs;
                    __asm__ volatile("vpmaddubsw %2, %3, %1\n\tvpaddw %1, %0, %0"
                                     : "+x"(words[r]), "=&x"(pairs)
                                     : "x"(w), "x"(a));
                }
            }
        }
        UNROLL for (size_t r = 0; r < SUMS; r++) __asm__ volatile(
            "vpmaddwd %2, %0, %0\n\tvpaddd %0, %1, %1" : "+x"(words[r]), "+x"(whole) : "x"(ones));
    }
    __asm__ volatile("" ::"x"(whole));
    return iterations * SUMS * groups * GROUP_TERMS / 4 * 32;
}

const declip_int8_gemm declip_int8_gemm_avx2 = {
    GROUP, 0, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avx2_is_not_built; // an empty translation unit is not C
#endif
