// The product with AVX-512 VNNI and, where operands have 7 bits, two thirds of the multiplications
// by the fast inner product. A tile has 10 rows x 32 columns: 20 registers of sums, 6 of weights, 4
// of a row's terms.
#if defined(__x86_64__)
#define FIP_ROWS 10
#define TILE_ROWS_OF(range) ((range) == DECLIP_INT8_U7S7 ? FIP_ROWS : TILE_ROWS)
#define FACTS_BYTES 1024
#include "int8_gemm_512.h"

#include "fast_inner_512.h"

// What a product has too much: a row's terms, and those of the panel at hand and the next.
typedef struct block_facts {
    int32_t rows[BLOCK_ROWS];
    const int32_t *columns;
} block_facts;

_Static_assert(sizeof(block_facts) <= FACTS_BYTES, "a block's facts do not fit");

static size_t panel_facts_size(size_t k) {
    (void)k;
    return PANEL * sizeof(int32_t);
}

// Terms in whole chunks. Those behind them are multiplied as they stand, as what pads a row may be
// anything.
static size_t chunked(const tile_input *in) {
    return in->range == DECLIP_INT8_U7S7 ? in->terms / CHUNK * CHUNK : 0;
}

INLINE void finish_panel(const tile_input *in, int8_t *panel, void *facts) {
    __m512i columns = _mm512_setzero_si512();
    for (size_t i = 0; i < chunked(in); i += CHUNK) {
        for (size_t j = 0; j < PART; j += 4)
            split_weights(panel + (i + j) * PANEL, PART * PANEL, &columns);
    }
    _mm512_storeu_si512(facts, columns);
}

INLINE void find_row_facts(const tile_input *in, size_t rows, size_t tiles, void *facts) {
    (void)tiles;
    block_facts *found = facts;
    const size_t terms = chunked(in), whole = terms - terms % sizeof(__m512i);
    const __mmask64 rest = ((__mmask64)1 << (terms - whole)) - 1;
    const __m512i middle = _mm512_set1_epi8(MIDDLE);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *a = in->a + r * in->a_stride;
        __m512i every = _mm512_dpbusd_epi32(_mm512_setzero_si512(),
                                            _mm512_maskz_loadu_epi8(rest, a + whole), middle);
        for (size_t i = 0; i < whole; i += sizeof(__m512i))
            every = _mm512_dpbusd_epi32(every, _mm512_loadu_si512(a + i), middle);
        __m128i split = _mm_setzero_si128();
        for (size_t i = 0; i < terms; i += CHUNK)
            split = split_terms(split, a + i);
        found->rows[r] =
            _mm512_reduce_add_epi32(_mm512_add_epi32(every, _mm512_zextsi128_si512(split)));
    }
}

INLINE void take_panel_facts(const tile_input *in, const void *panel_facts, void *facts) {
    (void)in;
    ((block_facts *)facts)->columns = panel_facts;
}

INLINE void fip_tile(const size_t R, const size_t P, const tile_input *in, const tile_output *out) {
    const block_facts *facts = in->facts;
    __m512i sums[TILE_ROWS][TILE_PANELS];
    UNROLL for (size_t p = 0; p < P; p++) {
        const __m512i start =
            _mm512_sub_epi32(start_of(p, out), _mm512_loadu_si512(facts->columns + p * PANEL));
        UNROLL for (size_t r = 0; r < R; r++) sums[r][p] =
            _mm512_sub_epi32(start, _mm512_set1_epi32(facts->rows[in->row + r]));
    }
    prefetch_output(R, P, out);
    tile_place at = place_of(in);
    for (size_t i = 0; i < chunked(in); i += CHUNK) {
        UNROLL for (size_t step = 0; step < PART; step += 4) {
            hold(R, &at);
            if (P > 1)
                fetch_panels(step * CHUNK / PART, CHUNK / 4, in, at.w);
            chunk_weights weights[2];
            UNROLL for (size_t p = 0; p < P; p++) {
                const int8_t *place = at.w[p] + step * PANEL;
                weights[p].first = _mm512_loadu_si512(place);
                weights[p].second = _mm512_loadu_si512(place + PART * PANEL);
                weights[p].alone = _mm512_loadu_si512(place + 2 * PART * PANEL);
            }
            UNROLL for (size_t r = 0; r < R; r++) {
                const uint8_t *terms = at.a[r / 3] + r % 3 * in->a_stride + step;
                if (P > 1) {
                    chunk_two(terms, PART, weights, &sums[r][0], &sums[r][1]);
                } else {
                    chunk_one(terms, PART, weights, &sums[r][0]);
                }
            }
        }
        advance(R, CHUNK, &at);
    }
    add_terms(R, P, in, in->k - chunked(in), &at, sums);
    finish(R, P, sums, out);
}

INLINE size_t fip_rows(size_t rows, const size_t P, const tile_input *in, const tile_output *out) {
    switch (rows) {
    case 1:
        return fip_tile(1, P, in, out), 1;
    case 2:
        return fip_tile(2, P, in, out), 2;
    case 3:
        return fip_tile(3, P, in, out), 3;
    case 4:
        return fip_tile(4, P, in, out), 4;
    case 5:
        return fip_tile(5, P, in, out), 5;
    case 6:
        return fip_tile(6, P, in, out), 6;
    case 7:
        return fip_tile(7, P, in, out), 7;
    case 8:
        return fip_tile(8, P, in, out), 8;
    case 9:
        return fip_tile(9, P, in, out), 9;
    default:
        return fip_tile(FIP_ROWS, P, in, out), FIP_ROWS;
    }
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    if (in->range == DECLIP_INT8_U7S7)
        return panels > 1 ? fip_rows(rows, 2, in, out) : fip_rows(rows, 1, in, out);
    return panels > 1 ? tile_rows(rows, 2, in, out) : tile_rows(rows, 1, in, out);
}

TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    if (range != DECLIP_INT8_U7S7)
        return probe_tile(iterations);
    enum { SUMS = 20 };
    __m512i sums[SUMS], a = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
    UNROLL for (size_t r = 0; r < SUMS; r++) sums[r] = _mm512_setzero_si512();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t r = 0; r < SUMS; r++) {
            __m512i left, right;
            __asm__ volatile("vpaddb %4, %3, %1\n\tvpaddb %4, %3, %2\n\t"
                             "vpdpbusd %4, %3, %0\n\tvpdpbusd %2, %1, %0"
                             : "+v"(sums[r]), "=&v"(left), "=&v"(right)
                             : "v"(a), "v"(w));
        }
    }
    UNROLL for (size_t r = 0; r < SUMS; r++) __asm__ volatile("" ::"v"(sums[r]));
    return iterations * SUMS * 192;
}

const declip_int8_gemm declip_int8_gemm_avx512fip = {
    GROUP, 1, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avx512fip_is_not_built; // an empty translation unit is not C
#endif
