// What int8 attention on 512-bit registers takes for int8_attention_vnni.h. The file that includes
// this defines TABLE, ROWS and PANELS.
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define REGISTER "v"
#define VEX ""
#include "int8_attention_types.h"

#include <immintrin.h>

#include "sixteenths_avx512.h"

// 2^x = 2^r * 2^(x - r) with x - r whole and |r| <= 1/2.
#define HAS_POWER_OF_2
INLINE vector power_of_2(vector x) {
    vector r = (vector)_mm512_reduce_ps((__m512)x, 8);
    return (vector)_mm512_scalef_ps((__m512)power_of_fraction(r), (__m512)(x - r));
}

#define HAS_NEAREST
INLINE integers nearest(vector v) {
    return (integers)_mm512_cvtps_epi32((__m512)v);
}

// limit * 2^((score - peak) * factor) = scale * 2^(n + i / 16) * 2^r, with n + i / 16 + r the
// exponent and |r| <= 1/32; a polynomial of degree 2 for 2^r, relative error 5e-7.
#define HAS_WEIGHING
typedef struct weighing {
    float factor[LANES], start[LANES], lowest[LANES], scale[LANES];
} weighing;

INLINE weighing weighing_of(vector peak, vector factor, float limit) {
    const float magic = SIXTEENTHS_MAGIC;
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
    const vector factor = splat(rows->factor[row]), start = splat(rows->start[row]);
    const __m512i table = sixteenths((__m512)splat(rows->scale[row]));
    vector x[4], t[4], r[4], p[4], e[4];
#define EACH UNROLL for (size_t i = 0; i < count; i++)
    EACH x[i] = (vector)_mm512_max_ps((__m512)load((const float *)scores + i * LANES),
                                      (__m512)splat(rows->lowest[row]));
    EACH t[i] = x[i] * factor + start;
    EACH r[i] = x[i] * factor + (start - t[i]);
    EACH e[i] = (vector)sixteenth_power(table, (__m512)t[i]);
    EACH p[i] = r[i] * 0.240226507f + 0.69318783f;
    EACH p[i] *= r[i];
    EACH p[i] = p[i] * e[i] + e[i];
    EACH w[i] = nearest(p[i]);
#undef EACH
}
