// Int8 attention on vectors of LANES floats, written once with compiler vectors and included by one
// file per instruction set. That file defines
//   LANES, TARGET    as for the float kernels,
//   FLOATS, TABLE    the float kernels to rotate with, and the name of the kernel table,
//   ROWS, PANELS     the largest tile: queries, and panels of 16 keys or channels,
//   WORD_GROUP       words that stand together in packed keys and values (1 or 2),
//   BYTES            1 where narrow keys are packed as bytes, in groups of four,
//   QUERY_OFFSET     what is added to a query's bytes (128 where the product wants them unsigned),
//   word_terms, byte_terms, load_words, load_bytes, dot_words, dot_bytes
//                    a broadcast group of terms, a vector of packed operands, sum + their products;
// before it, it includes int8_attention_types.h.
//
// ROWS queries pass over all keys: the scores, as floats, go into a scratch row each, 29 KiB for 6
// rows of 1226, with the largest of each row kept in a register. Then a row's scores become weights
// of 13 bits, in place, and the weights multiply the values, 128 keys in 32 bits, converted to
// float between. Nothing is rescaled on the way.
//
// Packed keys: for every panel of 16 a header, then the keys in groups, [group][16][terms].
// Packed values: a scale for every channel, then [key group][channel][keys], the rest zeros.

enum {
    PANEL = 16,
    HALVES = PANEL / LANES, // vectors to a panel
    MOST = PANELS * HALVES, // vectors to a tile
    KEY_CHUNK = 128,
    BLOCK_STRIDE = DECLIP_INT8_HEAD_LIMIT * 2, // bytes
};

// What turns a panel's sums into scores: (start + sum) * scale + bias.
typedef struct key_header {
    float scale[PANEL];
    float bias[PANEL];    // 0; where there is no key, far below any score
    int32_t start[PANEL]; // undoes QUERY_OFFSET
} key_header;

#define FAR_BELOW (-1e30f)

