// Float rows into quantised rows.
#include "check.h"

enum { ROWS = 3, MOST_COLUMNS = 2730, PADDING = 5, MOST = ROWS * (MOST_COLUMNS + PADDING) };

typedef struct rows {
    size_t count, columns, stride;
    float input[MOST], gain[MOST], bias[MOST];
} rows;

static rows drawn;

typedef void (*kernel)(const declip_int8_rows *kernels, const declip_int8_quantizer *quantizer);

static void draw_rows(size_t shape, float most) {
    static const size_t edges[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 768, 2730};
    const size_t count = sizeof edges / sizeof *edges;
    drawn.columns = shape < count ? edges[shape] : 1 + check_draw(150);
    drawn.stride = drawn.columns + PADDING;
    drawn.count = 1 + check_draw(ROWS);
    for (size_t r = 0; r < drawn.count; r++)
        check_fill(drawn.input + r * drawn.stride, drawn.columns, most);
    check_fill(drawn.gain, drawn.columns, 2);
    check_fill(drawn.bias, drawn.columns, 1);
}

// An integer that stands in one byte or in two.
static int whole(uint8_t upper, uint8_t lower, int wide) {
    return wide ? upper * 128 + lower : upper;
}

// Whether bytes or scales differ, or anything is written beside them.
static int differs(const declip_int8_kernels *set, kernel kernel) {
    // The bytes and scales of both sides, and those of the lower bits where integers have 14 or 15.
    static uint8_t bytes[2][2][MOST];
    static float scales[2][2][ROWS], scratch[2 * MOST];
    const declip_int8_rows *both[2] = {declip_int8_portable.rows, set->rows};
    static const int32_t ranges[] = {127, 255, 16383, 32767};
    const int32_t range = ranges[check_draw(4)];
    const int wide = range > 255, dynamic = wide || check_draw(2);
    const size_t size = drawn.count * drawn.stride;
    memset(scales, 0, sizeof scales);
    for (int side = 0; side < 2; side++) {
        memset(bytes[side][0], 9, size);
        memset(bytes[side][1], 9, size);
        declip_int8_quantizer quantizer = {.range = range,
                                           .zero_point = dynamic ? range / 2 + 1 : 17,
                                           .inverse_scale = 8.7f,
                                           .row_scale = dynamic ? scales[side][0] : NULL,
                                           .output = bytes[side][0],
                                           .output_stride = drawn.stride,
                                           .scratch = scratch,
                                           .low_output = wide ? bytes[side][1] : NULL,
                                           .low_scale = wide ? scales[side][1] : NULL};
        kernel(both[side], &quantizer);
    }
    for (size_t i = 0; i < size; i++) {
        int inside = i % drawn.stride < drawn.columns;
        if (whole(bytes[0][0][i], bytes[0][1][i], wide && inside) !=
                whole(bytes[1][0][i], bytes[1][1][i], wide && inside) ||
            (inside && bytes[1][0][i] > range) || (inside && wide && bytes[1][1][i] > 127) ||
            (!inside && bytes[0][1][i] != bytes[1][1][i]))
            return 1;
    }
    return check_differs(scales[0][0], scales[1][0], ROWS) ||
           check_differs(scales[0][1], scales[1][1], ROWS);
}

static void quantize(const declip_int8_rows *kernels, const declip_int8_quantizer *quantizer) {
    kernels->quantize(drawn.input, drawn.stride, drawn.count, drawn.columns, quantizer);
}

// Whatever the rows hold: zeros, halves, values beyond the range, infinite ones and
// what is not a number.
int check_quantize(const declip_int8_kernels *set, size_t shape) {
    static const float spreads[] = {0, 0.01f, 1, 20, 1e4f, 1e30f};
    draw_rows(shape, spreads[check_draw(6)]);
    const uint32_t kind = check_draw(8);
    for (size_t i = 0; i < drawn.count; i++) {
        float *row = drawn.input + i * drawn.stride;
        float *value = row + check_draw((uint32_t)drawn.columns);
        if (kind == 4)
            *value = __builtin_nanf("");
        if (kind == 5)
            *value = __builtin_inff();
        if (kind == 6)
            *value = -__builtin_inff();
        for (size_t c = 0; kind == 7 && c < drawn.columns; c++)
            row[c] = ((float)check_draw(400) - 200 + 0.5f) / 8.7f;
    }
    return differs(set, quantize);
}

static void layer_norm(const declip_int8_rows *kernels, const declip_int8_quantizer *quantizer) {
    kernels->layer_norm_quantize(drawn.input, drawn.stride, drawn.gain, drawn.bias, 1e-5f,
                                 drawn.count, drawn.columns, quantizer);
}

int check_layer_norm(const declip_int8_kernels *set, size_t shape) {
    draw_rows(shape, 4);
    return differs(set, layer_norm);
}
