// The reference of the product: one row and panel after another, nothing shared with the walk over
// tiles that the other variants take.
#include "ckernels_float.h"
#include "int8_tables.h"
#include "rounding.h"

#include <string.h>

enum { PANEL = DECLIP_INT8_PANEL, GROUP = 4 };

static size_t padded_k(size_t k) {
    return (k + DECLIP_INT8_ROW_MULTIPLE - 1) / DECLIP_INT8_ROW_MULTIPLE * DECLIP_INT8_ROW_MULTIPLE;
}

static size_t packed_size(size_t n, size_t k) {
    return (n + PANEL - 1) / PANEL * PANEL * padded_k(k);
}

static size_t place(size_t channel, size_t i, size_t k) {
    return channel / PANEL * PANEL * padded_k(k) + i / GROUP * PANEL * GROUP +
           channel % PANEL * GROUP + i % GROUP;
}

static void pack_weights(const int8_t *weights, size_t n, size_t k, declip_int8_range range,
                         int8_t *packed, int32_t *column_sums) {
    (void)range;
    memset(packed, 0, packed_size(n, k));
    for (size_t c = 0; c < n; c++) {
        column_sums[c] = 0;
        for (size_t i = 0; i < k; i++) {
            packed[place(c, i, k)] = weights[c * k + i];
            column_sums[c] += weights[c * k + i];
        }
    }
}

// The sums of a row and the 16 channels of a panel; what pads a row meets weights of zero.
static void panel_sums(const uint8_t *row, const int8_t *panel, size_t k, int32_t sums[PANEL]) {
    memset(sums, 0, PANEL * sizeof *sums);
    for (size_t i = 0; i < padded_k(k); i += GROUP, panel += PANEL * GROUP)
        for (size_t c = 0; c < PANEL; c++)
            for (size_t t = 0; t < GROUP; t++)
                sums[c] += row[i + t] * panel[c * GROUP + t];
}

// Where panel p ends among n columns.
static size_t last_column(size_t n, size_t p) {
    const size_t end = (p + 1) * PANEL;
    return end < n ? end : n;
}

static size_t last_panel(size_t n, size_t first_panel, size_t panels) {
    const size_t every = (n + PANEL - 1) / PANEL, end = first_panel + panels;
    return end < every ? end : every;
}

static void u8s8_s32(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows, size_t n,
                     size_t k, declip_int8_range range, size_t first_panel, size_t panels,
                     int32_t *output, size_t output_stride) {
    (void)range;
    for (size_t r = 0; r < rows; r++, a += a_stride, output += output_stride) {
        for (size_t p = first_panel; p < last_panel(n, first_panel, panels); p++) {
            int32_t sums[PANEL];
            panel_sums(a, packed + p * PANEL * padded_k(k), k, sums);
            for (size_t c = p * PANEL; c < last_column(n, p); c++)
                output[c] = sums[c % PANEL];
        }
    }
}

static float result_of(declip_int8_result result, float output, float value) {
    const declip_float_kernels *floats = &declip_float_portable;
    switch (result) {
    case DECLIP_INT8_STORE:
        break;
    case DECLIP_INT8_ADD:
        return output + value;
    case DECLIP_INT8_GATE:
        floats->silu_multiply(&output, 1, &value, 1, 1, 1);
        return output;
    case DECLIP_INT8_QUICK_GELU:
        floats->quick_gelu(&value, 1, 1, 1);
        break;
    case DECLIP_INT8_GELU:
        floats->gelu(&value, 1, 1, 1);
        break;
    case DECLIP_INT8_GELU_TANH:
        floats->gelu_tanh(&value, 1, 1, 1);
        break;
    }
    return value;
}

static void u8s8_f32(const uint8_t *a, size_t a_stride, const int8_t *packed, size_t rows, size_t n,
                     size_t k, declip_int8_range range, size_t first_panel, size_t panels,
                     const declip_int8_epilogue *epilogue, float *output, size_t output_stride) {
    (void)range;
    const declip_int8_epilogue e = *epilogue;
    for (size_t r = 0; r < rows; r++, a += a_stride, output += output_stride) {
        float row_scale = e.row_scale ? e.row_scale[r] : e.tensor_scale;
        for (size_t p = first_panel; p < last_panel(n, first_panel, panels); p++) {
            int32_t sums[PANEL];
            panel_sums(a, packed + p * PANEL * padded_k(k), k, sums);
            for (size_t c = p * PANEL; c < last_column(n, p); c++) {
                const int32_t sum = sums[c % PANEL] - e.zero_point * e.column_sum[c];
                float value = (float)sum * (row_scale * e.column_scale[c]);
                value += e.bias ? e.bias[c] : 0;
                output[c] = result_of(e.result, output[c], value);
            }
        }
    }
}

static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    (void)range;
    volatile uint8_t a = 3;
    volatile int8_t w = 5;
    int32_t sum = 0;
    for (uint64_t i = 0; i < iterations; i++)
        sum += a * w;
    __asm__ volatile("" ::"r"(sum));
    return iterations;
}

const declip_int8_gemm declip_int8_gemm_portable = {
    GROUP, 1, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
