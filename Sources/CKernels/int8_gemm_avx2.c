// The product with AVX2.
//
// Narrow operands: a tile of 4 rows x 16 columns. `vpmaddubsw` adds two products of bytes in 16
// bits, which cannot saturate while activations have 7 bits (2 * 127 * 128 < 2^15), weights have
// (2 * 255 * 64 < 2^15), or neighbouring weights add up to 128 (255 * 128 < 2^15). Four such pairs
// are added in 16 bits before they are widened, though their sum may overflow: it is kept modulo
// 2^16, and with -c times the sum of the weights added it is, modulo 2^16, the sum of
// w * (a - c), where c is the middle of the activations' range. That sum is known to fit where the
// sums of the squares of w and of a - c, multiplied, are below 2^30 (Cauchy and Schwarz); where they
// are not, which is rare, the group's pairs are widened one by one. Ten instructions for 128
// multiply-accumulates.
//
// Full bytes: a tile of 2 rows x 16 columns with everything widened to 16 bits, two instructions
// for 16 multiply-accumulates; 8 registers hold the sums, two to a column.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define TILE_ROWS 4
// Terms that are added in 16 bits: two to a pair, and two lanes of pairs to a column.
#define GROUP_TERMS 16
// Groups of a row up to which bounds are kept; the sums of longer rows are widened pair by pair.
#define MOST_GROUPS 512
#define BLOCK_ROWS 96
#define FACTS_BYTES                                                                                \
    (BLOCK_ROWS / TILE_ROWS * MOST_GROUPS * 4 + MOST_GROUPS * 64 + 16 * 4 + 64)
#include "int8_gemm_256.h"

// What is known of a panel: the sum of every column, and for every group the most that the squares
// of an activation's distances from the middle may add up to.
typedef struct panel_facts {
    int32_t sums[PANEL];
    int32_t limits[];
} panel_facts;

// What tiles need to know besides bytes.
typedef struct block_facts {
    // The largest sum of squares of a tile's rows in every group.
    int32_t squares[BLOCK_ROWS / TILE_ROWS][MOST_GROUPS];
    // For the panel at hand: -c times the sum of a group's weights, modulo 2^16, and c times the
    // sum of a column's weights, where sums start.
    int16_t shifts[MOST_GROUPS][2 * PANEL];
    int32_t starts[PANEL];
    const int32_t *limits;
} block_facts;

_Static_assert(sizeof(block_facts) <= FACTS_BYTES, "a block's facts do not fit");

static size_t groups_of(size_t k) { return (k + GROUP_TERMS - 1) / GROUP_TERMS; }

// Groups in whole vectors.
static size_t padded_groups(size_t k) { return (groups_of(k) + 7) / 8 * 8; }

static size_t panel_facts_size(size_t k) {
    return sizeof(panel_facts) + padded_groups(k) * sizeof(int32_t);
}

INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

// The sums of squares of neighbours among 16 signed bytes.
INLINE __m256i squares_of(__m128i bytes) {
    __m256i words = _mm256_cvtepi8_epi16(bytes);
    return _mm256_madd_epi16(words, words);
}

INLINE int32_t largest_of(__m256i v) {
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1)));
}

INLINE void finish_panel(const tile_input *in, int8_t *panel, void *facts) {
    panel_facts *found = facts;
    const size_t k = in->k;
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    const __m256i ones = _mm256_set1_epi8(1), word_ones = _mm256_set1_epi16(1);
    for (size_t g = groups_of(k); g < padded_groups(k); g++) found->limits[g] = INT32_MAX;
    for (size_t g = 0; g < groups_of(k); g++) {
        __m256i squares[4];
        UNROLL for (size_t j = 0; j < 4; j++) squares[j] = _mm256_setzero_si256();
        UNROLL for (size_t q = 0; q < GROUP_TERMS / 4; q++, panel += 4 * PANEL) {
            UNROLL for (size_t j = 0; j < 4; j++) squares[j] = _mm256_add_epi32(
                squares[j], squares_of(_mm_loadu_si128((const __m128i *)(panel + 16 * j))));
            UNROLL for (size_t h = 0; h < 2; h++) sums[h] = _mm256_add_epi32(
                sums[h],
                _mm256_madd_epi16(_mm256_maddubs_epi16(ones, load(panel + 32 * h)), word_ones));
        }
        int32_t largest = largest_of(_mm256_max_epi32(_mm256_max_epi32(squares[0], squares[1]),
                                                      _mm256_max_epi32(squares[2], squares[3])));
        found->limits[g] = largest ? 32767 * 32767 / largest : INT32_MAX;
    }
    _mm256_storeu_si256((__m256i *)found->sums, sums[0]);
    _mm256_storeu_si256((__m256i *)(found->sums + 8), sums[1]);
}

// The middle of the activations' range.
INLINE int middle(const tile_input *in) {
    return in->range == DECLIP_INT8_U7S7 || in->range == DECLIP_INT8_U7S8 ? 64 : 128;
}

