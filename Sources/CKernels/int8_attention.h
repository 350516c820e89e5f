// Int8 attention on vectors of LANES floats, written once with compiler vectors and included by one
// file per instruction set. That file defines
//   LANES, TARGET    as for the float kernels,
//   TABLE            the name of the kernel table,
//   ROWS, PANELS     the largest tile: queries, and panels of 16 keys or channels,
//   WORD_GROUP       words that stand together in packed keys and values (1 or 2),
//   KEY_BYTES        1 where narrow keys are packed as bytes, in groups of four,
//   VALUE_BYTES      the same for narrow values,
//   PROBE            `probe_peak` of the table, NULL where products multiply alike,
//   QUERY_OFFSET     what is added to a query's bytes (128 where the product wants them unsigned),
//   word_terms, byte_terms, load_words, load_bytes, dot_words, dot_bytes
//                    a broadcast group of terms, a vector of packed operands, sum + their products,
//   powers, nearest  optionally, with HAS_POWER (functions.h) and HAS_NEAREST, its own ways to
//   them, small_weights    optionally, with HAS_SMALL_WEIGHTS, a way of its own to slim and narrow
//   weights,
//                    with zeros behind them up to a multiple of 16, and their sums by lanes,
//   split_products   optionally, with HAS_SPLIT and SPLITS_WORDS, a way of its own to multiply slim
//                    bytes, and words where it is 1, with the functions beside it below;
// before it, it includes int8_attention_types.h. Floats are the same bits whatever these are
// (formats/numerics.md).
//
// ROWS queries pass over the keys chunk by chunk: the scores of a chunk, as floats, go into a
// scratch row each, with the largest of each row kept in a register. Then a row's scores become
// weights relative to that largest one, in place, and the weights multiply the chunk's values. The
// floats of all chunks are added relative to the largest score so far (Milakov and Gimelshein,
// arXiv 1805.02867). Everything but keys and values stays in the first-level cache, and a weight
// has its whole resolution wherever in the row it stands.
//
// Packed keys: for every panel of 16 a header, then the keys in groups, [group][16][terms], then
// what their products take besides. Packed values: a scale and the mean for every channel, then
// chunk by chunk [key group][channel][keys], the rest zeros; where products are split, before each
// chunk for every panel of 16 channels what their sums have too much and what they take besides.

#include "functions.h"
#include "ticks.h"

enum {
    PANEL = 16,
    HALVES = PANEL / LANES,                          // vectors to a panel
    MOST = PANELS * HALVES,                          // vectors to a tile
    SCORE_STRIDE = DECLIP_INT8_CHUNK_NARROW + PANEL, // a little apart from a power of two
    BLOCK_STRIDE = DECLIP_INT8_SCORE_SIZE * 2,       // bytes
};

#ifdef HAS_SPLIT
// Products whose operands are prepared beyond being packed: those of slim bytes, and with
// SPLITS_WORDS those of words; `size` is in bytes. With ROW_EXCESS what sums have too much depends
// on the rows as well; with HAS_BOUNDS products need to know bounds of their operands.
enum { SLIM_OFFSET = 64 }; // what is added to a query's bytes
// Bytes that the products of 16 channels take besides the operands.
static size_t split_extra(const operands kind, size_t size);
// Makes terms of 16 channels ready, `group` bytes from each 4 of a channel to the next, with what
// their products take besides, and finds what the channels' sums will have too much.
INLINE void split_panel(const operands kind, char *panel, size_t group, size_t size,
                        int32_t excess[PANEL], char *extra);
// What the products of ROWS slim queries need to know of them, and the same of any weights.
INLINE split_bounds bounds_of(const char *rows, const size_t stride, size_t size);
static const split_bounds weight_bounds;
// What the sums of a row will have too much, given the sum of all bytes, by lanes.
INLINE int32_t split_row(const operands kind, const char *row, size_t size, integers total);
// Adds the products of ROWS rows with P panels, `panel` bytes apart, to sums.
INLINE void split_products(const operands kind, const size_t P, const char *rows,
                           const size_t stride, const char *panels, size_t panel, size_t group,
                           size_t size, const char *extra, split_bounds bounds,
                           integers sums[ROWS][MOST]);
#else
#define HAS_SPLIT 0
#define SPLITS_WORDS 0
#define ROW_EXCESS 0
#define HAS_BOUNDS 0
enum { SLIM_OFFSET = 0 };
static size_t split_extra(const operands kind, size_t size) {
    (void)kind, (void)size;
    return 0;
}
INLINE void split_panel(const operands kind, char *panel, size_t group, size_t size,
                        int32_t excess[PANEL], char *extra) {
    (void)kind, (void)panel, (void)group, (void)size, (void)excess, (void)extra;
}
INLINE void split_products(const operands kind, const size_t P, const char *rows,
                           const size_t stride, const char *panels, size_t panel, size_t group,
                           size_t size, const char *extra, split_bounds bounds,
                           integers sums[ROWS][MOST]) {
    (void)kind, (void)P, (void)rows, (void)stride, (void)panels, (void)panel, (void)group;
    (void)size, (void)extra, (void)bounds, (void)sums;
}
#endif

