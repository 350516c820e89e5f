// The reference of int8 attention: a query at a time, wide sums, libm's exponential.
#include "ckernels_float.h"
#include "int8_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float scale_of(float peak, float limit, float *inverse) {
    *inverse = peak > 0 ? limit / peak : 0;
    return peak / limit;
}

static int16_t quantized(float value, float inverse, float limit) {
    value *= inverse;
    if (isnan(value)) return 0;
    return (int16_t)rintf(fminf(fmaxf(value, -limit), limit));
}

static void rotate_quantize(const float *input, size_t stride, const float *cosine,
                            const float *sine, const float *offset, size_t rows, size_t head_size,
                            int32_t limit, int16_t *output, size_t output_stride, float *scale) {
    for (size_t r = 0; r < rows; r++, input += stride, output += output_stride) {
        float row[DECLIP_INT8_HEAD_LIMIT], peak = 0, inverse;
        memcpy(row, input, head_size * sizeof(float));
        if (cosine) {
            declip_float_portable.rotate(row, head_size, cosine + r * (head_size / 2),
                                         sine + r * (head_size / 2), 1, 1, head_size);
        }
        for (size_t c = 0; c < head_size; c++) {
            if (offset) row[c] -= offset[c];
            peak = fmaxf(peak, fabsf(row[c]));
        }
        scale[r] = scale_of(peak, (float)limit, &inverse);
        for (size_t c = 0; c < head_size; c++) output[c] = quantized(row[c], inverse, (float)limit);
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

// Packed values: a scale for every channel, then the rows.
static size_t values_size(size_t tokens, size_t head_size) {
    return head_size * (sizeof(float) + tokens * sizeof(int16_t));
}

static void pack_values(const float *values, size_t stride, size_t tokens, size_t head_size,
                        void *packed) {
    float *scale = packed;
    int16_t *rows = (int16_t *)(scale + head_size);
    for (size_t c = 0; c < head_size; c++) {
        float peak = 0, inverse;
        for (size_t t = 0; t < tokens; t++) peak = fmaxf(peak, fabsf(values[t * stride + c]));
        scale[c] = scale_of(peak, DECLIP_INT8_VALUE_LIMIT, &inverse);
        for (size_t t = 0; t < tokens; t++)
            rows[t * head_size + c] =
                quantized(values[t * stride + c], inverse, DECLIP_INT8_VALUE_LIMIT);
    }
}

static int32_t softmax_weights(const float *scores, size_t count, float peak, float factor,
                               int16_t *weights) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        float score;
        memcpy(&score, (const char *)scores + i * sizeof score, sizeof score);
        double power = exp((double)(score - peak) * factor);
        int16_t weight = power >= 0 ? (int16_t)rint(DECLIP_INT8_WEIGHT_LIMIT * power) : 0;
        memcpy((char *)weights + i * sizeof weight, &weight, sizeof weight);
        sum += weight;
    }
    return sum;
}

static size_t scratch_size(size_t tokens) { return tokens * (sizeof(float) + sizeof(int16_t)); }

static void attend(const declip_int8_head *head, const int16_t *queries, size_t query_stride,
                   const float *query_scale, size_t rows, float *output, size_t output_stride,
                   void *scratch) {
    const size_t tokens = head->tokens, size = head->head_size;
    const float *key_scale = head->keys, *value_scale = head->values;
    const int16_t *keys = (const int16_t *)(key_scale + tokens);
    const int16_t *values = (const int16_t *)(value_scale + size);
    float *scores = scratch;
    int16_t *weights = (int16_t *)(scores + tokens);
    for (size_t r = 0; r < rows; r++, queries += query_stride, output += output_stride) {
        float peak = -INFINITY;
        for (size_t t = 0; t < tokens; t++) {
            int32_t sum = 0;
            for (size_t c = 0; c < size; c++) sum += queries[c] * keys[t * size + c];
            scores[t] = (float)sum * key_scale[t];
            peak = fmaxf(peak, scores[t]);
        }
        int32_t total =
            softmax_weights(scores, tokens, peak, query_scale[r] * head->softmax_scale, weights);
        for (size_t c = 0; c < size; c++) {
            int64_t sum = 0;
            for (size_t t = 0; t < tokens; t++) sum += weights[t] * values[t * size + c];
            output[c] = (float)((double)sum * value_scale[c] / total);
        }
    }
}

static void powers(const float *input, size_t count, float *output) {
    for (size_t i = 0; i < count; i++) output[i] = exp2f(input[i]);
}

const declip_int8_attention declip_int8_attention_portable = {
    rotate_quantize, keys_size,    pack_keys, values_size,     pack_values,
    scratch_size,    attend,       softmax_weights, powers,
};
