#ifndef CKERNELS_INT8_H
#define CKERNELS_INT8_H

#include <stddef.h>
#include <stdint.h>

// Kernels of the transformer in 8-bit integers. All matrices are row-major; a stride is the
// distance between rows in elements. Weights are signed bytes with one scale per output channel,
// activations unsigned bytes with a zero point, sums 32-bit integers that never saturate. Every
// variant yields the bits of the portable one, in integers and in floats (formats/numerics.md);
// `Tests/CKernelsCheck` compares them.

enum {
    // Output channels to a panel of packed weights.
    DECLIP_INT8_PANEL = 16,
    // Rows of quantised activations must be readable up to a multiple of this many bytes; what
    // stands in the padding does not matter, for packed weights are zero there.
    DECLIP_INT8_ROW_MULTIPLE = 16,
};

// What the operands of a product are known to hold. Sums are exact in every variant as long as the
// operands keep to it and there are at most 65536 terms.
typedef enum declip_int8_range {
    DECLIP_INT8_U7S7, // activations 0..127, weights -64..63
    DECLIP_INT8_U7S8, // activations 0..127, weights -128..127
    DECLIP_INT8_U8S7, // activations 0..255, weights -64..63
    // Activations 0..255, weights -128..127, of which neighbours 2i and 2i + 1 of one sign add up
    // to magnitudes of 128 at most.
    DECLIP_INT8_U8S8_PAIRED,
    DECLIP_INT8_U8S8, // activations 0..255, weights -128..127
} declip_int8_range;

// What becomes of a product's floats `v`.
typedef enum declip_int8_result {
    DECLIP_INT8_STORE, // output = v
    DECLIP_INT8_ADD,   // output += v
    DECLIP_INT8_GATE,  // output = silu(output) * v: the output holds a gate
    DECLIP_INT8_QUICK_GELU,
    DECLIP_INT8_GELU,
    DECLIP_INT8_GELU_TANH, // output = f(v), the functions being those of the float kernels
} declip_int8_result;

// How 32-bit sums become floats:
// v[r][c] = (sum[r][c] - zero_point * column_sum[c]) * row_scale[r] * column_scale[c] + bias[c]
typedef struct declip_int8_epilogue {
    const float *row_scale; // a scale per row; null: tensor_scale for all
    float tensor_scale;
    int32_t zero_point; // of the activations
    const float *column_scale;
    const float *bias; // null: none
    const int32_t *column_sum;
    declip_int8_result result;
} declip_int8_epilogue;

// Packing weights and multiplying by them. A product covers columns of whole panels, from
// `first_panel` on, so that threads can share out columns as well as rows; `output` and the arrays
// of the epilogue start at column 0, and only columns below `n` are touched.
typedef struct declip_int8_gemm {
    // Terms that stand together in packed weights.
    size_t group;
    // 1 where unsigned and signed bytes over their whole ranges multiply as fast as narrower ones.
    int full_range_is_fast;

    // Bytes of n packed channels with k inputs each, and of what a variant knows of its panels.
    size_t (*packed_size)(size_t n, size_t k);

    // weights[n][k] into panels of 16 channels, [panel][k / group][16][group], k padded with zeros
    // to DECLIP_INT8_ROW_MULTIPLE and n to whole panels. column_sums[n] receives the sum of every
    // channel's weights. Products are fastest with `packed` aligned to 64 bytes.
    void (*pack_weights)(const int8_t *weights, size_t n, size_t k, declip_int8_range range,
                         int8_t *packed, int32_t *column_sums);

    // output[r][c] = sum over i of a[r][i] * weights[c][i]. The range is that of packing.
    void (*u8s8_s32)(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows, size_t n,
                     size_t k, declip_int8_range range, size_t first_panel, size_t panels,
                     int32_t *output, size_t output_stride);

    // The same sums through an epilogue.
    void (*u8s8_f32)(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows, size_t n,
                     size_t k, declip_int8_range range, size_t first_panel, size_t panels,
                     const declip_int8_epilogue *epilogue, float *output, size_t output_stride);

    // Runs the instructions of a range's tile on registers alone and returns the number of
    // multiply- accumulates: the most that a product could reach.
    uint64_t (*probe_peak)(declip_int8_range range, uint64_t iterations);
} declip_int8_gemm;

