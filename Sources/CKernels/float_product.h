// Products of float matrices in one order: a sum begins with zero or with what the output holds,
// and takes the terms one after the other, each product rounded before it is added. For vectors.h.
//
// A tile of TILE_ROWS rows x two vectors of columns keeps its sums in registers: 24 of them with
// AVX-512, 10 with others. A panel of the right operand, TERMS terms of two vectors, is laid out
// term by term and stays in the first-level cache while the rows pass by; between two panels of the
// same columns sums stand in the output.
#ifndef FLOAT_PRODUCT_H
#define FLOAT_PRODUCT_H

enum { WIDTH = 2 * LANES, TERMS = 192, TILE_ROWS = LANES == 16 ? 12 : 5 };

typedef float quad __attribute__((vector_size(16), aligned(4)));

// Turns four terms of four columns, `stride` apart, into four columns of a panel's terms.
INLINE void transpose_four(const float *b, size_t stride, float *panel) {
    quad in[4];
    UNROLL for (size_t j = 0; j < 4; j++) memcpy(&in[j], b + j * stride, sizeof in[j]);
    const quad low01 = __builtin_shufflevector(in[0], in[1], 0, 4, 1, 5);
    const quad high01 = __builtin_shufflevector(in[0], in[1], 2, 6, 3, 7);
    const quad low23 = __builtin_shufflevector(in[2], in[3], 0, 4, 1, 5);
    const quad high23 = __builtin_shufflevector(in[2], in[3], 2, 6, 3, 7);
    const quad out[4] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                         __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                         __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                         __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
    UNROLL for (size_t j = 0; j < 4; j++) memcpy(panel + j * WIDTH, &out[j], sizeof out[j]);
}

// Lays out `terms` terms of `columns` columns from `first` on; columns that are missing stay zero.
INLINE void lay_out(const declip_float_product *p, size_t first, size_t columns, size_t start,
                    size_t terms, float *panel) {
    if (columns < WIDTH)
        memset(panel, 0, terms * WIDTH * sizeof *panel);
    if (!p->is_transposed) {
        const float *b = p->b + start * p->b_stride + first;
        for (size_t i = 0; i < terms; i++)
            memcpy(panel + i * WIDTH, b + i * p->b_stride, columns * sizeof *b);
        return;
    }
    const float *b = p->b + first * p->b_stride + start;
    for (size_t c = 0; c < columns; c++, b += p->b_stride) {
        size_t i = 0;
        if (c % 4 == 0 && c + 4 <= columns)
            for (; i + 4 <= terms; i += 4)
                transpose_four(b + i, p->b_stride, panel + i * WIDTH + c);
        else if (c / 4 * 4 + 4 <= columns)
            i = terms / 4 * 4;
        for (; i < terms; i++)
            panel[i * WIDTH + c] = b[i];
    }
}

#ifndef HAS_PRODUCTS
// A term times two vectors.
INLINE void products(const float *term, vector low, vector high, vector result[2]) {
    const vector factor = splat(*term);
    result[0] = factor * low;
    result[1] = factor * high;
}
#endif

// Adds the products of a panel to the sums of R rows.
INLINE void product_tile(const size_t R, const float *a, size_t a_stride, const float *panel,
                         size_t terms, vector sums[TILE_ROWS][2]) {
    for (size_t i = 0; i < terms; i++, panel += WIDTH) {
        const vector low = load(panel), high = load(panel + LANES);
        UNROLL for (size_t r = 0; r < R; r++) {
            vector both[2];
            products(a + r * a_stride + i, low, high, both);
            sums[r][0] += both[0];
            sums[r][1] += both[1];
        }
    }
}

// The rows of a tile: reads what they hold unless they begin with zero, and writes them.
INLINE void product_rows(const size_t R, const float *a, size_t a_stride, const float *panel,
                         size_t terms, const int begins, float factor, size_t columns,
                         float *output, size_t stride) {
    vector sums[TILE_ROWS][2];
    const size_t second = columns > LANES ? columns - LANES : 0;
    UNROLL for (size_t r = 0; r < R; r++) {
        float *row = output + r * stride;
        if (begins)
            sums[r][0] = sums[r][1] = splat(0);
        else if (columns == WIDTH)
            sums[r][0] = load(row), sums[r][1] = load(row + LANES);
        else
            sums[r][0] = load_part(row, columns - second, 0),
            sums[r][1] = load_part(row + LANES, second, 0);
    }
    product_tile(R, a, a_stride, panel, terms, sums);
    UNROLL for (size_t r = 0; r < R; r++) {
        float *row = output + r * stride;
        sums[r][0] *= factor, sums[r][1] *= factor;
        if (columns == WIDTH)
            store(row, sums[r][0]), store(row + LANES, sums[r][1]);
        else
            store_part(row, sums[r][0], columns - second),
                store_part(row + LANES, sums[r][1], second);
    }
}

TARGET static void multiply(const declip_float_product *p, float *output, size_t output_stride) {
    _Alignas(64) float panel[TERMS * WIDTH];
    for (size_t c = 0; c < p->columns; c += WIDTH) {
        const size_t columns = p->columns - c < WIDTH ? p->columns - c : WIDTH;
        for (size_t start = 0; start < p->terms; start += TERMS) {
            const size_t terms = p->terms - start < TERMS ? p->terms - start : TERMS;
            const int begins = start == 0 && !p->accumulates;
            const float factor = start + terms == p->terms ? p->factor : 1;
            lay_out(p, c, columns, start, terms, panel);
            size_t r = 0;
            for (; r + TILE_ROWS <= p->rows; r += TILE_ROWS)
                product_rows(TILE_ROWS, p->a + r * p->a_stride + start, p->a_stride, panel, terms,
                             begins, factor, columns, output + r * output_stride + c,
                             output_stride);
            for (; r < p->rows; r++)
                product_rows(1, p->a + r * p->a_stride + start, p->a_stride, panel, terms, begins,
                             factor, columns, output + r * output_stride + c, output_stride);
        }
    }
}

#endif
