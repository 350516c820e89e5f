// The product with SSE4.1, for processors without AVX2.
//
//           16 columns, four terms of each
//         +------+------+------+------+
//   row 0 | sums | sums | sums | sums |   a tile of 2 rows; 16 terms make a run
//       1 |      |      |      |      |
//         +------+------+------+------+
//
// Registers: 8 of sums, 4 of a row's terms, four to each, and 3 in which the products of two
// vectors of columns are added. Weights, which all rows share, and constants stay in the first-
// level cache.
//
// `pmaddubsw` adds two products of bytes in 16 bits, and the four such pairs of a run are added in
// 16 bits before they are widened, though their sum may overflow: it is kept modulo 2^16, and with
// -c times the sum of the weights added it is, modulo 2^16, the sum of w * (a - c), where c is the
// middle of the activations' range. That sum is known to fit where the sums of the squares of w and
// of a - c, multiplied, are below 2^30 (Cauchy and Schwarz). Where they are not, and where a pair
// of full bytes could saturate (weights of one sign that add up to more than 128), the run is
// multiplied in 16 bits. The pairs of narrower operands never saturate: 2 * 127 * 128 < 2^15 and
// 2 * 255 * 64 < 2^15.
//
// A row's run takes a load, 4 broadcasts and 4 times 14 instructions less 4 copies for 256
// multiply-accumulates: 57, of which 20 multiply.
#if defined(__x86_64__)
#define TARGET __attribute__((target("ssse3,sse4.1")))
#define GROUP 4
#define TILE_ROWS 2
#define TILE_PANELS 1
#define BLOCK_ROWS 64
#define FLOATS declip_float_sse41
// Terms of a run: two to a pair, and two lanes of pairs to a column.
#define RUN_TERMS 16
// Runs of a row that are known beforehand; what follows in longer rows is multiplied in 16 bits.
#define MOST_RUNS 256
#define FACTS_BYTES (BLOCK_ROWS / TILE_ROWS * MOST_RUNS * 4 + MOST_RUNS * 64 + 16 * 4 + 64)
#include "int8_gemm.h"
#include "int8_tables.h"

#include <immintrin.h>

enum {
    VECTORS = PANEL / 4, // of columns
    RUN_BYTES = RUN_TERMS * PANEL,
};

// What is known of a panel: the sum of every column, and for every run the most that the squares of
// an activation's distances from the middle may add up to; -1 where pairs could saturate.
typedef struct panel_facts {
    int32_t sums[PANEL];
    int32_t limits[];
} panel_facts;

// What tiles need to know besides bytes.
typedef struct block_facts {
    // For the panel at hand: -c times the sum of a run's weights, modulo 2^16, in two lanes to a
    // column.
    _Alignas(16) int16_t shifts[MOST_RUNS][2 * PANEL];
    // c times the sum of a column's weights, where sums start, and the limits.
    int32_t starts[PANEL];
    const int32_t *limits;
    // The largest sum of squares of a tile's rows, [tile][run].
    int32_t squares[BLOCK_ROWS / TILE_ROWS * MOST_RUNS];
} block_facts;

_Static_assert(sizeof(block_facts) <= FACTS_BYTES, "a block's facts do not fit");

INLINE __m128i load_vector(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}

static size_t runs_of(size_t k) {
    return k / RUN_TERMS;
}

static size_t known_runs(const tile_input *in) {
    return runs_of(in->k) < MOST_RUNS ? runs_of(in->k) : MOST_RUNS;
}

// Whole cache lines.
static size_t panel_facts_size(size_t k) {
    return sizeof(panel_facts) + (runs_of(k) + 15) / 16 * 16 * sizeof(int32_t);
}

// The middle of the activations' range.
INLINE int middle(const tile_input *in) {
    return in->range == DECLIP_INT8_U7S7 || in->range == DECLIP_INT8_U7S8 ? 64 : 128;
}

INLINE __m128i largest_lanes(__m128i v) {
    v = _mm_max_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return _mm_max_epi32(v, _mm_shuffle_epi32(v, 0xb1));
}

// The sums of squares of neighbours among 8 signed bytes.
INLINE __m128i squares_of(__m128i bytes) {
    const __m128i words = _mm_cvtepi8_epi16(bytes);
    return _mm_madd_epi16(words, words);
}