#ifndef HAS_SMALL_WEIGHTS
#define NO_SMALL_WEIGHTS 1
INLINE integers small_weights(const int is_slim, const int as_bytes, const char *scores,
                              size_t count, float peak, float factor, char *weights) {
    (void)is_slim, (void)as_bytes, (void)scores, (void)count, (void)peak, (void)factor;
    (void)weights;
    return (integers){0};
}
#else
#define NO_SMALL_WEIGHTS 0
#endif

#if !HAS_BOUNDS
INLINE split_bounds bounds_of(const char *rows, const size_t stride, size_t size) {
    (void)rows, (void)stride, (void)size;
    return (split_bounds){0};
}
static const split_bounds weight_bounds = {0};
#endif

#if !ROW_EXCESS
INLINE int32_t split_row(const operands kind, const char *row, size_t size, integers total) {
    (void)kind, (void)row, (void)size, (void)total;
    return 0;
}
#endif

static int splits(const operands kind) {
    return HAS_SPLIT && (kind == SLIM || (kind == WORDS && SPLITS_WORDS));
}

static size_t operand_size(const operands kind) {
    return kind == WORDS ? 2 : 1;
}

// What turns a panel's sums into scores: (start + sum) * scale. Where there is no key that is
// FAR_BELOW.
typedef struct key_header {
    float scale[PANEL];
    int32_t start[PANEL]; // undoes what is added to a query's bytes
} key_header;

// Of rows that hold numbers alone, and whose inverse scale is one, nothing is to be clamped.
INLINE integers quantized(vector v, float inverse, float limit, const int clamps) {
    v *= inverse;
    if (!clamps)
        return nearest(v);
    v = (vector)((integers)v & (v == v));
    return nearest(smaller(larger(v, splat(-limit)), splat(limit)));
}

INLINE void quantize_words(const float *row, size_t size, float inverse, int32_t limit,
                           const int clamps, int16_t *output) {
    for (size_t c = 0; c < size; c += LANES) {
        integers v = quantized(load(row + c), inverse, (float)limit, clamps);
        shorts words = __builtin_convertvector(v, shorts);
        memcpy(output + c, &words, sizeof words);
    }
}

static size_t padded(size_t tokens) {
    return (tokens + PANEL - 1) / PANEL * PANEL;
}

// Pairs (a, b) become (a cos - b sin, b cos + a sin).
INLINE vector rotated(vector v, const float *cosine, const float *sine) {
    typedef float half __attribute__((vector_size(LANES * 2), aligned(4)));
    half c, s;
    memcpy(&c, cosine, sizeof c);
    memcpy(&s, sine, sizeof s);
    const vector lanes = TWICE(s), first = -lanes;
    integers odd;
    UNROLL for (size_t i = 0; i < LANES; i++) odd[i] = i % 2 ? -1 : 0;
    return v * TWICE(c) + NEIGHBOURS(v) * choose(odd, lanes, first);
}

TARGET static void rotate_quantize(const float *input, size_t stride, const float *cosine,
                                   const float *sine, const float *offset, size_t rows,
                                   size_t head_size, int32_t limit, int16_t *output,
                                   size_t output_stride, float *scale) {
    for (size_t r = 0; r < rows; r++, input += stride, output += output_stride) {
        float row[DECLIP_INT8_SCORE_SIZE];
        const size_t angles = r * (head_size / 2);
        // Rows of one head among many stand too far apart for the processor to foresee them.
        for (size_t c = 0; c < head_size; c += 32)
            __builtin_prefetch(output + 8 * output_stride + c, 1);
        integers peaks = {0};
        for (size_t c = 0; c < head_size; c += LANES) {
            vector v = load(input + c);
            if (cosine)
                v = rotated(v, cosine + angles + c / 2, sine + angles + c / 2);
            if (offset)
                v -= load(offset + c);
            store(row + c, v);
            peaks = larger_bits(magnitude_bits(v), peaks);
        }
        const int32_t bits = largest_bits(peaks);
        const float peak = peak_of_bits(bits, row, head_size);
        const float inverse = peak > 0 ? (float)limit / peak : 0;
        scale[r] = peak / (float)limit;
        if (bits < INFINITE && inverse < INFINITY)
            quantize_words(row, head_size, inverse, limit, 0, output);
        else
            quantize_words(row, head_size, inverse, limit, 1, output);
    }
}

