// Products of bytes: every range, integers and epilogues.
#include "check.h"

enum {
    MOST_ROWS = 200,
    MOST_COLUMNS = 80,
    MOST_TERMS = 2736,
    STRIDE = MOST_TERMS + DECLIP_INT8_ROW_MULTIPLE,
    OUTPUT_STRIDE = MOST_COLUMNS + 3,
    PANELS = MOST_COLUMNS / DECLIP_INT8_PANEL,
};

static const struct {
    declip_int8_range range;
    int largest; // activation
    int lowest;  // weight; the highest is -lowest - 1
} ranges[] = {
    {DECLIP_INT8_U7S7, 127, -64},  {DECLIP_INT8_U7S8, 127, -128},
    {DECLIP_INT8_U8S7, 255, -64},  {DECLIP_INT8_U8S8_PAIRED, 255, -128},
    {DECLIP_INT8_U8S8, 255, -128},
};

enum { RANGES = sizeof ranges / sizeof *ranges };

typedef struct extents {
    size_t rows, n, k;
} extents;

// Edges combined, then products of many rows, which pass the end of a block of rows, then any.
static extents draw_extents(size_t shape) {
    static const size_t rows[] = {1, 2, 5, 13}, n[] = {1, 15, 16, 17, 33, 65},
                        k[] = {1, 3, 17, 64, 2730};
    enum { ROWS = sizeof rows / sizeof *rows, N = sizeof n / sizeof *n, K = sizeof k / sizeof *k };
    enum { EDGES = ROWS * N * K, TALL = EDGES + 20 };
    if (shape < EDGES)
        return (extents){rows[shape % ROWS], n[shape / ROWS % N], k[shape / ROWS / N]};
    if (shape < TALL)
        return (extents){190 + check_draw(MOST_ROWS - 189), 1 + check_draw(40), 1 + check_draw(16)};
    return (extents){1 + check_draw(26), 1 + check_draw(50), 1 + check_draw(80)};
}

static uint8_t a[MOST_ROWS * STRIDE];
static int8_t weights[MOST_COLUMNS * MOST_TERMS];
// Kernels may keep what they know of a panel behind the panels.
static _Alignas(64) int8_t packed[2][MOST_COLUMNS * (MOST_TERMS + 384)];
static int32_t column_sums[2][MOST_COLUMNS];

// Brings neighbours of one sign within a sum of 128, the larger of them kept or the smaller.
static void limit_pairs(extents e) {
    for (size_t c = 0; c < e.n; c++) {
        for (size_t i = 0; i + 1 < e.k; i += 2) {
            int8_t *pair = &weights[c * e.k + i];
            const int sum = pair[0] + pair[1], which = (int)check_draw(2);
            if ((pair[0] < 0) != (pair[1] < 0))
                continue;
            if (sum > 128)
                pair[which] = (int8_t)(128 - pair[1 - which]);
            else if (sum < -128)
                pair[which] = (int8_t)(-128 - pair[1 - which]);
        }
    }
}

// A number up to `most` in magnitude, small ones more often.
static int draw_bell(int most) {
    int sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int)check_draw((uint32_t)(most / 2 + 1)) - most / 4;
    return sum < -most ? -most : sum > most ? most : sum;
}

