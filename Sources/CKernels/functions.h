// The functions of the kernels, spelt once for single floats and for vectors: the file that includes
// this includes scalars.h or vectors.h before it. Every operation rounds once, in the order written,
// so that results are the same bits everywhere (formats/numerics.md).
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

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

// 2^x for x of -126..126, below -126 that of -126: a minimax polynomial of degree 5 for the fraction
// that is 1 at 0, relative error 3e-7.
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

// exp(x) for x <= 88, 0 far below -87: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's split of
// ln 2), a polynomial of degree 6 for exp(r), relative error 3e-7.
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

// 1 / (1 + 2^(-x log2 e)), absolute error 1e-6.
INLINE vector sigmoid(vector x) {
    vector v = x * -LOG2_E;
    v = larger(splat(-126.0f), smaller(splat(126.0f), v));
    return 1.0f / (power_of_2(v) + 1.0f);
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

// limit * 2^x for x up to 0, what softmax weights are rounded from: a minimax polynomial that is 1
// at 0, of degree 3 (relative error 1.1e-4) where weights are bytes, of degree 4 (3e-6) where they
// are words.
INLINE vector weight_power(vector x, float limit, const int is_byte) {
    x = larger(splat(-126.0f), x);
    const vector r = fraction_of(x);
    vector p;
    if (is_byte) {
        p = r * (limit * 0.05500893294811249f) + limit * 0.2422109693288803f;
        p = p * r + limit * 0.6932829022407532f;
    } else {
        p = r * (limit * 0.009582852944731712f) + limit * 0.055906426161527634f;
        p = p * r + limit * 0.24024099111557007f;
        p = p * r + limit * 0.6931241750717163f;
    }
    p = p * r + limit;
    return scale_by_power(p, x, r);
}

// Slim weights, 127 * 2^(e / 2048) for whole e of -32768..-1, from products of 16-bit integers:
// 127 * 2^7 * 2^f for the fraction f of the exponent, in 65536ths, by a minimax polynomial of degree
// 2 (relative error 0.0018), times 2^(8 + n) for its whole part n, rounded half up.
enum { SLIM_STEPS = 2048, SLIM_POWER = 5481, SLIM_SLOPE = 10691, SLIM_ONE = 16285 };

INLINE integers slim_weight(integers e) {
    const integers f = (e & (SLIM_STEPS - 1)) << 5, n = e >> 11;
    integers p = ((f * SLIM_POWER) >> 16) + SLIM_SLOPE;
    p = ((f * p) >> 16) + SLIM_ONE;
    // p / 2^(7 - n), a half rounded up.
    return ((p >> (6 - n)) + 1) >> 1;
}

#endif