static operands keys_are(int32_t limit) {
    if (HAS_SPLIT && limit <= DECLIP_INT8_SCORES_SLIM)
        return SLIM;
    return KEY_BYTES && limit <= DECLIP_INT8_SCORES_NARROW ? BYTES : WORDS;
}

// What the products of a panel of keys, or of a chunk's values for 16 channels, take besides.
static size_t extra_size(const operands kind, size_t size) {
    return splits(kind) ? split_extra(kind, size * operand_size(kind)) : 0;
}

static size_t key_panel_size(size_t head_size, int32_t limit) {
    const operands kind = keys_are(limit);
    return sizeof(key_header) + PANEL * head_size * operand_size(kind) +
           extra_size(kind, head_size);
}

static size_t keys_size(size_t tokens, size_t head_size, int32_t limit) {
    return padded(tokens) / PANEL * key_panel_size(head_size, limit);
}

TARGET static void pack_keys(const int16_t *keys, size_t stride, const float *scale, size_t tokens,
                             size_t head_size, int32_t limit, void *packed) {
    const size_t panel_size = key_panel_size(head_size, limit);
    const operands kind = keys_are(limit);
    const int32_t offset = kind == SLIM ? SLIM_OFFSET : QUERY_OFFSET;
    for (size_t t = 0; t < padded(tokens); t++, keys += stride) {
        // Rows of one head among many stand too far apart for the processor to foresee them.
        for (size_t c = 0; c < head_size; c += 32)
            __builtin_prefetch(keys + 8 * stride + c);
        char *panel = (char *)packed + t / PANEL * panel_size;
        key_header *header = (key_header *)panel;
        char *place = panel + sizeof *header;
        if (t % PANEL == 0)
            memset(panel, 0, t + PANEL > tokens ? panel_size : sizeof *header);
        if (t >= tokens) {
            header->scale[t % PANEL] = -FAR_BELOW;
            header->start[t % PANEL] = -1;
            continue;
        }
        header->scale[t % PANEL] = scale[t];
        if (kind != WORDS) {
            int8_t row[DECLIP_INT8_SCORE_SIZE];
            int32_t sum = 0;
            for (size_t c = 0; c < head_size; c++) {
                row[c] = (int8_t)keys[c];
                sum += keys[c];
            }
            for (size_t c = 0; c < head_size; c += 4)
                memcpy(place + c * PANEL + t % PANEL * 4, row + c, 4);
            header->start[t % PANEL] = -offset * sum;
        } else {
            for (size_t c = 0; c < head_size; c += WORD_GROUP)
                memcpy(place + (c * PANEL + t % PANEL * WORD_GROUP) * 2, keys + c, WORD_GROUP * 2);
        }
    }
    for (size_t p = 0; splits(kind) && p < padded(tokens) / PANEL; p++) {
        key_header *header = (key_header *)((char *)packed + p * panel_size);
        const size_t size = head_size * operand_size(kind);
        char *keys_at = (char *)(header + 1);
        int32_t excess[PANEL];
        split_panel(kind, keys_at, 4 * PANEL, size, excess, keys_at + PANEL * size);
        for (size_t t = 0; t < PANEL; t++)
            header->start[t] -= excess[t];
    }
}

// The queries of a tile.
typedef struct query_block {
    _Alignas(64) char rows[ROWS * BLOCK_STRIDE];
    // Where products are split.
    int32_t excess[ROWS];
    split_bounds bounds;
} query_block;

// The scores of ROWS queries and P panels of keys.
INLINE void score_tile(const size_t P, const operands kind, const query_block *queries,
                       const char *panels, size_t panel_size, size_t score_size, float *scores,
                       vector peaks[ROWS]) {
    integers sums[ROWS][MOST];
    UNROLL for (size_t v = 0; v < P * HALVES; v++) {
        const key_header *header = (const key_header *)(panels + v / HALVES * panel_size);
        integers start = load_integers(header->start + v % HALVES * LANES);
        UNROLL for (size_t r = 0; r < ROWS; r++) sums[r][v] =
            splits(kind) && ROW_EXCESS ? start - queries->excess[r] : start;
    }
    const char *keys = panels + sizeof(key_header), *block = queries->rows;
    if (splits(kind)) {
        const size_t size = score_size * operand_size(kind);
        split_products(kind, P, block, BLOCK_STRIDE, keys, panel_size, 4 * PANEL, size,
                       keys + PANEL * size, queries->bounds, sums);
    } else if (kind == BYTES) {
        for (size_t i = 0; i < score_size; i += 4, keys += 4 * PANEL, block += 4) {
            byte_vector k[MOST];
            UNROLL for (size_t v = 0; v < P * HALVES; v++) k[v] =
                load_bytes(keys + v / HALVES * panel_size + v % HALVES * LANES * 4);
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                byte_vector q = byte_terms(block + r * BLOCK_STRIDE);
                UNROLL for (size_t v = 0; v < P * HALVES; v++) sums[r][v] =
                    dot_bytes(sums[r][v], q, k[v]);
            }
        }
    } else {
        const size_t step = WORD_GROUP * 2;
        for (size_t i = 0; i < score_size; i += WORD_GROUP, keys += step * PANEL, block += step) {
            word_vector k[MOST];
            UNROLL for (size_t v = 0; v < P * HALVES; v++) k[v] =
                load_words(keys + v / HALVES * panel_size + v % HALVES * LANES * step);
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                word_vector q = word_terms(block + r * BLOCK_STRIDE);
                UNROLL for (size_t v = 0; v < P * HALVES; v++) sums[r][v] =
                    dot_words(sums[r][v], q, k[v]);
            }
        }
    }
    UNROLL for (size_t v = 0; v < P * HALVES; v++) {
        const key_header *header = (const key_header *)(panels + v / HALVES * panel_size);
        vector scale = load(header->scale + v % HALVES * LANES);
        UNROLL for (size_t r = 0; r < ROWS; r++) {
            vector score = floats_of(sums[r][v]) * scale;
            store(scores + r * SCORE_STRIDE + v * LANES, score);
            peaks[r] = larger(score, peaks[r]);
        }
    }
}