// The largest sum of squares of a run's lanes.
INLINE int32_t weight_squares(const int8_t *w) {
    __m128i most = _mm_setzero_si128();
    for (size_t j = 0; j < PANEL; j += 2) {
        __m128i squares = _mm_setzero_si128();
        UNROLL for (size_t g = 0; g < RUN_TERMS; g += 4) squares = _mm_add_epi32(
            squares, squares_of(_mm_loadl_epi64((const __m128i *)(w + g * PANEL + 4 * j))));
        most = _mm_max_epi32(most, squares);
    }
    return _mm_cvtsi128_si32(largest_lanes(most));
}

// Whether 255 times the weights of a pair may not fit.
INLINE int may_saturate(const int8_t *w) {
    const __m128i ones = _mm_set1_epi8(1);
    __m128i most = _mm_setzero_si128();
    for (size_t i = 0; i < RUN_BYTES; i += 16) {
        const __m128i weights = load_vector(w + i);
        const __m128i above = _mm_max_epi8(weights, _mm_setzero_si128());
        const __m128i below = _mm_abs_epi8(_mm_min_epi8(weights, _mm_setzero_si128()));
        most = _mm_max_epi16(most, _mm_maddubs_epi16(above, ones));
        most = _mm_max_epi16(most, _mm_maddubs_epi16(below, ones));
    }
    return _mm_movemask_epi8(_mm_cmpgt_epi16(most, _mm_set1_epi16(128))) != 0;
}

INLINE void finish_panel(const tile_input *in, int8_t *panel, void *facts) {
    panel_facts *found = facts;
    const __m128i ones = _mm_set1_epi8(1), word_ones = _mm_set1_epi16(1);
    __m128i sums[VECTORS];
    UNROLL for (size_t j = 0; j < VECTORS; j++) sums[j] = _mm_setzero_si128();
    for (size_t i = 0; i < runs_of(in->k); i++, panel += RUN_BYTES) {
        for (size_t g = 0; g < RUN_TERMS; g += 4) {
            UNROLL for (size_t j = 0; j < VECTORS; j++) {
                const __m128i pairs =
                    _mm_maddubs_epi16(ones, load_vector(panel + g * PANEL + 16 * j));
                sums[j] = _mm_add_epi32(sums[j], _mm_madd_epi16(pairs, word_ones));
            }
        }
        const int32_t squares = weight_squares(panel);
        found->limits[i] = squares ? 32767 * 32767 / squares : INT32_MAX;
        if (in->range == DECLIP_INT8_U8S8 && may_saturate(panel))
            found->limits[i] = -1;
    }
    UNROLL for (size_t j = 0; j < VECTORS; j++)
        _mm_storeu_si128((__m128i *)(found->sums + 4 * j), sums[j]);
}

INLINE void find_row_facts(const tile_input *in, size_t rows, size_t tiles, void *facts) {
    block_facts *found = facts;
    const __m128i c = _mm_set1_epi8((char)middle(in));
    const size_t runs = known_runs(in);
    for (size_t t = 0; t < tiles; t++) {
        const size_t first = tile_start(rows, tiles, t), end = tile_start(rows, tiles, t + 1);
        for (size_t i = 0; i < runs; i++) {
            __m128i most = _mm_setzero_si128();
            for (size_t r = first; r < end; r++) {
                const __m128i bytes =
                    _mm_sub_epi8(load_vector(in->a + r * in->a_stride + i * RUN_TERMS), c);
                __m128i squares =
                    _mm_add_epi32(squares_of(bytes), squares_of(_mm_srli_si128(bytes, 8)));
                squares = _mm_add_epi32(squares, _mm_shuffle_epi32(squares, 0x4e));
                most = _mm_max_epi32(most, squares);
            }
            found->squares[t * runs + i] = _mm_cvtsi128_si32(largest_lanes(most));
        }
    }
}

INLINE void take_panel_facts(const tile_input *in, const void *panel, void *facts) {
    const panel_facts *known = panel;
    block_facts *found = facts;
    const __m128i c = _mm_set1_epi8((char)middle(in)), factor = _mm_set1_epi32(middle(in));
    found->limits = known->limits;
    UNROLL for (size_t j = 0; j < PANEL; j += 4) _mm_storeu_si128(
        (__m128i *)(found->starts + j), _mm_mullo_epi32(load_vector(known->sums + j), factor));
    const int8_t *w = in->panels;
    for (size_t i = 0; i < known_runs(in); i++, w += RUN_BYTES) {
        UNROLL for (size_t j = 0; j < VECTORS; j++) {
            __m128i shift = _mm_setzero_si128();
            UNROLL for (size_t g = 0; g < RUN_TERMS; g += 4) shift =
                _mm_sub_epi16(shift, _mm_maddubs_epi16(c, load_vector(w + g * PANEL + 16 * j)));
            _mm_store_si128((__m128i *)(found->shifts[i] + 8 * j), shift);
        }
    }
}