// Where quantised rows go. Values become zero_point + round(x / scale), rounded to nearest even and
// clamped to 0..range; what is not a number becomes the zero point.
typedef struct declip_int8_quantizer {
    int32_t range;       // 127 or 255; 16383 or 32767 with `low_output`
    int32_t zero_point;  // 64, 128, 8192 or 16384 with scales per row
    float inverse_scale; // 1 / scale; unused with scales per row
    // Not null: every row takes the scale (its largest magnitude) / (range / 2), stored here; 0 for
    // a row of zeros, infinite for a row that holds an infinite value.
    float *row_scale;
    uint8_t *output;
    size_t output_stride;
    float *scratch; // two rows of floats; unused by `quantize`
    // Not null, which goes with scales per row: of integers of 14 or 15 bits `output` takes all but
    // the lower 7, whose zero point is 64 or 128 and whose scale, in `row_scale`, is 128 times that
    // of the row; here go the lower 7, whose zero point is 0, with as many bytes to a row, and the
    // scale of the row.
    uint8_t *low_output;
    float *low_scale;
} declip_int8_quantizer;

// Float rows into quantised rows. The float arithmetic is that of the float kernels.
typedef struct declip_int8_rows {
    void (*quantize)(const float *input, size_t stride, size_t rows, size_t columns,
                     const declip_int8_quantizer *quantizer);

    void (*layer_norm_quantize)(const float *input, size_t stride, const float *gain,
                                const float *bias, float epsilon, size_t rows, size_t columns,
                                const declip_int8_quantizer *quantizer);
} declip_int8_rows;

enum {
    // Queries and keys of `declip_int8_attention` hold magnitudes up to one of these: signed bytes
    // of
    // 7 or 8 bits, or words of 13 bits for half the speed and a thirtieth of the error. Any limit
    // between them will do; with more than 128 channels the largest must be such that
    // size * limit^2 fits into 32 bits.
    DECLIP_INT8_SCORES_SLIM = 63,
    DECLIP_INT8_SCORES_NARROW = 127,
    DECLIP_INT8_SCORES_WIDE = 4095,
    // The largest magnitude of a value, and the weight of the key that scores highest in a chunk of
    // keys: bytes of 7 or 8 bits, or words for half the speed. Products of 128 keys fit into 32
    // bits.
    DECLIP_INT8_VALUES_SLIM = 63,
    DECLIP_INT8_VALUES_NARROW = 127,
    DECLIP_INT8_VALUES_WIDE = 2047,
    DECLIP_INT8_WEIGHT_SLIM = 127,
    DECLIP_INT8_WEIGHT_NARROW = 255,
    DECLIP_INT8_WEIGHT_WIDE = 8191,
    // Keys to a chunk: products of wide values fit into 32 bits.
    DECLIP_INT8_CHUNK_SLIM = 192,
    DECLIP_INT8_CHUNK_NARROW = 256,
    DECLIP_INT8_CHUNK_WIDE = 128,
    // The largest head size, and the most channels that scores are made of; any multiples of 16 up
    // to them will do. Smaller heads are padded with zeros by the caller.
    DECLIP_INT8_HEAD_LIMIT = 128,
    DECLIP_INT8_SCORE_SIZE = 3 * DECLIP_INT8_HEAD_LIMIT,
};

// Where the time of attention goes, in ticks of the processor's own clock; calls add to it.
typedef struct declip_int8_ticks {
    uint64_t scores;
    uint64_t softmax;
    uint64_t values;
} declip_int8_ticks;

