// The reference of every float kernel: one number after another, in the order that
// formats/numerics.md states.
#include "ckernels_float.h"
#include "scalars.h"

#include "functions.h"

// The sum of a row, or of the squares of its distances from `mean`.
static float row_sum(const float *row, size_t columns, float mean, int squared) {
    float lanes[SUM_LANES] = {0};
    for (size_t c = 0; c < columns; c++) {
        const float v = row[c] - mean;
        lanes[c % SUM_LANES] += squared ? v * v : v;
    }
    return sum_of_lanes(lanes);
}

static void layer_norm(const float *input, size_t input_stride, const float *gain,
                       const float *bias, float epsilon, float *output, size_t output_stride,
                       size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, input += input_stride, output += output_stride) {
        const float mean = row_sum(input, columns, 0, 0) / (float)columns;
        const float variance = row_sum(input, columns, mean, 1) / (float)columns;
        const float scale = 1 / sqrtf(variance + epsilon);
        for (size_t c = 0; c < columns; c++)
            output[c] = (input[c] - mean) * scale * gain[c] + bias[c];
    }
}

static void softmax(float *scores, size_t stride, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, scores += stride) {
        float peak = -INFINITY, lanes[SUM_LANES] = {0};
        for (size_t c = 0; c < columns; c++)
            peak = larger(peak, scores[c]);
        for (size_t c = 0; c < columns; c++)
            lanes[c % SUM_LANES] += scores[c] = exponential(scores[c] - peak);
        const float scale = 1 / sum_of_lanes(lanes);
        for (size_t c = 0; c < columns; c++)
            scores[c] *= scale;
    }
}

// An elementwise kernel in place.
#define ELEMENTWISE(NAME, FUNCTION)                                                                \
    static void NAME(float *values, size_t stride, size_t rows, size_t columns) {                  \
        for (size_t r = 0; r < rows; r++, values += stride)                                        \
            for (size_t c = 0; c < columns; c++)                                                   \
                values[c] = FUNCTION(values[c]);                                                   \
    }

ELEMENTWISE(quick_gelu, quick_gelu_of)
ELEMENTWISE(gelu, gelu_of)
ELEMENTWISE(gelu_tanh, gelu_tanh_of)

static void silu_multiply(float *gate, size_t gate_stride, const float *up, size_t up_stride,
                          size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, gate += gate_stride, up += up_stride)
        for (size_t c = 0; c < columns; c++)
            gate[c] = silu_of(gate[c]) * up[c];
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

static void add_bias(float *values, size_t stride, const float *bias, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, values += stride)
        for (size_t c = 0; c < columns; c++)
            values[c] += bias[c];
}

static void multiply(const declip_float_product *p, float *output, size_t output_stride) {
    for (size_t r = 0; r < p->rows; r++, output += output_stride) {
        for (size_t c = 0; c < p->columns; c++) {
            float sum = p->accumulates ? output[c] : 0;
            for (size_t i = 0; i < p->terms; i++) {
                const float *b =
                    p->is_transposed ? p->b + c * p->b_stride + i : p->b + i * p->b_stride + c;
                sum += p->a[r * p->a_stride + i] * *b;
            }
            output[c] = sum * p->factor;
        }
    }
}

const declip_float_kernels declip_float_portable = {
    layer_norm, softmax, quick_gelu, gelu, gelu_tanh, silu_multiply, rotate, add_bias, multiply,
};