INLINE int has_bounds(const tile_input *in) {
    return in->range != DECLIP_INT8_U8S8 && groups_of(in->k) <= MOST_GROUPS;
}

INLINE void find_row_facts(const tile_input *in, size_t rows, size_t tiles, void *facts) {
    block_facts *found = facts;
    if (!has_bounds(in)) return;
    const __m128i c = _mm_set1_epi8((char)middle(in));
    for (size_t t = 0; t < tiles; t++) {
        const size_t first = tile_start(rows, tiles, t), end = tile_start(rows, tiles, t + 1);
        for (size_t g = 0; g < groups_of(in->k); g++) {
            const uint8_t *a = in->a + first * in->a_stride + g * GROUP_TERMS;
            __m128i most = _mm_setzero_si128();
            for (size_t r = first; r < end; r++, a += in->a_stride) {
                __m256i squares =
                    squares_of(_mm_sub_epi8(_mm_loadu_si128((const __m128i *)a), c));
                __m128i lanes = _mm_add_epi32(_mm256_castsi256_si128(squares),
                                              _mm256_extracti128_si256(squares, 1));
                lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0x4e));
                most = _mm_max_epi32(most, lanes);
            }
            most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
            found->squares[t][g] = _mm_cvtsi128_si32(most);
        }
    }
}

INLINE void take_panel_facts(const tile_input *in, const void *panel, void *facts) {
    const panel_facts *known = panel;
    block_facts *found = facts;
    if (in->range == DECLIP_INT8_U8S8) return;
    const __m256i c = _mm256_set1_epi8((char)middle(in));
    found->limits = known->limits;
    UNROLL for (size_t h = 0; h < PANEL; h += 8) _mm256_storeu_si256(
        (__m256i *)(found->starts + h),
        _mm256_mullo_epi32(load(known->sums + h), _mm256_set1_epi32(middle(in))));
    if (!has_bounds(in)) return;
    const int8_t *w = in->panels;
    for (size_t g = 0; g < groups_of(in->k); g++) {
        UNROLL for (size_t h = 0; h < 2; h++) {
            __m256i shift = _mm256_setzero_si256();
            UNROLL for (size_t q = 0; q < GROUP_TERMS / 4; q++) shift = _mm256_sub_epi16(
                shift, _mm256_maddubs_epi16(c, load(w + q * 4 * PANEL + 32 * h)));
            _mm256_storeu_si256((__m256i *)(found->shifts[g] + 16 * h), shift);
        }
        w += GROUP_TERMS * PANEL;
    }
}

// One row's step: four terms times 16 columns, added in 16 bits to `sum`. In assembly because the
// compiler, left alone, loads the terms of all rows first and runs out of registers.
INLINE void step(const uint8_t *a, __m256i w0, __m256i w1, __m256i sum[2]) {
    __m256i terms, low;
    __asm__("vpbroadcastd %4, %2\n\t"
            "vpmaddubsw %5, %2, %3\n\t"
            "vpmaddubsw %6, %2, %2\n\t"
            "vpaddw %3, %0, %0\n\t"
            "vpaddw %2, %1, %1"
            : "+x"(sum[0]), "+x"(sum[1]), "=&x"(terms), "=&x"(low)
            : "m"(*(const uint8_t(*)[4])a), "x"(w0), "x"(w1));
}

// The first step of a group.
INLINE void first_step(const uint8_t *a, __m256i w0, __m256i w1, const int16_t *shift,
                       __m256i sum[2]) {
    __m256i terms, low;
    __asm__("vpbroadcastd %4, %2\n\t"
            "vpmaddubsw %5, %2, %3\n\t"
            "vpmaddubsw %6, %2, %2\n\t"
            "vpaddw %7, %3, %0\n\t"
            "vpaddw %8, %2, %1"
            : "=&x"(sum[0]), "=&x"(sum[1]), "=&x"(terms), "=&x"(low)
            : "m"(*(const uint8_t(*)[4])a), "x"(w0), "x"(w1), "m"(*(const int16_t(*)[16])shift),
              "m"(*(const int16_t(*)[16])(shift + 16)));
}

// Adds what 16 bits hold to sums of 32 bits in memory: the registers are taken.
INLINE void widen(__m256i words, int32_t *sums) {
    const __m256i ones = _mm256_set1_epi16(1);
    _mm256_store_si256((__m256i *)sums,
                       _mm256_add_epi32(_mm256_load_si256((const __m256i *)sums),
                                        _mm256_madd_epi16(words, ones)));
}

INLINE void group(const size_t R, const uint8_t *a, size_t stride, const int8_t *w,
                  const int16_t *shift, int32_t *sums) {
    __m256i words[TILE_ROWS][2];
    UNROLL for (size_t q = 0; q < GROUP_TERMS / 4; q++, w += 4 * PANEL, a += 4) {
        __m256i w0 = load(w), w1 = load(w + 32);
        UNROLL for (size_t r = 0; r < R; r++) {
            if (q == 0) {
                first_step(a + r * stride, w0, w1, shift, words[r]);
            } else {
                step(a + r * stride, w0, w1, words[r]);
            }
        }
    }
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++) widen(words[r][h], sums + r * PANEL + 8 * h);
    }
}