// One head's keys and values, packed.
typedef struct declip_int8_head {
    size_t tokens;
    size_t score_size;   // channels of queries and keys
    size_t head_size;    // channels of values
    int32_t key_limit;   // DECLIP_INT8_SCORES_SLIM, _NARROW or _WIDE
    int32_t value_limit; // DECLIP_INT8_VALUES_SLIM, _NARROW or _WIDE
    float softmax_scale; // of the scores; above 0
    const void *keys;
    const void *values;
    declip_int8_ticks *ticks; // null: not counted
} declip_int8_head;

// softmax(Q K^T * softmax_scale) V for one head.
typedef struct declip_int8_attention {
    // Rotates neighbours as the float kernel `rotate` does for one head (no rotation where `cosine`
    // is null), subtracts offset[size] (null: none), and quantises each row to
    // -limit...limit by its largest magnitude. What is not a number becomes 0.
    void (*rotate_quantize)(const float *input, size_t stride, const float *cosine,
                            const float *sine, const float *offset, size_t rows, size_t size,
                            int32_t limit, int16_t *output, size_t output_stride, float *scale);

    size_t (*keys_size)(size_t tokens, size_t score_size, int32_t limit);
    void (*pack_keys)(const int16_t *keys, size_t stride, const float *scale, size_t tokens,
                      size_t score_size, int32_t limit, void *packed);

    // Quantises each channel of values[tokens][head_size], less its mean, by its largest magnitude:
    // as weights add up to 1, the mean can be added afterwards.
    size_t (*values_size)(size_t tokens, size_t head_size, int32_t limit);
    void (*pack_values)(const float *values, size_t stride, size_t tokens, size_t head_size,
                        int32_t limit, void *packed);

    // The attention of `rows` queries to one head's keys. `scratch` holds scratch_size(tokens)
    // bytes, aligned to 64. Weights of keys are those of `softmax_weights`.
    size_t (*scratch_size)(size_t tokens);
    void (*attend)(const declip_int8_head *head, const int16_t *queries, size_t query_stride,
                   const float *query_scale, size_t rows, float *output, size_t output_stride,
                   void *scratch);

    // weights[i] = round(limit * exp((scores[i] - peak) * factor)) for scores up to the peak, a
    // factor above 0 and a limit of DECLIP_INT8_WEIGHT_SLIM, _NARROW or _WIDE; returns their sum.
    // `weights` may overlay `scores`. The power's relative error is 0.0018, 1.1e-4 or 3e-6.
    int32_t (*softmax_weights)(const float *scores, size_t count, float peak, float factor,
                               int32_t limit, int16_t *weights);

    // output[i] = 2^input[i], input -126..126, relative error 1e-6: what joins chunks of keys.
    void (*powers)(const float *input, size_t count, float *output);

    // As `probe_peak` of products, for the instructions that multiply scores and values of more
    // than 7 bits; null where they are those of products, as slim ones' always are.
    uint64_t (*probe_peak)(uint64_t iterations);
} declip_int8_attention;

// The int8 kernels of one instruction set.
typedef struct declip_int8_kernels {
    const declip_int8_gemm *gemm;
    const declip_int8_rows *rows;
    const declip_int8_attention *attention;
} declip_int8_kernels;

extern const declip_int8_kernels declip_int8_portable;
#if defined(__x86_64__)
extern const declip_int8_kernels declip_int8_sse41;
extern const declip_int8_kernels declip_int8_avx2;
extern const declip_int8_kernels declip_int8_avxvnni;
extern const declip_int8_kernels declip_int8_avx512vnni;
extern const declip_int8_kernels declip_int8_avx512fip;
#elif defined(__aarch64__)
extern const declip_int8_kernels declip_int8_neon;
extern const declip_int8_kernels declip_int8_dotprod;
extern const declip_int8_kernels declip_int8_i8mm;
#endif

#endif
