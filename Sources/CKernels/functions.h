// The functions of the kernels, spelt once for single floats and for vectors: the file that
// includes this includes scalars.h or vectors.h before it. Every operation rounds once, in the
// order written, so that results are the same bits everywhere (formats/numerics.md).
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "ckernels_int8.h"

#define LOG2_E 1.44269504f
// 1.5 * 2^23: adding it rounds to an integer, which stands in the lowest bits.
#define MAGIC 12582912.0f

#ifndef HAS_POWER
// v * 2^n for x = n + r with n whole and |r| <= 1/2: `r` is what x leaves of the nearest integer,
// `scale_by_power` multiplies a normal v, the result being normal too.
INLINE vector fraction_of(vector x) {
    return x - ((x + MAGIC) - MAGIC);
}

INLINE vector scale_by_power(vector v, vector x, vector r) {
    (void)r;
    return of_bits(bits_of(v) + (integers)((bits_of(x + MAGIC)) << 23));
}
#endif

// 2^x for x of -126..126, below -126 that of -126: a minimax polynomial of degree 5 for the
// fraction that is 1 at 0, relative error 3e-7.
INLINE vector power_of_2(vector x) {
    x = larger(splat(-126.0f), x);
    const vector r = fraction_of(x);
    vector p = splat(1.326472731307149e-3f);
    p = p * r + 9.671512991189957e-3f;
    p = p * r + 5.550733581185341e-2f;
    p = p * r + 2.4022242426872253e-1f;
    p = p * r + 6.931470036506653e-1f;
    p = p * r + 1.0f;
    return scale_by_power(p, x, r);
}

// exp(x) for x <= 88, 0 far below -87: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's split
// of ln 2), a polynomial of degree 6 for exp(r), relative error 3e-7.
INLINE vector exponential(vector x) {
    x = larger(splat(-87.0f), x);
    const vector t = x * LOG2_E + MAGIC, n = t - MAGIC;
    vector r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vector p = splat(1.3981999507e-3f);
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r;
    p = p * r + r;
    p = p + 1.0f;
    return of_bits(bits_of(p) + (integers)(bits_of(t) << 23));
}

// limit * 2^x for x of -126..126: a minimax polynomial of degree 4 for the fraction that is 1 at 0,
// relative error 3e-6.
INLINE vector short_power_of_2(vector x, const float limit) {
    const vector r = fraction_of(x);
    vector p = r * (limit * 0.009582852944731712f) + limit * 0.055906426161527634f;
    p = p * r + limit * 0.24024099111557007f;
    p = p * r + limit * 0.6931241750717163f;
    p = p * r + limit;
    return scale_by_power(p, x, r);
}

// 1 / (1 + 2^(-x log2 e)), absolute error 1e-6.
INLINE vector sigmoid(vector x) {
    vector v = x * -LOG2_E;
    v = larger(splat(-126.0f), smaller(splat(126.0f), v));
    return 1.0f / (short_power_of_2(v, 1) + 1.0f);
}

// The error function by Abramowitz and Stegun 7.1.26, absolute error 5e-7.
INLINE vector error_function(vector x) {
    const integers sign = bits_of(x) & INT32_MIN;
    const vector a = of_bits(bits_of(x) & INT32_MAX);
    const vector t = 1.0f / (a * 0.3275911f + 1.0f);
    vector p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    p = p * t;
    const vector y = 1.0f - p * exponential(-a * a);
    return of_bits(bits_of(y) | sign);
}

INLINE vector quick_gelu_of(vector x) {
    return x * sigmoid(x * 1.702f);
}

INLINE vector gelu_of(vector x) {
    const vector y = error_function(x * 0.70710678f) + 1.0f;
    return x * 0.5f * y;
}

// x * (1 + tanh(u)) / 2 = x * sigmoid(2 u).
INLINE vector gelu_tanh_of(vector x) {
    const vector cube = x * x * x;
    return x * sigmoid((x + cube * 0.044715f) * 1.5957691f);
}

INLINE vector silu_of(vector x) {
    return x * sigmoid(x);
}

// 8191 * 2^x for x up to 0: what wide softmax weights are rounded from.
INLINE vector wide_weight(vector x) {
    return short_power_of_2(larger(splat(-126.0f), x), DECLIP_INT8_WEIGHT_WIDE);
}

// Slim and narrow softmax weights, 127 and 255 times 2^(-e / 2048) for whole e of 0..32767, from
// products of 16-bit integers: for the fraction f of the exponent, in 65536ths, a minimax
// polynomial for 127 * 2^8 * 2^-f of degree 2 (relative error 0.0018), or for 255 * 2^7 * 2^-f of
// degree 3 (1.5e-4), over 2^(8 + n) or 2^(7 + n) for its whole part n, a half rounded up.
enum { WEIGHT_STEP_BITS = 11, WEIGHT_STEPS = 1 << WEIGHT_STEP_BITS };
static const int32_t SLIM_TERMS[3] = {32456, 21655, 5484};
static const int32_t BYTE_TERMS[4] = {32636, 22555, 7511, 1273};

INLINE integers slim_weight(integers e) {
    const integers f = (e & (WEIGHT_STEPS - 1)) << 5, n = e >> WEIGHT_STEP_BITS;
    integers p = SLIM_TERMS[1] - ((f * SLIM_TERMS[2]) >> 16);
    p = SLIM_TERMS[0] - ((f * p) >> 16);
    return ((p >> (n + 7)) + 1) >> 1;
}

INLINE integers byte_weight(integers e) {
    const integers f = (e & (WEIGHT_STEPS - 1)) << 5, n = e >> WEIGHT_STEP_BITS;
    integers p = BYTE_TERMS[2] - ((f * BYTE_TERMS[3]) >> 16);
    p = BYTE_TERMS[1] - ((f * p) >> 16);
    p = BYTE_TERMS[0] - ((f * p) >> 16);
    return ((p >> (n + 6)) + 1) >> 1;
}

#endif