// A vector's products with four terms, the first of a run with its shift, the others added. In
// assembly because the compiler, left alone, loads the weights once for both rows, or a row's terms
// early, and runs out of registers.
#define FIRST(TERMS, W, SHIFT, SUM)                                                                \
    "movdqa " TERMS ", " SUM "\n\t"                                                                \
    "pmaddubsw " W ", " SUM "\n\t"                                                                 \
    "paddw " SHIFT ", " SUM "\n\t"
#define NEXT(TERMS, W, SUM)                                                                        \
    "movdqa " TERMS ", %[q]\n\t"                                                                   \
    "pmaddubsw " W ", %[q]\n\t"                                                                    \
    "paddw %[q], " SUM "\n\t"
// The same where the terms are not needed any more: the first become the sum.
#define FIRST_IN_PLACE(TERMS, W, SHIFT)                                                            \
    "pmaddubsw " W ", " TERMS "\n\t"                                                               \
    "paddw " SHIFT ", " TERMS "\n\t"
#define NEXT_IN_PLACE(TERMS, W, SUM)                                                               \
    "pmaddubsw " W ", " TERMS "\n\t"                                                               \
    "paddw " TERMS ", " SUM "\n\t"
#define WIDEN(WORDS, SUM)                                                                          \
    "pmaddwd %[ones], " WORDS "\n\t"                                                               \
    "paddd " WORDS ", " SUM "\n\t"

// A row's run for two vectors of columns, side by side as one would wait for itself.
#define TWO_VECTORS                                                                                \
    FIRST("%[t0]", "%[a0]", "%[h0]", "%[p0]")                                                      \
    FIRST("%[t0]", "%[a1]", "%[h1]", "%[p1]")                                                      \
    NEXT("%[t1]", "%[b0]", "%[p0]")                                                                \
    NEXT("%[t1]", "%[b1]", "%[p1]")                                                                \
    NEXT("%[t2]", "%[c0]", "%[p0]")                                                                \
    NEXT("%[t2]", "%[c1]", "%[p1]")                                                                \
    NEXT("%[t3]", "%[d0]", "%[p0]")                                                                \
    NEXT("%[t3]", "%[d1]", "%[p1]")                                                                \
    WIDEN("%[p0]", "%[s0]")                                                                        \
    WIDEN("%[p1]", "%[s1]")
#define LAST_TWO_VECTORS                                                                           \
    FIRST("%[t0]", "%[a0]", "%[h0]", "%[p0]")                                                      \
    FIRST_IN_PLACE("%[t0]", "%[a1]", "%[h1]")                                                      \
    NEXT("%[t1]", "%[b0]", "%[p0]")                                                                \
    NEXT_IN_PLACE("%[t1]", "%[b1]", "%[t0]")                                                       \
    NEXT("%[t2]", "%[c0]", "%[p0]")                                                                \
    NEXT_IN_PLACE("%[t2]", "%[c1]", "%[t0]")                                                       \
    NEXT("%[t3]", "%[d0]", "%[p0]")                                                                \
    NEXT_IN_PLACE("%[t3]", "%[d1]", "%[t0]")                                                       \
    WIDEN("%[p0]", "%[s0]")                                                                        \
    WIDEN("%[t0]", "%[s1]")

#define VECTOR_AT(p) "m"(*(const __m128i *)(p))
#define OPERANDS_AT(w, shift)                                                                      \
    [a0] VECTOR_AT(w), [a1] VECTOR_AT(w + 16), [b0] VECTOR_AT(w + 4 * PANEL),                      \
        [b1] VECTOR_AT(w + 4 * PANEL + 16), [c0] VECTOR_AT(w + 8 * PANEL),                         \
        [c1] VECTOR_AT(w + 8 * PANEL + 16), [d0] VECTOR_AT(w + 12 * PANEL),                        \
        [d1] VECTOR_AT(w + 12 * PANEL + 16), [h0] VECTOR_AT(shift), [h1] VECTOR_AT(shift + 8),     \
        [ones] VECTOR_AT(word_ones)

static const _Alignas(16) int16_t word_ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};