// The same for a group whose sums may not fit 16 bits: those of a pair's w * (a - c) do.
INLINE void group_by_pairs(const size_t R, const uint8_t *a, size_t stride, const int8_t *w,
                           int middle, int32_t *sums) {
    const __m256i c = _mm256_set1_epi8((char)middle);
    UNROLL for (size_t h = 0; h < 2; h++) {
        for (size_t q = 0; q < GROUP_TERMS; q += 4) {
            const __m256i weights = load(w + q * PANEL + 32 * h);
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

// A group of the next panel, into the second-level cache: the processor's own prefetching stops at
// every page. Behind the last panel follows nothing that could be harmed.
INLINE void fetch(const int8_t *w) {
    UNROLL for (size_t j = 0; j < GROUP_TERMS * PANEL; j += 64) __builtin_prefetch(w + j, 0, 2);
}

INLINE void tile(const size_t R, const tile_input *in, const tile_output *out) {
    const block_facts *facts = in->facts;
    _Alignas(64) int32_t sums[TILE_ROWS * PANEL];
    UNROLL for (size_t r = 0; r < R; r++) memcpy(sums + r * PANEL, facts->starts, 4 * PANEL);
    prefetch_output(R, out);
    const size_t groups = groups_of(in->k);
    const uint8_t *a = in->a;
    const int8_t *w = in->panels;
    for (size_t first = 0; first < groups; first += 8) {
        int doubtful = 0xff;
        if (has_bounds(in))
            doubtful = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(
                load(facts->squares[in->tile] + first), load(facts->limits + first))));
        for (size_t g = first; g < groups && g < first + 8; g++, doubtful >>= 1) {
            if (in->tile == 0) fetch(w + in->panel_bytes);
            if (doubtful & 1) {
                group_by_pairs(R, a, in->a_stride, w, middle(in), sums);
            } else {
                group(R, a, in->a_stride, w, facts->shifts[g], sums);
            }
            a += GROUP_TERMS, w += GROUP_TERMS * PANEL;
        }
    }
    __m256i whole[TILE_ROWS][2];
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++) whole[r][h] = load(sums + r * PANEL + 8 * h);
    }
    finish(R, whole, out);
}

INLINE size_t tile_rows(size_t rows, const tile_input *in, const tile_output *out) {
    if (rows >= 4) return tile(4, in, out), 4;
    if (rows >= 3) return tile(3, in, out), 3;
    if (rows >= 2) return tile(2, in, out), 2;
    return tile(1, in, out), 1;
}

// A row's step with 16-bit operands.
INLINE void wide_step(const uint8_t *a, const __m256i w[4], __m256i sum[4]) {
    int32_t bytes;
    memcpy(&bytes, a, sizeof bytes);
    __m256i terms = _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes));
    UNROLL for (size_t j = 0; j < 4; j++)
        sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(terms, w[j]));
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
        UNROLL for (size_t j = 0; j < 4; j++)
            wide[j] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16 * j)));
        UNROLL for (size_t r = 0; r < R; r++) wide_step(a + r * in->a_stride, wide, sums[r]);
    }
    // Neighbours are added within 128-bit lanes, then the 64-bit quarters put in order.
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++)
            whole[r][h] = _mm256_permute4x64_epi64(
                _mm256_hadd_epi32(sums[r][2 * h], sums[r][2 * h + 1]), 0xd8);
    }
    finish(R, whole, out);
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    (void)panels;
    if (in->range == DECLIP_INT8_U8S8) {
        if (rows >= 2) return wide_tile(2, in, out), 2;
        return wide_tile(1, in, out), 1;
    }
    return tile_rows(rows, in, out);
}

// A group's instructions.
TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    (void)range;
    enum { SUMS = 10 };
    __m256i words[SUMS], ones = _mm256_set1_epi16(1), whole = _mm256_setzero_si256();
    __m256i a = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5);
    UNROLL for (size_t r = 0; r < SUMS; r++) words[r] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t q = 0; q < GROUP_TERMS / 4; q++) {
            UNROLL for (size_t r = 0; r < SUMS; r++) {
                __m256i pairs;
                __asm__ volatile("vpmaddubsw %2, %3, %1\n\tvpaddw %1, %0, %0"
                                 : "+x"(words[r]), "=&x"(pairs)
                                 : "x"(w), "x"(a));
            }
        }
        UNROLL for (size_t r = 0; r < SUMS; r++) __asm__ volatile(
            "vpmaddwd %2, %0, %0\n\tvpaddd %0, %1, %1" : "+x"(words[r]), "+x"(whole) : "x"(ones));
    }
    __asm__ volatile("" ::"x"(whole));
    return iterations * SUMS * GROUP_TERMS / 4 * 32;
}

const declip_int8_gemm declip_int8_gemm_avx2 = {
    GROUP, 0, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avx2_is_not_built; // an empty translation unit is not C
#endif