INLINE void score_rows(const operands kind, const query_block *queries, const char *panels,
                       size_t panel_size, size_t score_size, size_t count, float *scores,
                       vector peaks[ROWS]) {
    while (count >= PANELS) {
        score_tile(PANELS, kind, queries, panels, panel_size, score_size, scores, peaks);
        panels += PANELS * panel_size, scores += PANELS * PANEL, count -= PANELS;
    }
    while (count) {
        score_tile(1, kind, queries, panels, panel_size, score_size, scores, peaks);
        panels += panel_size, scores += PANEL, count--;
    }
}

// What a row's weights are made of: limit * 2^((score - peak) * factor), by the function of the
// limit.
typedef struct weighing {
    float peak, factor;
    int32_t limit;
} weighing;

INLINE void weights_of(const weighing *row, const int32_t limit, const size_t count,
                       const char *scores, integers *w) {
    UNROLL for (size_t i = 0; i < count; i++) {
        const vector below = load((const float *)scores + i * LANES) - row->peak;
        if (limit == DECLIP_INT8_WEIGHT_WIDE) {
            w[i] = nearest(wide_weight(below * row->factor));
            continue;
        }
        // What is no number weighs nothing.
        const integers e = nearest(smaller(below * -(row->factor * WEIGHT_STEPS), splat(32767.0f)));
        w[i] = limit == DECLIP_INT8_WEIGHT_SLIM ? slim_weight(e) : byte_weight(e);
    }
}

// Writes LANES weights as bytes or words.
INLINE void store_weights(char *place, integers w, const int as_bytes, size_t count) {
    if (as_bytes) {
        bytes b = __builtin_convertvector(w, bytes);
        memcpy(place, &b, count);
    } else {
        shorts words = __builtin_convertvector(w, shorts);
        memcpy(place, &words, 2 * count);
    }
}

// The weights of `count` scores, as bytes or words; `weights` may overlay `scores`. Returns their
// sums by lanes.
INLINE integers weigh_by(const weighing *row, const int32_t limit, const char *scores, size_t count,
                         const int as_bytes, char *weights) {
    enum { GROUP = 4 };
    const size_t width = as_bytes ? 1 : 2;
    integers sums = {0}, w[GROUP];
    size_t i = 0;
    for (; i + GROUP * LANES <= count; i += GROUP * LANES) {
        weights_of(row, limit, GROUP, scores + 4 * i, w);
        UNROLL for (size_t j = 0; j < GROUP; j++) {
            store_weights(weights + width * (i + j * LANES), w[j], as_bytes, LANES);
            sums += w[j];
        }
    }
    for (; i + LANES <= count; i += LANES) {
        weights_of(row, limit, 1, scores + 4 * i, w);
        store_weights(weights + width * i, w[0], as_bytes, LANES);
        sums += w[0];
    }
    if (i < count) {
        float rest[LANES] = {0};
        int32_t lanes[LANES];
        memcpy(rest, scores + 4 * i, 4 * (count - i));
        weights_of(row, limit, 1, (const char *)rest, w);
        memcpy(lanes, w, sizeof lanes);
        for (size_t j = count - i; j < LANES; j++)
            lanes[j] = 0;
        memcpy(w, lanes, sizeof lanes);
        store_weights(weights + width * i, w[0], as_bytes, count - i);
        sums += w[0];
    }
    return sums;
}

