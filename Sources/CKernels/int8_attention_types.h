// The vectors of int8_attention.h, for LANES floats.
#include "ckernels_float.h"
#include "int8_attention_limits.h"
#include "int8_tables.h"

#include <string.h>

typedef float vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int16_t shorts __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

// How operands are packed and multiplied.
typedef enum operands { WORDS, BYTES, SLIM } operands;

// Where products are split: the most that the squares of a row's terms add up to in one sum, over
// each 32 terms, and over 64 (0: not known).
typedef struct split_bounds {
    int32_t run, whole;
} split_bounds;

// The score where there is no key.
#define FAR_BELOW (-1e30f)

INLINE vector load(const float *p) {
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE integers load_integers(const void *p) {
    integers v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vector v) {
    memcpy(p, &v, sizeof v);
}

INLINE vector splat(float x) {
    return x - (vector){0};
}

// 2^r for |r| <= 1/2 by a minimax polynomial of degree 5 that is 1 at 0, relative error 1e-7.
INLINE vector power_of_fraction(vector r) {
    vector p = splat(1.326472731307149e-3f);
    p = p * r + 9.671512991189957e-3f;
    p = p * r + 5.550733581185341e-2f;
    p = p * r + 2.4022242426872253e-1f;
    p = p * r + 6.931470036506653e-1f;
    return p * r + 1.0f;
}

#include "peaks.h"
