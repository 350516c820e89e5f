// Int8 attention with AVX-512 VNNI: tiles of 6 queries x 64 keys or channels, 24 registers of sums.
// Narrow products take 64 multiply-accumulates to an instruction, wide ones 32.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define FLOATS declip_float_avx512
#define TABLE declip_int8_attention_avx512vnni
#define ROWS 6
#define PANELS 4
#define REGISTER "v"
#define VEX ""
#include "int8_attention_types.h"

#include <immintrin.h>

// 2^x = 2^r * 2^(x - r) with x - r whole and |r| <= 1/2; the minimax polynomial of degree 5 that
// int8_attention.h takes, relative error 1e-7.
#define HAS_POWER_OF_2
INLINE vector power_of_2(vector x) {
    vector r = (vector)_mm512_reduce_ps((__m512)x, 8);
    vector p = splat(1.326472731307149e-3f);
    p = p * r + 9.671512991189957e-3f;
    p = p * r + 5.550733581185341e-2f;
    p = p * r + 2.4022242426872253e-1f;
    p = p * r + 6.931470036506653e-1f;
    p = p * r + 1.0f;
    return (vector)_mm512_scalef_ps((__m512)p, (__m512)(x - r));
}

#define HAS_NEAREST
INLINE integers nearest(vector v) {
    return (integers)_mm512_cvtps_epi32((__m512)v);
}

// limit * 2^((score - peak) * factor) = table[i] * 2^n * 2^r, with n + i / 16 + r the exponent and
// |r| <= 1/32; a polynomial of degree 2 for 2^r, relative error 5e-7.
#define HAS_WEIGHING
typedef struct weighing {
    float factor[LANES], start[LANES], lowest[LANES], scale[LANES];
} weighing;

INLINE weighing weighing_of(vector peak, vector factor, float limit) {
    const float magic = 786432.0f; // 1.5 * 2^19: adding it rounds to sixteenths
    vector top = peak * factor, whole = (top + magic) - magic;
    weighing rows;
    store(rows.factor, factor);
    store(rows.start, magic - whole);
    store(rows.lowest, peak - 100.0f / factor);
    store(rows.scale, power_of_2(whole - top) * limit);
    return rows;
}

INLINE void weights_of(const weighing *rows, size_t row, const size_t count, const char *scores,
                       integers *w) {
    static const float powers[LANES] = {1.0f,        1.04427378f, 1.09050773f, 1.13878863f,
                                        1.18920712f, 1.24185781f, 1.29683955f, 1.35425555f,
                                        1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f,
                                        1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f};
    const integers steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const vector factor = splat(rows->factor[row]), start = splat(rows->start[row]);
    const integers table = (integers)(load(powers) * rows->scale[row]) - (steps << 19);
    vector x[4], t[4], r[4], p[4];
    integers e[4];
#define EACH UNROLL for (size_t i = 0; i < count; i++)
    EACH x[i] = (vector)_mm512_max_ps((__m512)load((const float *)scores + i * LANES),
                                      (__m512)splat(rows->lowest[row]));
    EACH t[i] = x[i] * factor + start;
    EACH r[i] = x[i] * factor + (start - t[i]);
    EACH e[i] = (integers)_mm512_permutexvar_epi32((__m512i)t[i], (__m512i)table);
    EACH e[i] += (integers)t[i] << 19;
    EACH p[i] = r[i] * 0.240226507f + 0.69318783f;
    EACH p[i] *= r[i];
    EACH p[i] = p[i] * (vector)e[i] + (vector)e[i];
    EACH w[i] = nearest(p[i]);
#undef EACH
}

#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