INLINE integers weigh(const weighing *row, const char *scores, size_t count, const int as_bytes,
                      char *weights) {
    switch (row->limit) {
    case DECLIP_INT8_WEIGHT_SLIM:
        return weigh_by(row, DECLIP_INT8_WEIGHT_SLIM, scores, count, as_bytes, weights);
    case DECLIP_INT8_WEIGHT_NARROW:
        return weigh_by(row, DECLIP_INT8_WEIGHT_NARROW, scores, count, as_bytes, weights);
    default:
        return weigh_by(row, DECLIP_INT8_WEIGHT_WIDE, scores, count, as_bytes, weights);
    }
}

INLINE int32_t sum_of_integers(integers v) {
    MEET_ALL(ADD, v);
    return v[0];
}

TARGET static int32_t softmax_weights(const float *scores, size_t count, float peak, float factor,
                                      int32_t limit, int16_t *weights) {
    const weighing row = {peak, factor * LOG2_E, limit};
    return sum_of_integers(weigh(&row, (const char *)scores, count, 0, (char *)weights));
}

TARGET static void powers(const float *input, size_t count, float *output) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(output + i, power_of_2(load(input + i)));
    if (i < count) {
        float rest[LANES] = {0};
        memcpy(rest, input + i, (count - i) * sizeof(float));
        store(rest, power_of_2(load(rest)));
        memcpy(output + i, rest, (count - i) * sizeof(float));
    }
}

static operands values_are(int32_t limit) {
    if (HAS_SPLIT && limit <= DECLIP_INT8_VALUES_SLIM)
        return SLIM;
    return VALUE_BYTES && limit <= DECLIP_INT8_VALUES_NARROW ? BYTES : WORDS;
}

// What stands before a chunk for 16 channels.
static size_t chunk_header_size(const operands kind) {
    if (!splits(kind))
        return 0;
    const size_t chunk = kind == SLIM ? DECLIP_INT8_CHUNK_SLIM : DECLIP_INT8_CHUNK_WIDE;
    return PANEL * sizeof(int32_t) + extra_size(kind, chunk);
}

// Bytes from the first packed value to the first of the chunk that begins at key t, with what
// stands before them.
static size_t chunk_place(const operands kind, size_t chunk, size_t t, size_t head_size) {
    return t * head_size * operand_size(kind) +
           (t / chunk + 1) * (head_size / PANEL) * chunk_header_size(kind);
}

static size_t values_size(size_t tokens, size_t head_size, int32_t limit) {
    return head_size * 2 * sizeof(float) +
           chunk_place(values_are(limit), chunk_of(limit), padded(tokens), head_size);
}

// Packs LANES channels of a group of keys.
INLINE void pack_group(const integers keys[4], const operands kind, size_t head_size, size_t c,
                       char *place) {
    if (kind != WORDS) {
        integers group =
            (keys[0] & 0xff) | (keys[1] & 0xff) << 8 | (keys[2] & 0xff) << 16 | keys[3] << 24;
        memcpy(place + 4 * c, &group, sizeof group);
        return;
    }
    UNROLL for (size_t k = 0; k < 4; k += 2) {
        int16_t *words = (int16_t *)place + k * head_size;
        if (WORD_GROUP == 2) {
            integers pairs = (keys[k] & 0xffff) | (keys[k + 1] << 16);
            memcpy(words + 2 * c, &pairs, sizeof pairs);
        } else {
            shorts first = __builtin_convertvector(keys[k], shorts);
            shorts second = __builtin_convertvector(keys[k + 1], shorts);
            memcpy(words + c, &first, sizeof first);
            memcpy(words + head_size + c, &second, sizeof second);
        }
    }
}

// The mean, the scale and its inverse of V vectors of channels. Returns whether all are numbers.
INLINE int measure_channels(const size_t V, const float *values, size_t stride, size_t tokens,
                            float limit, float *mean, float *scale, float *inverse) {
    vector sums[4], low[4], high[4];
    UNROLL for (size_t v = 0; v < V; v++) {
        sums[v] = splat(0);
        low[v] = high[v] = load(values + v * LANES);
    }
    for (size_t t = 0; t < tokens; t++, values += stride) {
        // Rows of one head among many stand too far apart for the processor to foresee them.
        UNROLL for (size_t v = 0; v < V; v++) __builtin_prefetch(values + 8 * stride + v * LANES);
        UNROLL for (size_t v = 0; v < V; v++) {
            vector value = load(values + v * LANES);
            sums[v] += value;
            low[v] = choose(value < low[v], value, low[v]);
            high[v] = larger(value, high[v]);
        }
    }
    int are_numbers = 1;
    for (size_t v = 0; v < V; v++) {
        vector middle = sums[v] / (float)tokens;
        vector peaks = larger(high[v] - middle, middle - low[v]);
        store(mean + v * LANES, middle);
        store(scale + v * LANES, peaks / limit);
        for (size_t i = 0; i < LANES; i++) {
            const float factor = peaks[i] > 0 ? limit / peaks[i] : 0;
            inverse[v * LANES + i] = factor;
            are_numbers &= middle[i] - middle[i] == 0 && factor < INFINITY;
        }
    }
    return are_numbers;
}