// Adds the products of a row's run, which fit 16 bits together with the shift.
INLINE void add_run(const uint8_t *a, const int8_t *w, const int16_t *shift,
                    __m128i sums[VECTORS]) {
    __m128i t0, t1, t2, t3, p0, p1, q;
    __asm__ volatile("movdqu %4, %0\n\t"
                     "pshufd $0x55, %0, %1\n\t"
                     "pshufd $0xaa, %0, %2\n\t"
                     "pshufd $0xff, %0, %3\n\t"
                     "pshufd $0x00, %0, %0"
                     : "=&x"(t0), "=&x"(t1), "=&x"(t2), "=&x"(t3)
                     : VECTOR_AT(a));
    __asm__ volatile(
        TWO_VECTORS
        : [s0] "+x"(sums[0]), [s1] "+x"(sums[1]), [p0] "=&x"(p0), [p1] "=&x"(p1), [q] "=&x"(q)
        : [t0] "x"(t0), [t1] "x"(t1), [t2] "x"(t2), [t3] "x"(t3), OPERANDS_AT(w, shift));
    __asm__ volatile(LAST_TWO_VECTORS
                     : [s0] "+x"(sums[2]), [s1] "+x"(sums[3]), [p0] "=&x"(p0), [q] "=&x"(q),
                       [t0] "+x"(t0), [t1] "+x"(t1), [t2] "+x"(t2), [t3] "+x"(t3)
                     : OPERANDS_AT(w + 32, shift + 16));
}

// Adds the products of R rows and `terms` terms in 16 bits, terms 0 and 2 of four apart from 1 and
// 3, so that both sums of a column stand in the same lane.
INLINE void add_wide(const size_t R, const uint8_t *a, size_t stride, const int8_t *w, size_t terms,
                     int middle, __m128i result[TILE_ROWS][VECTORS]) {
    const __m128i c = _mm_set1_epi16((int16_t)middle), low = _mm_set1_epi16(255);
    __m128i sums[TILE_ROWS][VECTORS];
    memcpy(sums, result, R * sizeof *sums);
    for (size_t i = 0; i < terms; i += 4, a += 4, w += 4 * PANEL) {
        __m128i even[TILE_ROWS], odd[TILE_ROWS];
        UNROLL for (size_t r = 0; r < R; r++) {
            int32_t bytes;
            memcpy(&bytes, a + r * stride, sizeof bytes);
            const __m128i four = _mm_set1_epi32(bytes);
            even[r] = _mm_sub_epi16(_mm_and_si128(four, low), c);
            odd[r] = _mm_sub_epi16(_mm_srli_epi16(four, 8), c);
        }
        UNROLL for (size_t j = 0; j < VECTORS; j++) {
            const __m128i weights = load_vector(w + 16 * j);
            const __m128i even_weights = _mm_srai_epi16(_mm_slli_epi16(weights, 8), 8);
            const __m128i odd_weights = _mm_srai_epi16(weights, 8);
            UNROLL for (size_t r = 0; r < R; r++) {
                sums[r][j] = _mm_add_epi32(sums[r][j], _mm_madd_epi16(even[r], even_weights));
                sums[r][j] = _mm_add_epi32(sums[r][j], _mm_madd_epi16(odd[r], odd_weights));
            }
        }
    }
    memcpy(result, sums, R * sizeof *sums);
}

// The same as functions of their own, as it is rare and would take registers.
#define ADD_WIDE(R)                                                                                \
    __attribute__((noinline)) TARGET static void add_wide_##R(                                     \
        const uint8_t *a, size_t stride, const int8_t *w, size_t terms, int middle,                \
        __m128i result[TILE_ROWS][VECTORS]) {                                                      \
        add_wide(R, a, stride, w, terms, middle, result);                                          \
    }
ADD_WIDE(1)
ADD_WIDE(2)

INLINE void add_rarely(const size_t R, const tile_input *in, size_t first, size_t terms,
                       __m128i sums[TILE_ROWS][VECTORS]) {
    const uint8_t *a = in->a + first;
    const int8_t *w = in->panels + first * PANEL;
    __m128i copy[TILE_ROWS][VECTORS]; // so that the sums need no place in memory elsewhere
    memcpy(copy, sums, R * sizeof *sums);
    if (R == 2)
        add_wide_2(a, in->a_stride, w, terms, middle(in), copy);
    else
        add_wide_1(a, in->a_stride, w, terms, middle(in), copy);
    memcpy(sums, copy, R * sizeof *sums);
}

