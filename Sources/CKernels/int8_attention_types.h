// The vectors of int8_attention.h, for LANES floats.
#include "ckernels_float.h"
#include "int8_tables.h"
#include "lanes.h"

#include <string.h>

typedef float vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int16_t shorts __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

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
