// The float kernels: bits equal those of the portable set, and nothing is written beside rows.
#include "check.h"

enum {
    ROWS = 5,
    MOST_COLUMNS = 2730,
    PADDING = 5,
    MOST = ROWS * (MOST_COLUMNS + PADDING),
    MOST_TERMS = 400,
    MOST_HEAD = 128,
};

typedef struct operands {
    size_t rows, columns, stride;
    float values[MOST], gain[MOST_COLUMNS], bias[MOST_COLUMNS], other[MOST];
} operands;

static operands drawn;

static void draw_operands(size_t shape) {
    static const size_t edges[] = {1,  2,  3,  7,  8,  9,   15,  16,  17,  31,
                                   32, 33, 47, 63, 64, 127, 300, 768, 2730};
    static const float spreads[] = {0, 0.01f, 1, 10, 200, 1e4f};
    const size_t count = sizeof edges / sizeof *edges;
    drawn.columns = shape < 2 * count ? edges[shape % count] : 1 + check_draw(150);
    drawn.stride = drawn.columns + PADDING;
    drawn.rows = 1 + check_draw(ROWS);
    check_fill(drawn.values, MOST, spreads[check_draw(6)]);
    check_fill(drawn.other, MOST, 2);
    check_fill(drawn.gain, MOST_COLUMNS, 2);
    check_fill(drawn.bias, MOST_COLUMNS, 1);
    if (!check_draw(16))
        drawn.values[check_draw((uint32_t)drawn.columns)] = __builtin_nanf("");
}

typedef void (*kernel)(const declip_float_kernels *kernels, float *output);

// Whether a kernel that works in place, or writes rows of the same stride, leaves other bits.
static int differs(const declip_float_kernels *set, kernel kernel) {
    static float outputs[2][MOST];
    const declip_float_kernels *both[2] = {&declip_float_portable, set};
    for (int side = 0; side < 2; side++) {
        memcpy(outputs[side], drawn.values, sizeof drawn.values);
        kernel(both[side], outputs[side]);
    }
    return check_differs(outputs[0], outputs[1], MOST);
}

static void layer_norm(const declip_float_kernels *kernels, float *output) {
    kernels->layer_norm(output, drawn.stride, drawn.gain, drawn.bias, 1e-6f, output, drawn.stride,
                        drawn.rows, drawn.columns);
}

static void softmax(const declip_float_kernels *kernels, float *output) {
    kernels->softmax(output, drawn.stride, drawn.rows, drawn.columns);
}

static void quick_gelu(const declip_float_kernels *kernels, float *output) {
    kernels->quick_gelu(output, drawn.stride, drawn.rows, drawn.columns);
}

static void gelu(const declip_float_kernels *kernels, float *output) {
    kernels->gelu(output, drawn.stride, drawn.rows, drawn.columns);
}

static void gelu_tanh(const declip_float_kernels *kernels, float *output) {
    kernels->gelu_tanh(output, drawn.stride, drawn.rows, drawn.columns);
}

static void silu_multiply(const declip_float_kernels *kernels, float *output) {
    kernels->silu_multiply(output, drawn.stride, drawn.other, drawn.stride, drawn.rows,
                           drawn.columns);
}

static void add_bias(const declip_float_kernels *kernels, float *output) {
    kernels->add_bias(output, drawn.stride, drawn.bias, drawn.rows, drawn.columns);
}

int check_float_rows(const declip_float_kernels *set, size_t shape) {
    static const kernel kernels[] = {layer_norm, softmax,       quick_gelu, gelu,
                                     gelu_tanh,  silu_multiply, add_bias};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        draw_operands(shape);
        if (differs(set, kernels[i]))
            return 1;
    }
    return 0;
}

static size_t heads, head_size;

static void rotate(const declip_float_kernels *kernels, float *output) {
    kernels->rotate(output, heads * head_size + PADDING, drawn.gain, drawn.bias, drawn.rows, heads,
                    head_size);
}

int check_float_rotation(const declip_float_kernels *set, size_t shape) {
    draw_operands(shape);
    head_size = 2 * (1 + check_draw(MOST_HEAD / 2));
    heads = 1 + check_draw(4);
    return differs(set, rotate);
}

static float right[MOST];
static declip_float_product product;

static void multiply(const declip_float_kernels *kernels, float *output) {
    kernels->multiply(&product, output, product.columns + PADDING);
}

// Edges of tiles and panels, then any; the right operand as it stands or transposed.
int check_float_products(const declip_float_kernels *set, size_t shape) {
    static const size_t columns[] = {1, 15, 16, 17, 31, 32, 33, 65}, terms[] = {1, 3, 64, 193, 400};
    draw_operands(shape);
    check_fill(right, MOST, 1);
    product.rows = shape < 40 ? ROWS : 1 + check_draw(40);
    product.columns = shape < 40 ? columns[shape % 8] : 1 + check_draw(70);
    product.terms = shape < 40 ? terms[shape / 8] : 1 + check_draw(90);
    if (product.rows * (product.columns + PADDING) > MOST)
        product.rows = ROWS;
    product.is_transposed = (int)check_draw(2);
    product.accumulates = (int)check_draw(2);
    product.factor = check_draw(2) ? 1 : 0.125f + check_spread(0.1f);
    // Rows of either operand may stand closer than they are long: only their values matter.
    product.a = drawn.other;
    product.a_stride = product.rows * product.terms + PADDING < MOST ? product.terms : 7;
    product.b = right;
    product.b_stride = product.is_transposed ? product.terms / 2 + 1 : product.columns / 4 + 1;
    return differs(set, multiply);
}