INLINE void finish(const size_t R, __m128i sums[TILE_ROWS][VECTORS], const tile_output *out) {
    if (out->sums) {
        UNROLL for (size_t r = 0; r < R; r++) {
            UNROLL for (size_t j = 0; j < VECTORS; j++)
                _mm_storeu_si128((__m128i *)(out->sums + r * out->stride + 4 * j), sums[r][j]);
        }
        return;
    }
    UNROLL for (size_t j = 0; j < VECTORS; j++) {
        const __m128 scale = _mm_loadu_ps(out->column_scale + 4 * j);
        const __m128 bias = out->bias ? _mm_loadu_ps(out->bias + 4 * j) : _mm_setzero_ps();
        UNROLL for (size_t r = 0; r < R; r++) {
            const __m128 row = _mm_set1_ps(out->row_scale ? out->row_scale[r] : out->tensor_scale);
            float *place = out->floats + r * out->stride + 4 * j;
            __m128 v = _mm_cvtepi32_ps(sums[r][j]);
            v = _mm_mul_ps(v, _mm_mul_ps(row, scale));
            v = _mm_add_ps(v, bias);
            if (out->accumulate)
                v = _mm_add_ps(v, _mm_loadu_ps(place));
            _mm_storeu_ps(place, v);
        }
    }
}

INLINE void prefetch_output(const size_t R, const tile_output *out) {
    const char *place = out->sums ? (const char *)out->sums : (const char *)out->floats;
    UNROLL for (size_t r = 0; r < R; r++) __builtin_prefetch(place + 4 * r * out->stride, 1);
}

INLINE void tile(const size_t R, const tile_input *in, const tile_output *out) {
    const block_facts *facts = in->facts;
    __m128i sums[TILE_ROWS][VECTORS];
    UNROLL for (size_t j = 0; j < VECTORS; j++) {
        __m128i start = load_vector(facts->starts + 4 * j);
        if (!out->sums)
            start = _mm_sub_epi32(start, _mm_mullo_epi32(load_vector(out->column_sum + 4 * j),
                                                         _mm_set1_epi32(out->zero_point)));
        UNROLL for (size_t r = 0; r < R; r++) sums[r][j] = start;
    }
    prefetch_output(R, out);
    // Memory operands must be aligned.
    const size_t runs = (uintptr_t)in->panels % 16 ? 0 : known_runs(in);
    const int32_t *squares = facts->squares + in->tile * known_runs(in), *limits = facts->limits;
    const uint8_t *a = in->a;
    const int8_t *w = in->panels;
    for (size_t i = 0; i < runs; i++, a += RUN_TERMS, w += RUN_BYTES) {
        if (__builtin_expect(squares[i] > limits[i], 0)) {
            add_rarely(R, in, i * RUN_TERMS, RUN_TERMS, sums);
            continue;
        }
        UNROLL for (size_t r = 0; r < R; r++)
            add_run(a + r * in->a_stride, w, facts->shifts[i], sums[r]);
    }
    if (runs * RUN_TERMS < in->k)
        add_rarely(R, in, runs * RUN_TERMS, in->k - runs * RUN_TERMS, sums);
    finish(R, sums, out);
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    (void)panels;
    if (rows >= 2)
        return tile(2, in, out), 2;
    return tile(1, in, out), 1;
}

// A run's instructions, but for those that broadcast.
TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    (void)range;
    enum { SUMS = 8 };
    __m128i sums[SUMS], ones = _mm_set1_epi16(1), a = _mm_set1_epi8(3), w = _mm_set1_epi8(5);
    UNROLL for (size_t i = 0; i < SUMS; i++) sums[i] = _mm_setzero_si128();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t j = 0; j < SUMS; j++) {
            __m128i p, q;
            __asm__ volatile("movdqa %[a], %[p]\n\tpmaddubsw %[w], %[p]\n\tpaddw %[w], %[p]\n\t"
                             "movdqa %[a], %[q]\n\tpmaddubsw %[w], %[q]\n\tpaddw %[q], %[p]\n\t"
                             "movdqa %[a], %[q]\n\tpmaddubsw %[w], %[q]\n\tpaddw %[q], %[p]\n\t"
                             "movdqa %[a], %[q]\n\tpmaddubsw %[w], %[q]\n\tpaddw %[q], %[p]\n\t"
                             "pmaddwd %[ones], %[p]\n\tpaddd %[p], %[s]"
                             : [s] "+x"(sums[j]), [p] "=&x"(p), [q] "=&x"(q)
                             : [a] "x"(a), [w] "x"(w), [ones] "x"(ones));
        }
    }
    UNROLL for (size_t i = 0; i < SUMS; i++) __asm__ volatile("" ::"x"(sums[i]));
    return iterations * SUMS * 4 * RUN_TERMS;
}

const declip_int8_gemm declip_int8_gemm_sse41 = {
    GROUP, 0, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_sse41_is_not_built; // an empty translation unit is not C
#endif