INLINE void pack_quantized(const float *values, size_t stride, size_t tokens, size_t head_size,
                           int32_t limit, const float *mean, const float *inverse, const int clamps,
                           char *packed) {
    const operands kind = values_are(limit);
    const size_t chunk = chunk_of(limit);
    for (size_t t = 0; t < padded(tokens); t += 4) {
        const size_t first = t - t % chunk;
        char *place = packed + chunk_place(kind, chunk, first, head_size) +
                      (t - first) * head_size * operand_size(kind);
        for (size_t c = 0; c < head_size; c += LANES) {
            integers keys[4];
            vector middle = load(mean + c), factor = load(inverse + c);
            UNROLL for (size_t k = 0; k < 4; k++) {
                vector v = splat(0);
                if (t + k < tokens)
                    v = (load(values + (t + k) * stride + c) - middle) * factor;
                keys[k] = quantized(v, 1, (float)limit, clamps);
            }
            pack_group(keys, kind, head_size, c, place);
        }
    }
}

TARGET static void pack_values(const float *values, size_t stride, size_t tokens, size_t head_size,
                               int32_t limit, void *packed) {
    float *scale = packed, *mean = scale + head_size;
    const operands kind = values_are(limit);
    const size_t chunk = chunk_of(limit);
    float inverse[DECLIP_INT8_HEAD_LIMIT];
    int are_numbers = 1;
    size_t c = 0;
    for (; c + 4 * LANES <= head_size; c += 4 * LANES)
        are_numbers &= measure_channels(4, values + c, stride, tokens, (float)limit, mean + c,
                                        scale + c, inverse + c);
    for (; c < head_size; c += LANES)
        are_numbers &= measure_channels(1, values + c, stride, tokens, (float)limit, mean + c,
                                        scale + c, inverse + c);
    char *const values_at = (char *)(mean + head_size);
    if (are_numbers)
        pack_quantized(values, stride, tokens, head_size, limit, mean, inverse, 0, values_at);
    else
        pack_quantized(values, stride, tokens, head_size, limit, mean, inverse, 1, values_at);
    for (size_t t = 0; splits(kind) && t < tokens; t += chunk) {
        char *place = values_at + chunk_place(kind, chunk, t, head_size);
        char *header = place - head_size / PANEL * chunk_header_size(kind);
        const size_t rest = padded(tokens) - t, keys = rest < chunk ? rest : chunk;
        for (size_t channel = 0; channel < head_size; channel += PANEL) {
            split_panel(kind, place + 4 * channel, 4 * head_size, keys * operand_size(kind),
                        (int32_t *)header, header + PANEL * sizeof(int32_t));
            header += chunk_header_size(kind);
        }
    }
}

// What the sums of earlier chunks and those of a new one are multiplied by, for each row, so that
// both are relative to the largest score of all.
typedef struct chunk_factors {
    float old[LANES], new[LANES];
    int32_t excess[ROWS]; // where products are split
} chunk_factors;

// output = old * output + new * the products of ROWS rows of weights with `keys` keys' values, in P
// panels of channels.
INLINE void value_tile(const size_t P, const operands kind, const char *weights, const char *values,
                       const char *header, size_t head_size, size_t keys,
                       const chunk_factors *factors, float *output) {
    integers sums[ROWS][MOST];
    UNROLL for (size_t v = 0; v < P * HALVES; v++) {
        integers start = {0};
        if (splits(kind))
            start -= load_integers(header + v / HALVES * chunk_header_size(kind) +
                                   v % HALVES * LANES * sizeof(int32_t));
        UNROLL for (size_t r = 0; r < ROWS; r++) sums[r][v] =
            splits(kind) && ROW_EXCESS ? start - factors->excess[r] : start;
    }
    const size_t stride = SCORE_STRIDE * sizeof(float);
    const char *w[2] = {weights, weights + ROWS / 2 * stride}; // each reaches half of the rows
    const int as_bytes = kind == BYTES;
    const size_t step = as_bytes ? 4 : WORD_GROUP * 2, group = as_bytes ? 4 : WORD_GROUP;
    if (splits(kind))
        split_products(kind, P, weights, stride, values, 4 * PANEL, 4 * head_size,
                       keys * operand_size(kind), header + PANEL * sizeof(int32_t), weight_bounds,
                       sums);
    for (size_t i = 0; !splits(kind) && i < keys; i += group) {
        __asm__("" : "+r"(w[0]), "+r"(w[1]));
        if (as_bytes) {
            byte_vector k[MOST];
            UNROLL for (size_t v = 0; v < P * HALVES; v++) k[v] =
                load_bytes(values + v * LANES * step);
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                byte_vector q = byte_terms(w[r / (ROWS / 2)] + r % (ROWS / 2) * stride);
                UNROLL for (size_t v = 0; v < P * HALVES; v++) sums[r][v] =
                    dot_bytes(sums[r][v], q, k[v]);
            }
        } else {
            word_vector k[MOST];
            UNROLL for (size_t v = 0; v < P * HALVES; v++) k[v] =
                load_words(values + v * LANES * step);
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                word_vector q = word_terms(w[r / (ROWS / 2)] + r % (ROWS / 2) * stride);
                UNROLL for (size_t v = 0; v < P * HALVES; v++) sums[r][v] =
                    dot_words(sums[r][v], q, k[v]);
            }
        }
        values += head_size * step;
        w[0] += step, w[1] += step;
    }
    UNROLL for (size_t r = 0; r < ROWS; r++) {
        UNROLL for (size_t v = 0; v < P * HALVES; v++) {
            float *place = output + r * DECLIP_INT8_HEAD_LIMIT + v * LANES;
            store(place, load(place) * factors->old[r] +
                             __builtin_convertvector(sums[r][v], vector) * factors->new[r]);
        }
    }
}

