// The reference of every float kernel: plain loops over libm, sums in double precision.
#include "ckernels_float.h"

#include <math.h>

static void layer_norm(const float *input, size_t input_stride, const float *gain,
                       const float *bias, float epsilon, float *output, size_t output_stride,
                       size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, input += input_stride, output += output_stride) {
        double sum = 0, squares = 0;
        for (size_t c = 0; c < columns; c++) sum += input[c];
        double mean = sum / (double)columns;
        for (size_t c = 0; c < columns; c++) squares += (input[c] - mean) * (input[c] - mean);
        double scale = 1 / sqrt(squares / (double)columns + epsilon);
        for (size_t c = 0; c < columns; c++)
            output[c] = (float)((input[c] - mean) * scale) * gain[c] + bias[c];
    }
}

static void softmax(float *scores, size_t stride, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, scores += stride) {
        float largest = -INFINITY;
        double sum = 0;
        for (size_t c = 0; c < columns; c++) largest = fmaxf(largest, scores[c]);
        for (size_t c = 0; c < columns; c++) sum += scores[c] = expf(scores[c] - largest);
        for (size_t c = 0; c < columns; c++) scores[c] = (float)(scores[c] / sum);
    }
}

static void quick_gelu(float *values, size_t stride, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, values += stride)
        for (size_t c = 0; c < columns; c++) values[c] /= 1 + expf(-1.702f * values[c]);
}

static void gelu(float *values, size_t stride, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, values += stride)
        for (size_t c = 0; c < columns; c++)
            values[c] = 0.5f * values[c] * (1 + erff(values[c] * 0.70710678f));
}

static void gelu_tanh(float *values, size_t stride, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, values += stride) {
        for (size_t c = 0; c < columns; c++) {
            float x = values[c];
            values[c] = x / (1 + expf(-1.5957691f * (x + 0.044715f * x * x * x)));
        }
    }
}

static void silu_multiply(float *gate, size_t gate_stride, const float *up, size_t up_stride,
                          size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, gate += gate_stride, up += up_stride)
        for (size_t c = 0; c < columns; c++) gate[c] = gate[c] / (1 + expf(-gate[c])) * up[c];
}

static void rotate(float *values, size_t stride, const float *cosine, const float *sine,
                   size_t rows, size_t heads, size_t head_size) {
    size_t half = head_size / 2;
    for (size_t r = 0; r < rows; r++, values += stride, cosine += half, sine += half) {
        for (size_t h = 0; h < heads; h++) {
            for (size_t i = 0; i < half; i++) {
                float *pair = values + h * head_size + 2 * i;
                float a = pair[0], b = pair[1];
                pair[0] = a * cosine[i] - b * sine[i];
                pair[1] = b * cosine[i] + a * sine[i];
            }
        }
    }
}

static void add_bias(float *values, size_t stride, const float *bias, size_t rows,
                     size_t columns) {
    for (size_t r = 0; r < rows; r++, values += stride)
        for (size_t c = 0; c < columns; c++) values[c] += bias[c];
}

const declip_float_kernels declip_float_portable = {
    layer_norm, softmax, quick_gelu, gelu, gelu_tanh, silu_multiply, rotate, add_bias,
};
