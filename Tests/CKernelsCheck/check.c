#include "check.h"

static uint64_t state;

void check_seed(uint64_t seed) {
    state = seed * 0x9e3779b97f4a7c15u;
}

// SplitMix64 (Steele et al. 2014).
static uint64_t next(void) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t check_draw(uint32_t bound) {
    return (uint32_t)((next() >> 32) * bound >> 32);
}

float check_spread(float most) {
    return most * ((float)(next() >> 40) / 8388608.0f - 1);
}

void check_fill(float *values, size_t count, float most) {
    for (size_t i = 0; i < count; i++)
        values[i] = check_spread(most);
}

int check_differs(const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const int numbers = a[i] == a[i] && b[i] == b[i];
        if (memcmp(a + i, b + i, sizeof *a) && (numbers || (a[i] == a[i]) != (b[i] == b[i])))
            return 1;
    }
    return 0;
}

static const struct {
    const char *kernel;
    int (*ints_differ)(const declip_int8_kernels *set, size_t shape);
    int (*floats_differ)(const declip_float_kernels *set, size_t shape);
} checks[] = {
    {"products, integers", check_integer_sums, NULL},
    {"products, epilogues", check_float_sums, NULL},
    {"quantize", check_quantize, NULL},
    {"layer_norm_quantize", check_layer_norm, NULL},
    {"rotate_quantize", check_rotate, NULL},
    {"softmax_weights", check_weights, NULL},
    {"powers", check_powers, NULL},
    {"attend", check_attend, NULL},
    {"floats, row by row", NULL, check_float_rows},
    {"floats, rotation", NULL, check_float_rotation},
    {"floats, products", NULL, check_float_products},
};

size_t ckernels_checks(void) {
    return sizeof checks / sizeof *checks;
}

ckernels_result ckernels_check(const declip_kernels *set, size_t index, size_t shapes) {
    ckernels_result result = {checks[index].kernel, shapes, 0, 0};
    for (size_t shape = 0; shape < shapes; shape++) {
        check_seed(index << 32 | shape);
        if (!(checks[index].ints_differ ? checks[index].ints_differ(set->ints, shape)
                                        : checks[index].floats_differ(set->floats, shape)))
            continue;
        if (!result.differing++)
            result.first = shape;
    }
    return result;
}
