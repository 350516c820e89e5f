#ifndef CKERNELS_FLOAT_H
#define CKERNELS_FLOAT_H

#include <stddef.h>

// A product of row-major matrices: output = factor * (start + a b), where b[i][c] stands at
// b[i * b_stride + c], or where it is transposed at b[c * b_stride + i], and a sum starts with 0
// or, where it accumulates, with what the output holds. There is at least one term.
typedef struct declip_float_product {
    size_t rows, columns, terms;
    const float *a;
    size_t a_stride;
    const float *b;
    size_t b_stride;
    int is_transposed;
    int accumulates;
    float factor;
} declip_float_product;

// Float kernels of the transformer. All matrices are row-major; a stride is the distance between
// rows in elements. Every variant gives the same bits as the portable one: formats/numerics.md
// states the order of every operation. Errors are against the real function;
// `Tests/RuntimeTests/FloatKernelTests.swift` compares both.
typedef struct declip_float_kernels {
    // output[r][c] = (input[r][c] - mean_r) / sqrt(variance_r + epsilon) * gain[c] + bias[c];
    // mean and variance over the columns of a row. Input and output may be the same. Relative
    // error 1e-5 of the row's largest output.
    void (*layer_norm)(const float *input, size_t input_stride, const float *gain,
                       const float *bias, float epsilon, float *output, size_t output_stride,
                       size_t rows, size_t columns);

    // Each row becomes exp(x - max) / sum(exp(x - max)), in place. Absolute error 1e-6.
    void (*softmax)(float *scores, size_t stride, size_t rows, size_t columns);

    // x * sigmoid(1.702 x), in place. Absolute error 1e-6 * max(1, |x|), as for the next
    // three.
    void (*quick_gelu)(float *values, size_t stride, size_t rows, size_t columns);

    // x * Phi(x) with the normal distribution function, in place.
    void (*gelu)(float *values, size_t stride, size_t rows, size_t columns);

    // x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, in place.
    void (*gelu_tanh)(float *values, size_t stride, size_t rows, size_t columns);

    // gate * sigmoid(gate) * up, into gate.
    void (*silu_multiply)(float *gate, size_t gate_stride, const float *up, size_t up_stride,
                          size_t rows, size_t columns);

    // Rotates neighbours (a, b) -> (a cos - b sin, b cos + a sin) in every head of a row, in
    // place. `cosine` and `sine` hold head_size / 2 values a row, shared by all heads.
    void (*rotate)(float *values, size_t stride, const float *cosine, const float *sine,
                   size_t rows, size_t heads, size_t head_size);

    // values[r][c] += bias[c].
    void (*add_bias)(float *values, size_t stride, const float *bias, size_t rows, size_t columns);

    // Every sum takes its terms one after the other, each product rounded before it is added.
    void (*multiply)(const declip_float_product *product, float *output, size_t output_stride);
} declip_float_kernels;

extern const declip_float_kernels declip_float_portable;
#if defined(__x86_64__)
extern const declip_float_kernels declip_float_sse41;
extern const declip_float_kernels declip_float_avx2;
extern const declip_float_kernels declip_float_avx512;
#elif defined(__aarch64__)
extern const declip_float_kernels declip_float_neon;
#endif

#endif
