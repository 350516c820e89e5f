// The reference of int8 attention: a query at a time, one key after the other, wide sums.
#include "ckernels_float.h"
#include "int8_attention_limits.h"
#include "int8_tables.h"
#include "scalars.h"

#include "functions.h"
#include "ticks.h"

// The score that any is larger than.
#define FAR_BELOW (-1e30f)

static float scale_of(float peak, float limit, float *inverse) {
    *inverse = peak > 0 ? limit / peak : 0;
    return peak / limit;
}

static int16_t quantized(float value, float inverse, float limit) {
    value *= inverse;
    if (isnan(value))
        return 0;
    return (int16_t)rintf(fminf(fmaxf(value, -limit), limit));
}

static void rotate_quantize(const float *input, size_t stride, const float *cosine,
                            const float *sine, const float *offset, size_t rows, size_t head_size,
                            int32_t limit, int16_t *output, size_t output_stride, float *scale) {
    for (size_t r = 0; r < rows; r++, input += stride, output += output_stride) {
        float row[DECLIP_INT8_SCORE_SIZE], peak = 0, inverse;
        memcpy(row, input, head_size * sizeof(float));
        if (cosine) {
            declip_float_portable.rotate(row, head_size, cosine + r * (head_size / 2),
                                         sine + r * (head_size / 2), 1, 1, head_size);
        }
        for (size_t c = 0; c < head_size; c++) {
            if (offset)
                row[c] -= offset[c];
            peak = fmaxf(peak, fabsf(row[c]));
        }
        scale[r] = scale_of(peak, (float)limit, &inverse);
        for (size_t c = 0; c < head_size; c++)
            output[c] = quantized(row[c], inverse, (float)limit);
    }
}

// Packed keys: a scale for every key, then the keys as they come.
static size_t keys_size(size_t tokens, size_t head_size, int32_t limit) {
    (void)limit;
    return tokens * (sizeof(float) + head_size * sizeof(int16_t));
}

static void pack_keys(const int16_t *keys, size_t stride, const float *scale, size_t tokens,
                      size_t head_size, int32_t limit, void *packed) {
    (void)limit;
    memcpy(packed, scale, tokens * sizeof(float));
    int16_t *rows = (int16_t *)((float *)packed + tokens);
    for (size_t t = 0; t < tokens; t++)
        memcpy(rows + t * head_size, keys + t * stride, head_size * sizeof(int16_t));
}

// Packed values: a scale and the mean for every channel, then the rows.
static size_t values_size(size_t tokens, size_t head_size, int32_t limit) {
    (void)limit;
    return head_size * (2 * sizeof(float) + tokens * sizeof(int16_t));
}

static void pack_values(const float *values, size_t stride, size_t tokens, size_t head_size,
                        int32_t limit, void *packed) {
    float *scale = packed, *mean = scale + head_size;
    int16_t *rows = (int16_t *)(mean + head_size);
    for (size_t c = 0; c < head_size; c++) {
        float sum = 0, peak = 0, inverse;
        for (size_t t = 0; t < tokens; t++)
            sum += values[t * stride + c];
        mean[c] = sum / (float)tokens;
        for (size_t t = 0; t < tokens; t++)
            peak = fmaxf(peak, fabsf(values[t * stride + c] - mean[c]));
        scale[c] = scale_of(peak, (float)limit, &inverse);
        for (size_t t = 0; t < tokens; t++)
            rows[t * head_size + c] =
                quantized(values[t * stride + c] - mean[c], inverse, (float)limit);
    }
}

// The weight of a score, by the function of the limit.
static int32_t weight_of(float score, float peak, float factor, int32_t limit) {
    if (limit == DECLIP_INT8_WEIGHT_WIDE)
        return nearest(wide_weight((score - peak) * factor));
    // What is no number weighs nothing.
    const int32_t e = nearest(smaller((peak - score) * (factor * WEIGHT_STEPS), 32767.0f));
    return limit == DECLIP_INT8_WEIGHT_SLIM ? slim_weight(e) : byte_weight(e);
}

