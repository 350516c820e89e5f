// The walk over a product's tiles, the same for every instruction set. The file that includes this
// defines
//   TARGET        function attributes of the instruction set,
//   GROUP         terms that stand together in packed weights,
//   TILE_ROWS     rows of the largest tile,
//   TILE_ROWS_OF  a range's largest tile, where it is not the same for all,
//   TILE_PANELS   panels of 16 columns of the largest tile,
//   FLOATS        the float kernels that nonlinearities are taken from,
// and, after it, `tile_part`, which computes one tile of up to that size; as rows are shared out
// evenly among tiles, the last of a block is not much smaller than the others. A file whose tiles
// need to know more than bytes defines FACTS_BYTES besides, and the functions of facts below.
//
// Blocks of rows stay in the second-level cache while the panels pass by; a tile's panels stay in
// the first level while the rows of a block pass by. K is never split: the sums of a tile live in
// registers, or in memory of the tile's own, from the first term to the epilogue.
#include "ckernels_float.h"
#include "ckernels_int8.h"
#include "rounding.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

#ifndef BLOCK_ROWS
#define BLOCK_ROWS 192
#endif
#ifndef TILE_ROWS_OF
#define TILE_ROWS_OF(range) TILE_ROWS
#endif

enum { PANEL = DECLIP_INT8_PANEL };

// Where a tile's sums go: integers where `sums` is not null, else floats.
typedef struct tile_output {
    int32_t *sums;
    float *floats;
    size_t stride;
    const float *row_scale;
    float tensor_scale;
    int32_t zero_point;
    const float *column_scale;
    const float *bias;
    const int32_t *column_sum;
    int accumulate;
} tile_output;

typedef struct tile_input {
    const uint8_t *a;
    size_t a_stride;
    const int8_t *panels;
    size_t panel_bytes;
    size_t terms; // to a row
    size_t k;     // the same, padded
    declip_int8_range range;
    const void *facts;
    size_t tile; // its number within the block
    size_t row;  // its first row within the block
} tile_input;

// Computes a tile of as many of the `rows` as it has a size for; returns how many.
INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out);

// The first row of a block's tile; rows are shared out evenly.
static size_t tile_start(size_t rows, size_t tiles, size_t tile) {
    return rows * tile / tiles;
}

#ifdef FACTS_BYTES
// Bytes of what is known of a panel, behind all panels, and how it is found when weights are
// packed; a panel may be changed then for the products of its range.
static size_t panel_facts_size(size_t k);
INLINE void finish_panel(const tile_input *in, int8_t *panel, void *facts);
// What is known of a block of rows, and of the panel that its tiles meet next.
INLINE void find_row_facts(const tile_input *in, size_t rows, size_t tiles, void *facts);
INLINE void take_panel_facts(const tile_input *in, const void *panel_facts, void *facts);
#else
#define FACTS_BYTES 1
static size_t panel_facts_size(size_t k) {
    (void)k;
    return 0;
}
INLINE void finish_panel(const tile_input *in, int8_t *panel, void *facts) {
    (void)in, (void)panel, (void)facts;
}
INLINE void find_row_facts(const tile_input *in, size_t rows, size_t tiles, void *facts) {
    (void)in, (void)rows, (void)tiles, (void)facts;
}
INLINE void take_panel_facts(const tile_input *in, const void *panel_facts, void *facts) {
    (void)in, (void)panel_facts, (void)facts;
}
#endif

TARGET static void tile_run(size_t rows, size_t panels, const tile_input *input,
                            const tile_output *output) {
    tile_input in = *input;
    tile_output out = *output;
    while (rows) {
        size_t done = tile_part(rows, panels, &in, &out);
        rows -= done;
        in.row += done;
        in.a += done * in.a_stride;
        if (out.sums) {
            out.sums += done * out.stride;
        } else {
            out.floats += done * out.stride;
            if (out.row_scale)
                out.row_scale += done;
        }
    }
}

static size_t padded_k(size_t k) {
    return (k + DECLIP_INT8_ROW_MULTIPLE - 1) / DECLIP_INT8_ROW_MULTIPLE * DECLIP_INT8_ROW_MULTIPLE;
}

static size_t panel_count(size_t n) {
    return (n + PANEL - 1) / PANEL;
}

static size_t packed_size(size_t n, size_t k) {
    return panel_count(n) * (PANEL * padded_k(k) + panel_facts_size(padded_k(k)));
}

#if GROUP == 4
// Groups of the same terms of four channels, which stand behind each other in a panel.
#define CHANNELS 4
typedef int32_t groups __attribute__((vector_size(16)));