INLINE vector select(integers mask, vector a, vector b) {
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

INLINE vector larger(vector a, vector b) { return select(a > b, a, b); }

INLINE vector magnitude(vector v) { return (vector)((integers)v & INT32_MAX); }

INLINE float largest_lane(vector v) {
    float peak = v[0];
    UNROLL for (size_t i = 1; i < LANES; i++) peak = v[i] > peak ? v[i] : peak;
    return peak;
}

// The nearest integers to magnitudes below 2^22, by adding 1.5 * 2^23.
INLINE integers nearest(vector v) {
    const vector magic = splat(12582912.0f);
    return (integers)(v + magic) - (integers)magic;
}

INLINE integers quantized(vector v, float inverse, float limit) {
    v *= inverse;
    v = (vector)((integers)v & (v == v));
    v = larger(v, splat(-limit));
    return nearest(select(v < limit, v, splat(limit)));
}

static size_t padded(size_t tokens) { return (tokens + PANEL - 1) / PANEL * PANEL; }

TARGET static void rotate_quantize(const float *input, size_t stride, const float *cosine,
                                   const float *sine, const float *offset, size_t rows,
                                   size_t head_size, int32_t limit, int16_t *output,
                                   size_t output_stride, float *scale) {
    for (size_t r = 0; r < rows; r++, input += stride, output += output_stride) {
        float row[DECLIP_INT8_HEAD_LIMIT];
        memcpy(row, input, head_size * sizeof(float));
        if (cosine) {
            FLOATS.rotate(row, head_size, cosine + r * (head_size / 2), sine + r * (head_size / 2),
                          1, 1, head_size);
        }
        vector peaks = splat(0);
        for (size_t c = 0; c < head_size; c += LANES) {
            vector v = load(row + c);
            if (offset) {
                v -= load(offset + c);
                store(row + c, v);
            }
            peaks = larger(magnitude(v), peaks);
        }
        float peak = largest_lane(peaks), inverse = peak > 0 ? (float)limit / peak : 0;
        scale[r] = peak / (float)limit;
        for (size_t c = 0; c < head_size; c += LANES) {
            shorts words =
                __builtin_convertvector(quantized(load(row + c), inverse, (float)limit), shorts);
            memcpy(output + c, &words, sizeof words);
        }
    }
}

static int is_narrow(int32_t limit) { return BYTES && limit <= DECLIP_INT8_SCORES_NARROW; }

static size_t key_panel_size(size_t head_size, int32_t limit) {
    return sizeof(key_header) + PANEL * head_size * (is_narrow(limit) ? 1 : 2);
}

static size_t keys_size(size_t tokens, size_t head_size, int32_t limit) {
    return padded(tokens) / PANEL * key_panel_size(head_size, limit);
}

static void pack_keys(const int16_t *keys, size_t stride, const float *scale, size_t tokens,
                      size_t head_size, int32_t limit, void *packed) {
    const size_t panel_size = key_panel_size(head_size, limit);
    const int narrow = is_narrow(limit);
    memset(packed, 0, keys_size(tokens, head_size, limit));
    for (size_t t = 0; t < padded(tokens); t++, keys += stride) {
        char *panel = (char *)packed + t / PANEL * panel_size;
        key_header *header = (key_header *)panel;
        char *place = panel + sizeof *header;
        if (t >= tokens) {
            header->bias[t % PANEL] = FAR_BELOW;
            continue;
        }
        header->scale[t % PANEL] = scale[t];
        if (narrow) {
            int8_t row[DECLIP_INT8_HEAD_LIMIT];
            int32_t sum = 0;
            for (size_t c = 0; c < head_size; c++) {
                row[c] = (int8_t)keys[c];
                sum += keys[c];
            }
            for (size_t c = 0; c < head_size; c += 4)
                memcpy(place + c * PANEL + t % PANEL * 4, row + c, 4);
            header->start[t % PANEL] = -QUERY_OFFSET * sum;
        } else {
            for (size_t c = 0; c < head_size; c += WORD_GROUP)
                memcpy(place + (c * PANEL + t % PANEL * WORD_GROUP) * 2, keys + c, WORD_GROUP * 2);
        }
    }
}

// The scores of ROWS queries and P panels of keys. `block` holds the queries, BLOCK_STRIDE apart.
INLINE void score_tile(const size_t P, const int narrow, const char *block, const char *panels,
                       size_t panel_size, size_t head_size, float *scores, size_t stride,
                       vector peaks[ROWS]) {
    integers sums[ROWS][MOST];
    UNROLL for (size_t v = 0; v < P * HALVES; v++) {
        const key_header *header = (const key_header *)(panels + v / HALVES * panel_size);
        integers start = load_integers(header->start + v % HALVES * LANES);
        UNROLL for (size_t r = 0; r < ROWS; r++) sums[r][v] = start;
    }
    const char *keys = panels + sizeof(key_header);
    if (narrow) {
        for (size_t i = 0; i < head_size; i += 4, keys += 4 * PANEL, block += 4) {
            byte_vector k[MOST];
            UNROLL for (size_t v = 0; v < P * HALVES; v++)
                k[v] = load_bytes(keys + v / HALVES * panel_size + v % HALVES * LANES * 4);
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                byte_vector q = byte_terms(block + r * BLOCK_STRIDE);
                UNROLL for (size_t v = 0; v < P * HALVES; v++)
                    sums[r][v] = dot_bytes(sums[r][v], q, k[v]);
            }
        }
    } else {
        const size_t step = WORD_GROUP * 2;
        for (size_t i = 0; i < head_size; i += WORD_GROUP, keys += step * PANEL, block += step) {
            word_vector k[MOST];
            UNROLL for (size_t v = 0; v < P * HALVES; v++)
                k[v] = load_words(keys + v / HALVES * panel_size + v % HALVES * LANES * step);
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                word_vector q = word_terms(block + r * BLOCK_STRIDE);
                UNROLL for (size_t v = 0; v < P * HALVES; v++)
                    sums[r][v] = dot_words(sums[r][v], q, k[v]);
            }
        }
    }
    UNROLL for (size_t v = 0; v < P * HALVES; v++) {
        const key_header *header = (const key_header *)(panels + v / HALVES * panel_size);
        vector scale = load(header->scale + v % HALVES * LANES);
        vector bias = load(header->bias + v % HALVES * LANES);
        UNROLL for (size_t r = 0; r < ROWS; r++) {
            vector score = __builtin_convertvector(sums[r][v], vector) * scale + bias;
            store(scores + r * stride + v * LANES, score);
            peaks[r] = larger(score, peaks[r]);
        }
    }
}

INLINE void score_rows(const int narrow, const char *block, const char *panels, size_t panel_size,
                       size_t head_size, size_t count, float *scores, size_t stride,
                       vector peaks[ROWS]) {
    while (count >= PANELS) {
        score_tile(PANELS, narrow, block, panels, panel_size, head_size, scores, stride, peaks);
        panels += PANELS * panel_size, scores += PANELS * PANEL, count -= PANELS;
    }
    while (count) {
        score_tile(1, narrow, block, panels, panel_size, head_size, scores, stride, peaks);
        panels += panel_size, scores += PANEL, count--;
    }
}

// 2^x, for x below -126 that of -126: x = n + r with |r| <= 1/2, a minimax polynomial of degree 5
// for 2^r that is 1 at 0, relative error 1e-7, and n added to the exponent.
INLINE vector power_of_2(vector x) {
    const vector magic = splat(12582912.0f);
    x = larger(x, splat(-126.0f));
    vector n = x + magic;
    vector r = x - (n - magic);
    vector p = splat(1.326472731307149e-3f);
    p = p * r + 9.671512991189957e-3f;
    p = p * r + 5.550733581185341e-2f;
    p = p * r + 2.4022242426872253e-1f;
    p = p * r + 6.931470036506653e-1f;
    p = p * r + 1.0f;
    return (vector)((integers)p + (((integers)n - (integers)magic) << 23));
}

