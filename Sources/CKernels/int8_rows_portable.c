// The reference of every quantising kernel, on plain loops.
#include "ckernels_float.h"
#include "int8_tables.h"
#include "rounding.h"

#include <math.h>
#include <string.h>

typedef declip_int8_quantizer quantizer;

static void quantize_row(const float *input, size_t columns, size_t row, const quantizer *q) {
    float inverse = q->inverse_scale;
    if (q->row_scale) {
        float peak = 0, half = (float)(q->range / 2);
        for (size_t c = 0; c < columns; c++)
            peak = fmaxf(peak, fabsf(input[c]));
        float scale = peak / half;
        q->row_scale[row] = q->low_output ? 128 * scale : scale;
        if (q->low_output)
            q->low_scale[row] = scale;
        inverse = peak > 0 ? half / peak : 0;
    }
    uint8_t *output = q->output + row * q->output_stride;
    uint8_t *low = q->low_output ? q->low_output + row * q->output_stride : NULL;
    float lowest = (float)-q->zero_point, highest = (float)(q->range - q->zero_point);
    for (size_t c = 0; c < columns; c++) {
        float value = input[c] * inverse;
        if (isnan(value))
            value = 0;
        value = fminf(fmaxf(value, lowest), highest);
        int32_t integer = (int32_t)rintf(value) + q->zero_point;
        output[c] = (uint8_t)(low ? integer >> 7 : integer);
        if (low)
            low[c] = integer & 127;
    }
}

static void quantize(const float *input, size_t stride, size_t rows, size_t columns,
                     const quantizer *q) {
    for (size_t r = 0; r < rows; r++)
        quantize_row(input + r * stride, columns, r, q);
}

static void layer_norm_quantize(const float *input, size_t stride, const float *gain,
                                const float *bias, float epsilon, size_t rows, size_t columns,
                                const quantizer *q) {
    for (size_t r = 0; r < rows; r++) {
        declip_float_portable.layer_norm(input + r * stride, stride, gain, bias, epsilon,
                                         q->scratch, columns, 1, columns);
        quantize_row(q->scratch, columns, r, q);
    }
}

const declip_int8_rows declip_int8_rows_portable = {quantize, layer_norm_quantize};