// Packs the terms of four channels, `k` apart, that fill vectors; returns their number.
INLINE size_t pack_channels(const int8_t *weights, size_t k, int8_t *channel) {
    size_t i = 0;
    for (; i + 16 <= k; i += 16) {
        groups a, b, c, d;
        memcpy(&a, weights + i, 16);
        memcpy(&b, weights + k + i, 16);
        memcpy(&c, weights + 2 * k + i, 16);
        memcpy(&d, weights + 3 * k + i, 16);
        const groups ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        const groups cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const groups ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const groups cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        const groups lines[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5),
                                 __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                                 __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5),
                                 __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7)};
        for (size_t g = 0; g < 4; g++)
            memcpy(channel + (i + 4 * g) * PANEL, &lines[g], 16);
    }
    return i;
}
#else
#define CHANNELS 1
INLINE size_t pack_channels(const int8_t *weights, size_t k, int8_t *channel) {
    (void)weights, (void)k, (void)channel;
    return 0;
}
#endif

TARGET static void pack_weights(const int8_t *weights, size_t n, size_t k, declip_int8_range range,
                                int8_t *packed, int32_t *column_sums) {
    const size_t padded = padded_k(k), whole = k - k % GROUP;
    // Zeros where no weight goes: behind the last terms of every panel, and in the last panel.
    if (n % PANEL)
        memset(packed + n / PANEL * PANEL * padded, 0, PANEL * padded);
    for (size_t p = 0; p < n / PANEL; p++)
        memset(packed + p * PANEL * padded + whole * PANEL, 0, (padded - whole) * PANEL);
    size_t done = 0;
    for (size_t c = 0; c < n; c++, weights += k) {
        int8_t *channel = packed + c / PANEL * PANEL * padded + c % PANEL * GROUP;
        if (c % CHANNELS == 0)
            done = c + CHANNELS <= n ? pack_channels(weights, k, channel) : 0;
        for (size_t i = done; i < whole; i += GROUP)
            memcpy(channel + i * PANEL, weights + i, GROUP);
        memcpy(channel + whole * PANEL, weights + whole, k - whole);
        int32_t sum = 0;
        for (size_t i = 0; i < k; i++)
            sum += weights[i];
        column_sums[c] = sum;
    }
    int8_t *facts = packed + panel_count(n) * PANEL * padded;
    const tile_input in = {.terms = k, .k = padded, .range = range};
    for (size_t p = 0; p < panel_count(n); p++)
        finish_panel(&in, packed + p * PANEL * padded, facts + p * panel_facts_size(padded));
}

// A copy of the columns and parameters at the right edge, widened to whole panels, so that tiles
// never see a part of one.
typedef struct edge {
    float column_scale[TILE_PANELS * PANEL], bias[TILE_PANELS * PANEL];
    int32_t column_sum[TILE_PANELS * PANEL];
    _Alignas(64) int32_t output[TILE_ROWS * TILE_PANELS * PANEL];
} edge;

static void edge_open(edge *edge, tile_output *out, size_t columns) {
    memset(edge, 0, sizeof *edge);
    if (out->sums)
        return;
    memcpy(edge->column_scale, out->column_scale, columns * sizeof(float));
    memcpy(edge->column_sum, out->column_sum, columns * sizeof(int32_t));
    if (out->bias)
        memcpy(edge->bias, out->bias, columns * sizeof(float));
    out->column_scale = edge->column_scale;
    out->column_sum = edge->column_sum;
    out->bias = edge->bias;
}

// Runs a tile on the copy; integers and floats have the same size.
TARGET static void edge_run(edge *edge, size_t rows, size_t panels, size_t columns,
                            const tile_input *in, const tile_output *out) {
    size_t width = panels * PANEL;
    char *real = out->sums ? (char *)out->sums : (char *)out->floats;
    tile_output copy = *out;
    copy.stride = width;
    if (out->sums)
        copy.sums = edge->output;
    copy.floats = (float *)edge->output;
    if (!out->sums && out->accumulate)
        for (size_t r = 0; r < rows; r++)
            memcpy(edge->output + r * width, real + 4 * r * out->stride, 4 * columns);
    tile_run(rows, panels, in, &copy);
    for (size_t r = 0; r < rows; r++)
        memcpy(real + 4 * r * out->stride, edge->output + r * width, 4 * columns);
}