INLINE integers weight_of(vector score, float peak, float factor) {
    return nearest(power_of_2((score - peak) * factor) * (float)DECLIP_INT8_WEIGHT_LIMIT);
}

TARGET static int32_t softmax_weights(const float *scores, size_t count, float peak, float factor,
                                      int16_t *weights) {
    const char *source = (const char *)scores;
    char *target = (char *)weights;
    integers sums = {0};
    size_t i = 0;
    factor *= 1.44269504f;
    for (; i + LANES <= count; i += LANES) {
        integers w = weight_of(load((const float *)(source + 4 * i)), peak, factor);
        shorts words = __builtin_convertvector(w, shorts);
        memcpy(target + 2 * i, &words, sizeof words);
        sums += w;
    }
    int32_t sum = 0;
    if (i < count) {
        float rest[LANES] = {0};
        memcpy(rest, source + 4 * i, 4 * (count - i));
        integers w = weight_of(load(rest), peak, factor);
        shorts words = __builtin_convertvector(w, shorts);
        memcpy(target + 2 * i, &words, 2 * (count - i));
        for (size_t j = 0; j < count - i; j++) sum += w[j];
    }
    UNROLL for (size_t j = 0; j < LANES; j++) sum += sums[j];
    return sum;
}

TARGET static void powers(const float *input, size_t count, float *output) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(output + i, power_of_2(load(input + i)));
    if (i < count) {
        float rest[LANES] = {0};
        memcpy(rest, input + i, (count - i) * sizeof(float));
        store(rest, power_of_2(load(rest)));
        memcpy(output + i, rest, (count - i) * sizeof(float));
    }
}

static size_t values_size(size_t tokens, size_t head_size) {
    return head_size * (sizeof(float) + padded(tokens) * sizeof(int16_t));
}

TARGET static void pack_values(const float *values, size_t stride, size_t tokens, size_t head_size,
                               void *packed) {
    float *scale = packed;
    float inverse[DECLIP_INT8_HEAD_LIMIT];
    for (size_t c = 0; c < head_size; c += LANES) {
        vector peaks = splat(0);
        for (size_t t = 0; t < tokens; t++)
            peaks = larger(magnitude(load(values + t * stride + c)), peaks);
        store(scale + c, peaks / (float)DECLIP_INT8_VALUE_LIMIT);
        for (size_t i = 0; i < LANES; i++)
            inverse[c + i] = peaks[i] > 0 ? (float)DECLIP_INT8_VALUE_LIMIT / peaks[i] : 0;
    }
    int16_t *words = (int16_t *)(scale + head_size);
    const float limit = DECLIP_INT8_VALUE_LIMIT;
    for (size_t t = 0; t < padded(tokens); t += 2, values += 2 * stride, words += 2 * head_size) {
        for (size_t c = 0; c < head_size; c += LANES) {
            vector even = splat(0), odd = splat(0);
            if (t < tokens) even = load(values + c) * load(inverse + c);
            if (t + 1 < tokens) odd = load(values + stride + c) * load(inverse + c);
            integers low = quantized(even, 1, limit), high = quantized(odd, 1, limit);
            if (WORD_GROUP == 2) {
                integers pairs = (low & 0xffff) | (high << 16);
                memcpy(words + 2 * c, &pairs, sizeof pairs);
            } else {
                shorts first = __builtin_convertvector(low, shorts);
                shorts second = __builtin_convertvector(high, shorts);
                memcpy(words + c, &first, sizeof first);
                memcpy(words + head_size + c, &second, sizeof second);
            }
        }
    }
}

// Adds the products of ROWS rows of weights with `keys` keys' values in P panels of channels.
INLINE void value_tile(const size_t P, const char *weights, size_t stride, const char *values,
                       size_t head_size, size_t keys, float *output) {
    integers sums[ROWS][MOST];
    UNROLL for (size_t r = 0; r < ROWS; r++) {
        UNROLL for (size_t v = 0; v < P * HALVES; v++) sums[r][v] = (integers){0};
    }
    const size_t step = WORD_GROUP * 2;
    const char *w[2] = {weights, weights + ROWS / 2 * stride};
    for (size_t i = 0; i < keys; i += WORD_GROUP) {
        __asm__("" : "+r"(w[0]), "+r"(w[1])); // two pointers that reach three rows each
        word_vector k[MOST];
        UNROLL for (size_t v = 0; v < P * HALVES; v++) k[v] = load_words(values + v * LANES * step);
        UNROLL for (size_t r = 0; r < ROWS; r++) {
            word_vector q = word_terms(w[r / (ROWS / 2)] + r % (ROWS / 2) * stride);
            UNROLL for (size_t v = 0; v < P * HALVES; v++)
                sums[r][v] = dot_words(sums[r][v], q, k[v]);
        }
        values += head_size * step;
        w[0] += step, w[1] += step;
    }
    UNROLL for (size_t r = 0; r < ROWS; r++) {
        UNROLL for (size_t v = 0; v < P * HALVES; v++) {
            float *place = output + r * DECLIP_INT8_HEAD_LIMIT + v * LANES;
            store(place, load(place) + __builtin_convertvector(sums[r][v], vector));
        }
    }
}

