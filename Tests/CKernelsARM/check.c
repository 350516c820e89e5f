// Compares the int8 kernels of every instruction set that the processor runs with the portable
// ones, where Swift's tests cannot run: for ARM under emulation.
//
//   clang --target=aarch64-linux-gnu --gcc-toolchain=/usr -fuse-ld=lld -O2 -static \
//     -ISources/CKernels/include -o check \
//     Tests/CKernelsARM/check.c Sources/CKernels/{dispatch,float_*,int8_*}.c -lm
//   qemu-aarch64 -cpu max check           (plain NEON, dot products, matrix instructions)
//   qemu-aarch64 -cpu neoverse-n1 check   (no matrix instructions)
//   qemu-aarch64 -cpu cortex-a53 check    (plain NEON alone)
//
// Prints a line for each set and fails where one differs. Debian: gcc-aarch64-linux-gnu,
// libc6-dev-arm64-cross, qemu-user.
#include "ckernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDE = 800, MOST_ROWS = 200, MOST_COLUMNS = 104, MOST_TOKENS = 130, HEAD = 64 };

static uint32_t state = 1;

static uint32_t draw(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static float spread(float most) { return most * ((float)draw() / 8388608 - 1); }

// One shape, operands random, at their limits or alternating; integers, then floats.
static int product_differs(const declip_int8_gemm *gemm, declip_int8_range range, int filling,
                           size_t rows, size_t n, size_t k) {
    static uint8_t a[MOST_ROWS * STRIDE];
    static int8_t weights[MOST_COLUMNS * STRIDE], packed[2][128 * STRIDE];
    static int32_t sums[2][MOST_COLUMNS], integers[2][MOST_ROWS * MOST_COLUMNS];
    static float floats[2][MOST_ROWS * MOST_COLUMNS], scale[MOST_COLUMNS], row_scale[MOST_ROWS];
    const declip_int8_gemm *both[2] = {declip_int8_portable.gemm, gemm};
    int largest = range == DECLIP_INT8_U7S8 ? 127 : 255;
    int lowest = range == DECLIP_INT8_U8S7 ? -64 : -128;
    for (size_t i = 0; i < rows * STRIDE; i++)
        a[i] = (uint8_t)(filling == 0   ? (int)(draw() % (uint32_t)(largest + 1))
                         : filling == 1 ? largest
                                        : (int)(i & 1) * largest);
    for (size_t i = 0; i < n * k; i++)
        weights[i] = (int8_t)(filling == 0   ? (int)(draw() % (uint32_t)(-2 * lowest)) + lowest
                              : filling == 1 ? lowest
                              : i & 1        ? lowest
                                             : -lowest - 1);
    for (size_t i = 0; i < n; i++) scale[i] = spread(0.01f);
    for (size_t i = 0; i < rows; i++) row_scale[i] = spread(0.1f);
    memset(integers, 1, sizeof integers);
    memset(floats, 0, sizeof floats);
    for (int side = 0; side < 2; side++) {
        both[side]->pack_weights(weights, n, k, packed[side], sums[side]);
        both[side]->u8s8_s32(a, STRIDE, packed[side], rows, n, k, range, 0, 100, integers[side],
                             MOST_COLUMNS);
        declip_int8_epilogue epilogue = {row_scale,  0, largest / 2 + 1, scale, scale,
                                         sums[side], 1};
        both[side]->u8s8_f32(a, STRIDE, packed[side], rows, n, k, range, n > 40, 2, &epilogue,
                             floats[side], MOST_COLUMNS);
    }
    int differs = memcmp(integers[0], integers[1], sizeof integers[0]) != 0;
    for (size_t i = 0; i < rows * MOST_COLUMNS; i++)
        differs |= !(fabsf(floats[0][i] - floats[1][i]) <= 1e-6f * fabsf(floats[0][i]) + 1e-8f);
    return differs;
}

static int products(const declip_int8_gemm *gemm) {
    static const size_t rows[] = {1, 2, 5, 13, 200}, columns[] = {1, 15, 16, 17, 33, 100},
                        terms[] = {1, 3, 4, 31, 64, 100, 768};
    int differ = 0;
    for (int range = 0; range < 3; range++)
        for (int filling = 0; filling < 3; filling++)
            for (size_t r = 0; r < 5; r++)
                for (size_t c = 0; c < 6; c++)
                    for (size_t k = 0; k < 7; k++)
                        differ += product_differs(gemm, (declip_int8_range)range, filling, rows[r],
                                                  columns[c], terms[k]);
    return differ;
}

static int quantised_rows(const declip_int8_rows *kernels) {
    int differ = 0;
    for (size_t columns = 1; columns < 200; columns++) {
        for (int kind = 0; kind < 4; kind++) {
            const declip_int8_rows *both[2] = {declip_int8_portable.rows, kernels};
            float input[200], scale[2] = {0};
            uint8_t bytes[2][200] = {{0}};
            for (size_t i = 0; i < columns; i++) input[i] = spread(20);
            if (columns % 7 == 0) input[columns / 2] = NAN;
            for (int side = 0; side < 2; side++) {
                declip_int8_quantizer quantizer = {
                    kind & 1 ? 255 : 127, kind & 1 ? 128 : 64, 8.7f, kind & 2 ? &scale[side] : NULL,
                    bytes[side],          200,                 NULL};
                both[side]->quantize(input, columns, 1, columns, &quantizer);
            }
            differ += memcmp(bytes[0], bytes[1], 200) != 0 || scale[0] != scale[1];
        }
    }
    return differ;
}

// The output of one head; memory is of the size that the portable set or `kernels` asks for.
static void attend(const declip_int8_attention *kernels, const float *operands, size_t tokens,
                   int32_t limit, float *output) {
    static int16_t words[2][MOST_TOKENS * HEAD];
    static float scale[2][MOST_TOKENS];
    const float *values = operands + 2 * tokens * HEAD;
    for (size_t i = 0; i < 2; i++)
        kernels->rotate_quantize(operands + i * tokens * HEAD, HEAD, NULL, NULL, NULL, tokens, HEAD,
                                 limit, words[i], HEAD, scale[i]);
    void *packed_keys = malloc(kernels->keys_size(tokens, HEAD, limit));
    void *packed_values = malloc(kernels->values_size(tokens, HEAD));
    void *scratch = aligned_alloc(64, (kernels->scratch_size(tokens) + 63) / 64 * 64);
    kernels->pack_keys(words[1], HEAD, scale[1], tokens, HEAD, limit, packed_keys);
    kernels->pack_values(values, HEAD, tokens, HEAD, packed_values);
    declip_int8_head head = {tokens, HEAD, limit, 0.125f, packed_keys, packed_values};
    kernels->attend(&head, words[0], HEAD, scale[0], tokens, output, HEAD, scratch);
    free(packed_keys), free(packed_values), free(scratch);
}

static int attention(const declip_int8_attention *kernels) {
    static float operands[3 * MOST_TOKENS * HEAD], output[2][MOST_TOKENS * HEAD];
    int differ = 0;
    for (size_t tokens = 1; tokens <= MOST_TOKENS; tokens += 3) {
        for (int32_t limit = 127; limit <= 4095; limit += 4095 - 127) {
            double apart = 0, whole = 0;
            for (size_t i = 0; i < 3 * tokens * HEAD; i++) operands[i] = spread(3);
            attend(declip_int8_portable.attention, operands, tokens, limit, output[0]);
            attend(kernels, operands, tokens, limit, output[1]);
            for (size_t i = 0; i < tokens * HEAD; i++) {
                double difference = output[0][i] - output[1][i];
                apart += difference * difference;
                whole += output[0][i] * output[0][i];
            }
            differ += !(apart <= 5e-5 * 5e-5 * whole);
        }
    }
    return differ;
}

int main(void) {
    int differ = 0;
    const declip_kernels *set;
    for (size_t i = 0; (set = declip_kernels_available(i)); i++) {
        int p = products(set->ints->gemm), q = quantised_rows(set->ints->rows),
            a = attention(set->ints->attention);
        printf("%s: %d products, %d quantised rows, %d heads differ\n", set->name, p, q, a);
        differ += p + q + a;
    }
    return differ != 0;
}