INLINE void value_rows(const operands kind, const char *weights, const char *values,
                       size_t head_size, size_t keys, const chunk_factors *factors, float *output) {
    const size_t step = kind == WORDS ? WORD_GROUP * 2 : 4;
    const char *header = values - head_size / PANEL * chunk_header_size(kind);
    size_t c = 0;
    for (; c + PANELS * PANEL <= head_size; c += PANELS * PANEL) {
        value_tile(PANELS, kind, weights, values + c * step, header, head_size, keys, factors,
                   output + c);
        header += PANELS * chunk_header_size(kind);
    }
    for (; c < head_size; c += PANEL) {
        value_tile(1, kind, weights, values + c * step, header, head_size, keys, factors,
                   output + c);
        header += chunk_header_size(kind);
    }
}

static size_t scratch_size(size_t tokens) {
    (void)tokens;
    return ROWS * SCORE_STRIDE * sizeof(float);
}

INLINE void load_queries(const int16_t *queries, size_t stride, size_t rows, size_t score_size,
                         const operands kind, query_block *block) {
    const int32_t offset = kind == SLIM ? SLIM_OFFSET : QUERY_OFFSET;
    if (rows < ROWS)
        memset(block, 0, sizeof *block);
    for (size_t r = 0; r < rows; r++, queries += stride) {
        char *row = block->rows + r * BLOCK_STRIDE;
        if (kind == WORDS) {
            memcpy(row, queries, score_size * sizeof(int16_t));
            if (splits(WORDS))
                block->excess[r] = split_row(WORDS, row, 2 * score_size, (integers){0});
            continue;
        }
        int32_t total = 0;
        for (size_t c = 0; c < score_size; c++) {
            row[c] = (char)(queries[c] + offset);
            total += queries[c] + offset;
        }
        if (kind == SLIM)
            block->excess[r] = split_row(SLIM, row, score_size, (integers){total});
    }
    if (kind == SLIM)
        block->bounds = bounds_of(block->rows, BLOCK_STRIDE, score_size);
}

// What ROWS queries have gathered from the chunks so far.
typedef struct gathering {
    float peak[LANES];   // the largest score of each row
    float totals[LANES]; // of the weights, relative to it
    _Alignas(64) float sums[ROWS * DECLIP_INT8_HEAD_LIMIT];
} gathering;

// Moves all rows to the largest scores so far, those of a new chunk among them.
INLINE chunk_factors join_chunk(gathering *all, const float peak[LANES],
                                const float factor[LANES]) {
    chunk_factors factors = {.excess = {0}};
    vector before = load(all->peak), now = load(peak), highest = larger(now, before);
    store(all->peak, highest);
    store(factors.old, power_of_2((before - highest) * load(factor)));
    store(factors.new, power_of_2((now - highest) * load(factor)));
    return factors;
}