INLINE void value_rows(const char *weights, size_t stride, const char *values, size_t head_size,
                       size_t keys, float *output) {
    for (size_t t = 0; t < keys; t += KEY_CHUNK) {
        size_t count = keys - t < KEY_CHUNK ? keys - t : KEY_CHUNK;
        const char *part = values + t * head_size * 2;
        size_t c = 0;
        for (; c + PANELS * PANEL <= head_size; c += PANELS * PANEL)
            value_tile(PANELS, weights + 2 * t, stride, part + c * WORD_GROUP * 2, head_size, count,
                       output + c);
        for (; c < head_size; c += PANEL)
            value_tile(1, weights + 2 * t, stride, part + c * WORD_GROUP * 2, head_size, count,
                       output + c);
    }
}

// Rows of scores stand a little apart from a power of two, lest they share lines of the cache.
static size_t score_stride(size_t tokens) { return padded(tokens) + PANEL; }

static size_t scratch_size(size_t tokens) { return ROWS * score_stride(tokens) * sizeof(float); }

TARGET static void load_queries(const int16_t *queries, size_t stride, size_t rows,
                                size_t head_size, int narrow, char *block) {
    memset(block, 0, ROWS * BLOCK_STRIDE);
    for (size_t r = 0; r < rows; r++, queries += stride, block += BLOCK_STRIDE) {
        if (!narrow) {
            memcpy(block, queries, head_size * sizeof(int16_t));
            continue;
        }
        for (size_t c = 0; c < head_size; c++) block[c] = (char)(queries[c] + QUERY_OFFSET);
    }
}

TARGET static void attend(const declip_int8_head *head, const int16_t *queries, size_t query_stride,
                          const float *query_scale, size_t rows, float *output,
                          size_t output_stride, void *scratch) {
    const size_t tokens = head->tokens, size = head->head_size, stride = score_stride(tokens);
    const size_t panel_size = key_panel_size(size, head->limit);
    const int narrow = is_narrow(head->limit);
    const float *value_scale = head->values;
    const char *values = (const char *)(value_scale + size);
    float *scores = scratch;
    _Alignas(64) char block[ROWS * BLOCK_STRIDE];
    _Alignas(64) float sums[ROWS * DECLIP_INT8_HEAD_LIMIT];
    for (size_t row = 0; row < rows; row += ROWS) {
        size_t height = rows - row < ROWS ? rows - row : ROWS;
        load_queries(queries + row * query_stride, query_stride, height, size, narrow, block);
        vector peaks[ROWS];
        for (size_t r = 0; r < ROWS; r++) peaks[r] = splat(FAR_BELOW);
        if (narrow) {
            score_rows(1, block, head->keys, panel_size, size, padded(tokens) / PANEL, scores,
                       stride, peaks);
        } else {
            score_rows(0, block, head->keys, panel_size, size, padded(tokens) / PANEL, scores,
                       stride, peaks);
        }
        float inverse[ROWS];
        for (size_t r = 0; r < height; r++) {
            int16_t *weights = (int16_t *)(scores + r * stride);
            int32_t sum =
                softmax_weights(scores + r * stride, tokens, largest_lane(peaks[r]),
                                query_scale[row + r] * head->softmax_scale, weights);
            memset((char *)weights + 2 * tokens, 0, 2 * (padded(tokens) - tokens));
            inverse[r] = 1 / (float)sum;
        }
        memset(sums, 0, sizeof sums);
        value_rows((const char *)scores, stride * sizeof(float), values, size, padded(tokens),
                   sums);
        for (size_t r = 0; r < height; r++) {
            for (size_t c = 0; c < size; c += LANES)
                store(output + (row + r) * output_stride + c,
                      load(sums + r * DECLIP_INT8_HEAD_LIMIT + c) *
                          (load(value_scale + c) * inverse[r]));
        }
    }
}

const declip_int8_attention TABLE = {
    rotate_quantize, keys_size, pack_keys,       values_size, pack_values,
    scratch_size,    attend,    softmax_weights, powers,
};