// The same for a row, with a factor of a power of 2; returns their sum.
static int32_t weigh(const float *scores, size_t count, float peak, float factor, int32_t limit,
                     int16_t *weights) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        weights[i] = (int16_t)weight_of(scores[i], peak, factor, limit);
        sum += weights[i];
    }
    return sum;
}

static int32_t softmax_weights(const float *scores, size_t count, float peak, float factor,
                               int32_t limit, int16_t *weights) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        // The weights may overlay the scores.
        float score;
        memcpy(&score, (const char *)scores + i * sizeof score, sizeof score);
        const int16_t weight = (int16_t)weight_of(score, peak, factor * LOG2_E, limit);
        memcpy((char *)weights + i * sizeof weight, &weight, sizeof weight);
        sum += weight;
    }
    return sum;
}

static size_t scratch_size(size_t tokens) {
    (void)tokens;
    return DECLIP_INT8_CHUNK_NARROW * (sizeof(float) + sizeof(int16_t));
}

static void attend(const declip_int8_head *head, const int16_t *queries, size_t query_stride,
                   const float *query_scale, size_t rows, float *output, size_t output_stride,
                   void *scratch) {
    const size_t tokens = head->tokens, size = head->head_size, score_size = head->score_size;
    const size_t chunk = chunk_of(head->value_limit);
    const int32_t weight_limit = weight_limit_of(head->value_limit);
    const float *key_scale = head->keys, *value_scale = head->values, *mean = value_scale + size;
    const int16_t *keys = (const int16_t *)(key_scale + tokens);
    const int16_t *values = (const int16_t *)(mean + size);
    float *scores = scratch;
    int16_t *weights = (int16_t *)(scores + DECLIP_INT8_CHUNK_NARROW);
    declip_int8_ticks none = {0, 0, 0}, *ticks = head->ticks ? head->ticks : &none;
    uint64_t since = ticks_now();
    for (size_t r = 0; r < rows; r++, queries += query_stride, output += output_stride) {
        const float factor = query_scale[r] * head->softmax_scale * LOG2_E;
        // What all chunks so far add up to, relative to their highest score.
        float highest = FAR_BELOW, total = 0, sums[DECLIP_INT8_HEAD_LIMIT] = {0};
        for (size_t start = 0; start < tokens; start += chunk) {
            const size_t count = tokens - start < chunk ? tokens - start : chunk;
            float peak = FAR_BELOW;
            for (size_t t = 0; t < count; t++) {
                const int16_t *key = keys + (start + t) * score_size;
                int32_t sum = 0;
                for (size_t c = 0; c < score_size; c++)
                    sum += queries[c] * key[c];
                scores[t] = (float)sum * key_scale[start + t];
                peak = larger(scores[t], peak);
            }
            since = count_ticks(&ticks->scores, since);
            const float before = highest;
            highest = larger(peak, highest);
            const float old = power_of_2((before - highest) * factor);
            const float new = power_of_2((peak - highest) * factor);
            const int32_t weight = weigh(scores, count, peak, factor, weight_limit, weights);
            total = total * old + (float)weight * new;
            since = count_ticks(&ticks->softmax, since);
            for (size_t c = 0; c < size; c++) {
                int32_t sum = 0;
                for (size_t t = 0; t < count; t++)
                    sum += weights[t] * values[(start + t) * size + c];
                sums[c] = sums[c] * old + (float)sum * new;
            }
            since = count_ticks(&ticks->values, since);
        }
        const float inverse = 1 / total;
        for (size_t c = 0; c < size; c++)
            output[c] = sums[c] * (value_scale[c] * inverse) + mean[c];
    }
}

static void powers(const float *input, size_t count, float *output) {
    for (size_t i = 0; i < count; i++)
        output[i] = power_of_2(input[i]);
}

const declip_int8_attention declip_int8_attention_portable = {
    rotate_quantize, keys_size, pack_keys,       values_size, pack_values,
    scratch_size,    attend,    softmax_weights, powers,      NULL,
};