INLINE void attend_rows(const declip_int8_head *head, const operands keys, const operands weights,
                        const int16_t *queries, size_t query_stride, const float *query_scale,
                        size_t rows, float *output, size_t output_stride, float *scores) {
    const size_t tokens = head->tokens, size = head->head_size;
    const size_t panel_size = key_panel_size(head->score_size, head->key_limit);
    const size_t chunk = chunk_of(head->value_limit), width = operand_size(weights);
    const int32_t weight_limit = weight_limit_of(head->value_limit);
    const float *value_scale = head->values, *mean = value_scale + size;
    const char *values = (const char *)(mean + size);
    query_block block;
    declip_int8_ticks *ticks = head->ticks;
    uint64_t *score_ticks = ticks ? &ticks->scores : NULL,
             *softmax_ticks = ticks ? &ticks->softmax : NULL,
             *value_ticks = ticks ? &ticks->values : NULL, since = ticks ? ticks_now() : 0;
    gathering all;
    for (size_t row = 0; row < rows; row += ROWS) {
        size_t height = rows - row < ROWS ? rows - row : ROWS;
        load_queries(queries + row * query_stride, query_stride, height, head->score_size, keys,
                     &block);
        float factor[LANES] = {0}, peak[LANES];
        for (size_t r = 0; r < height; r++)
            factor[r] = query_scale[row + r] * head->softmax_scale * LOG2_E;
        store(all.peak, splat(FAR_BELOW));
        store(all.totals, splat(0));
        memset(all.sums, 0, sizeof all.sums);
        for (size_t t = 0; t < tokens; t += chunk) {
            size_t count = tokens - t < chunk ? tokens - t : chunk, whole = padded(count);
            vector peaks[ROWS];
            for (size_t r = 0; r < ROWS; r++)
                peaks[r] = splat(FAR_BELOW);
            score_rows(keys, &block, (const char *)head->keys + t / PANEL * panel_size, panel_size,
                       head->score_size, whole / PANEL, scores, peaks);
            since = count_ticks(score_ticks, since);
            store(peak, splat(FAR_BELOW));
            UNROLL for (size_t r = 0; r < ROWS; r++) peak[r] = largest_lane(peaks[r]);
            chunk_factors factors = join_chunk(&all, peak, factor);
            float totals[LANES] = {0};
            for (size_t r = 0; r < height; r++) {
                char *place = (char *)(scores + r * SCORE_STRIDE);
                integers sums;
                if (NO_SMALL_WEIGHTS || weight_limit == DECLIP_INT8_WEIGHT_WIDE) {
                    const weighing how = {peak[r], factor[r], weight_limit};
                    sums = weigh(&how, place, count, width == 1, place);
                    memset(place + width * count, 0, width * (whole - count));
                } else if (weight_limit == DECLIP_INT8_WEIGHT_SLIM) {
                    sums = small_weights(1, width == 1, place, count, peak[r], factor[r], place);
                } else {
                    sums = small_weights(0, width == 1, place, count, peak[r], factor[r], place);
                }
                if (splits(weights))
                    factors.excess[r] = split_row(weights, place, whole * width, sums);
                totals[r] = (float)sum_of_integers(sums);
            }
            store(all.totals,
                  load(all.totals) * load(factors.old) + load(totals) * load(factors.new));
            since = count_ticks(softmax_ticks, since);
            value_rows(weights, (const char *)scores, values + chunk_place(weights, chunk, t, size),
                       size, whole, &factors, all.sums);
            since = count_ticks(value_ticks, since);
        }
        for (size_t r = 0; r < height; r++) {
            const float inverse = 1 / all.totals[r];
            for (size_t c = 0; c < size; c += LANES)
                store(output + (row + r) * output_stride + c,
                      load(all.sums + r * DECLIP_INT8_HEAD_LIMIT + c) *
                              (load(value_scale + c) * inverse) +
                          load(mean + c));
        }
    }
}

INLINE void attend_keys(const declip_int8_head *head, const operands keys, const int16_t *queries,
                        size_t query_stride, const float *query_scale, size_t rows, float *output,
                        size_t output_stride, float *scratch) {
    switch (values_are(head->value_limit)) {
    case WORDS:
        attend_rows(head, keys, WORDS, queries, query_stride, query_scale, rows, output,
                    output_stride, scratch);
        break;
    case BYTES:
        if (VALUE_BYTES)
            attend_rows(head, keys, BYTES, queries, query_stride, query_scale, rows, output,
                        output_stride, scratch);
        break;
    case SLIM:
        if (HAS_SPLIT)
            attend_rows(head, keys, SLIM, queries, query_stride, query_scale, rows, output,
                        output_stride, scratch);
        break;
    }
}

TARGET static void attend(const declip_int8_head *head, const int16_t *queries, size_t query_stride,
                          const float *query_scale, size_t rows, float *output,
                          size_t output_stride, void *scratch) {
    switch (keys_are(head->key_limit)) {
    case WORDS:
        attend_keys(head, WORDS, queries, query_stride, query_scale, rows, output, output_stride,
                    scratch);
        break;
    case BYTES:
        if (KEY_BYTES)
            attend_keys(head, BYTES, queries, query_stride, query_scale, rows, output,
                        output_stride, scratch);
        break;
    case SLIM:
        if (HAS_SPLIT)
            attend_keys(head, SLIM, queries, query_stride, query_scale, rows, output, output_stride,
                        scratch);
        break;
    }
}

const declip_int8_attention TABLE = {
    rotate_quantize, keys_size, pack_keys,       values_size, pack_values,
    scratch_size,    attend,    softmax_weights, powers,      PROBE,
};
