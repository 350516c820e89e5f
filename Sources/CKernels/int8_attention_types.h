// The vectors of int8_attention.h, for LANES floats.
#include "ckernels_float.h"
#include "int8_attention_limits.h"
#include "int8_tables.h"
#include "vectors.h"

// How operands are packed and multiplied.
typedef enum operands { WORDS, BYTES, SLIM } operands;

// Where products are split: the most that the squares of a row's terms add up to in one sum, over
// each 32 terms, and over 64 (0: not known).
typedef struct split_bounds {
    int32_t run, whole;
} split_bounds;

// The score where there is no key.
#define FAR_BELOW (-1e30f)

INLINE integers load_integers(const void *p) {
    integers v;
    memcpy(&v, p, sizeof v);
    return v;
}

#include "peaks.h"