// Activations with the largest value in the padding, and weights; two packings of them. Bells are
// what networks look like; on the border 8, 16 or 32 products of weights and of activations'
// distances from the middle add up to about 2^15, where sums in 16 bits cease to be exact.
static void draw_operands(const declip_int8_kernels *set, size_t which, extents e) {
    const int largest = ranges[which].largest, lowest = ranges[which].lowest;
    const uint32_t filling = check_draw(12);
    const int middle = (largest + 1) / 2, border = (const int[]){63, 45, 31}[check_draw(3)];
    memset(a, largest, e.rows * STRIDE);
    for (size_t r = 0; r < e.rows; r++) {
        for (size_t i = 0; i < e.k; i++) {
            uint8_t *term = &a[r * STRIDE + i];
            switch (filling) {
            case 4: // all at the largest, weights at the lowest
            case 5:
                break; // or at the highest
            case 6:
                *term = (uint8_t)(i % 2 ? largest : 0);
                break;
            case 7:
                *term = 0;
                break;
            case 8:
            case 9:
                *term = (uint8_t)(middle + draw_bell(middle - 1));
                break;
            case 10: // on the border, all of one sign
                *term = (uint8_t)(middle - border - (int)check_draw(2));
                break;
            case 11: // or of both
                *term = (uint8_t)(middle + (check_draw(2) ? border : -border - (int)check_draw(2)));
                break;
            default:
                *term = (uint8_t)check_draw((uint32_t)largest + 1);
            }
        }
    }
    for (size_t i = 0; i < e.n * e.k; i++) {
        switch (filling) {
        case 4:
            weights[i] = (int8_t)lowest;
            break;
        case 5:
            weights[i] = (int8_t)(-lowest - 1);
            break;
        case 6:
            weights[i] = (int8_t)(i % 3 ? lowest : -lowest - 1);
            break;
        case 8:
        case 9:
            weights[i] = (int8_t)draw_bell(-lowest - 1);
            break;
        case 10:
        case 11:
            weights[i] = (int8_t)(-border - (int)check_draw(2));
            break;
        default:
            weights[i] = (int8_t)((int)check_draw((uint32_t)(-2 * lowest)) + lowest);
        }
    }
    if (ranges[which].range == DECLIP_INT8_U8S8_PAIRED)
        limit_pairs(e);
    const declip_int8_gemm *both[2] = {declip_int8_portable.gemm, set->gemm};
    for (int side = 0; side < 2; side++)
        both[side]->pack_weights(weights, e.n, e.k, ranges[which].range, packed[side],
                                 column_sums[side]);
}

// Outputs have a row and columns more than are multiplied, so that what is written there shows.
int check_integer_sums(const declip_int8_kernels *set, size_t shape) {
    static int32_t sums[2][(MOST_ROWS + 1) * OUTPUT_STRIDE];
    const declip_int8_gemm *both[2] = {declip_int8_portable.gemm, set->gemm};
    const extents e = draw_extents(shape);
    const size_t bytes = (e.rows + 1) * OUTPUT_STRIDE * sizeof(int32_t);
    for (size_t which = 0; which < RANGES; which++) {
        draw_operands(set, which, e);
        for (int side = 0; side < 2; side++) {
            memset(sums[side], 7, bytes);
            both[side]->u8s8_s32(a, STRIDE, packed[side], e.rows, e.n, e.k, ranges[which].range, 0,
                                 PANELS, sums[side], OUTPUT_STRIDE);
        }
        if (memcmp(sums[0], sums[1], bytes) ||
            memcmp(column_sums[0], column_sums[1], e.n * sizeof(int32_t)))
            return 1;
    }
    return 0;
}

int check_float_sums(const declip_int8_kernels *set, size_t shape) {
    static float outputs[2][(MOST_ROWS + 1) * OUTPUT_STRIDE],
        before[(MOST_ROWS + 1) * OUTPUT_STRIDE];
    static float row_scale[MOST_ROWS], column_scale[MOST_COLUMNS], bias[MOST_COLUMNS];
    const declip_int8_gemm *both[2] = {declip_int8_portable.gemm, set->gemm};
    const extents e = draw_extents(shape);
    const size_t which = check_draw(RANGES), count = (e.rows + 1) * OUTPUT_STRIDE;
    draw_operands(set, which, e);
    check_fill(row_scale, MOST_ROWS, 0.1f);
    check_fill(column_scale, MOST_COLUMNS, 0.01f);
    check_fill(bias, MOST_COLUMNS, 10);
    check_fill(before, count, 10);
    declip_int8_epilogue epilogue = {.tensor_scale = 0.03f};
    if (check_draw(2))
        epilogue.row_scale = row_scale;
    if (check_draw(2))
        epilogue.bias = bias;
    epilogue.result = (declip_int8_result)check_draw(DECLIP_INT8_GELU_TANH + 1);
    epilogue.zero_point = (int32_t)check_draw((uint32_t)ranges[which].largest + 1);
    epilogue.column_scale = column_scale;
    const size_t first = check_draw(2); // the panels in one call or in two
    for (int side = 0; side < 2; side++) {
        memcpy(outputs[side], before, count * sizeof(float));
        epilogue.column_sum = column_sums[side];
        if (first)
            both[side]->u8s8_f32(a, STRIDE, packed[side], e.rows, e.n, e.k, ranges[which].range, 0,
                                 first, &epilogue, outputs[side], OUTPUT_STRIDE);
        both[side]->u8s8_f32(a, STRIDE, packed[side], e.rows, e.n, e.k, ranges[which].range, first,
                             PANELS, &epilogue, outputs[side], OUTPUT_STRIDE);
    }
    return check_differs(outputs[0], outputs[1], count);
}