// Takes the floats of a block's tiles, still in the first-level cache, through the nonlinearity of
// a product, many rows at once as each waits for itself. With a gate they stand apart, in `gated`,
// and the output holds the gate.
static void activate(declip_int8_result result, float *output, size_t stride, const float *gated,
                     size_t gated_stride, size_t rows, size_t columns) {
    switch (result) {
    case DECLIP_INT8_STORE:
    case DECLIP_INT8_ADD:
        break;
    case DECLIP_INT8_GATE:
        FLOATS.silu_multiply(output, stride, gated, gated_stride, rows, columns);
        break;
    case DECLIP_INT8_QUICK_GELU:
        FLOATS.quick_gelu(output, stride, rows, columns);
        break;
    case DECLIP_INT8_GELU:
        FLOATS.gelu(output, stride, rows, columns);
        break;
    case DECLIP_INT8_GELU_TANH:
        FLOATS.gelu_tanh(output, stride, rows, columns);
        break;
    }
}

TARGET static void multiply(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows,
                            size_t n, size_t k, declip_int8_range range, size_t first_panel,
                            size_t panels, const declip_int8_epilogue *epilogue, int32_t *sums,
                            float *floats, size_t stride) {
    size_t every = panel_count(n), end = first_panel + panels;
    if (end > every)
        end = every;
    _Alignas(64) char facts[FACTS_BYTES];
    tile_input in = {.facts = facts};
    in.a_stride = a_stride, in.terms = k, in.k = padded_k(k), in.range = range;
    in.panel_bytes = in.k * PANEL;
    const int8_t *panel_facts = packed + every * in.panel_bytes;
    const declip_int8_result result = epilogue ? epilogue->result : DECLIP_INT8_STORE;
    _Alignas(64) float gated[BLOCK_ROWS * TILE_PANELS * PANEL];
    for (size_t block = 0; block < rows; block += BLOCK_ROWS) {
        const size_t block_rows = rows - block < BLOCK_ROWS ? rows - block : BLOCK_ROWS;
        const size_t tiles = (block_rows + TILE_ROWS_OF(range) - 1) / TILE_ROWS_OF(range);
        in.a = a + block * a_stride;
        find_row_facts(&in, block_rows, tiles, facts);
        for (size_t p = first_panel; p < end; p += TILE_PANELS) {
            size_t width = end - p < TILE_PANELS ? end - p : TILE_PANELS;
            size_t column = p * PANEL;
            size_t columns = n - column < width * PANEL ? n - column : width * PANEL;
            tile_output out = {.stride = stride};
            in.panels = packed + p * in.panel_bytes;
            take_panel_facts(&in, panel_facts + p * panel_facts_size(in.k), facts);
            if (epilogue) {
                out.tensor_scale = epilogue->tensor_scale;
                out.zero_point = epilogue->zero_point;
                out.column_scale = epilogue->column_scale + column;
                out.bias = epilogue->bias ? epilogue->bias + column : NULL;
                out.column_sum = epilogue->column_sum + column;
                out.accumulate = result == DECLIP_INT8_ADD;
                if (result == DECLIP_INT8_GATE)
                    out.stride = TILE_PANELS * PANEL;
            } else {
                out.sums = sums + block * stride + column;
            }
            edge copy;
            if (columns < width * PANEL)
                edge_open(&copy, &out, columns);
            for (size_t t = 0, start = 0; t < tiles; t++) {
                const size_t end = tile_start(block_rows, tiles, t + 1), height = end - start;
                const size_t r = block + start;
                float *place = floats ? floats + r * stride + column : NULL;
                in.a = a + r * a_stride, in.tile = t, in.row = start;
                if (epilogue) {
                    out.row_scale = epilogue->row_scale ? epilogue->row_scale + r : NULL;
                    out.floats = result == DECLIP_INT8_GATE ? gated + start * out.stride : place;
                } else {
                    out.sums = sums + r * stride + column;
                }
                if (columns < width * PANEL) {
                    edge_run(&copy, height, width, columns, &in, &out);
                } else {
                    tile_run(height, width, &in, &out);
                }
                start = end;
            }
            if (floats)
                activate(result, floats + block * stride + column, stride, gated,
                         TILE_PANELS * PANEL, block_rows, columns);
        }
    }
}

TARGET static void u8s8_s32(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows,
                            size_t n, size_t k, declip_int8_range range, size_t first_panel,
                            size_t panels, int32_t *output, size_t output_stride) {
    multiply(a, a_stride, packed, rows, n, k, range, first_panel, panels, NULL, output, NULL,
             output_stride);
}

TARGET static void u8s8_f32(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows,
                            size_t n, size_t k, declip_int8_range range, size_t first_panel,
                            size_t panels, const declip_int8_epilogue *epilogue, float *output,
                            size_t output_stride) {
    multiply(a, a_stride, packed, rows, n, k, range, first_panel, panels, epilogue, NULL, output,
             output_stride);
}
