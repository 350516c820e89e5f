// What int8 attention with and without NEON's dot products share. The file that includes this
// defines TARGET, TABLE, KEY_BYTES and QUERY_OFFSET.
#define LANES 4
#define ROWS 4
#define PANELS 1
#define WORD_GROUP 1
#define VALUE_BYTES 0
#define PROBE NULL
#include "int8_attention_types.h"

#include <arm_neon.h>

typedef int16x4_t word_vector;
typedef int8x16_t byte_vector;

INLINE word_vector load_words(const char *p) {
    return vld1_s16((const int16_t *)p);
}

INLINE word_vector word_terms(const char *p) {
    return vld1_dup_s16((const int16_t *)p);
}

INLINE integers dot_words(integers sum, word_vector a, word_vector b) {
    return (integers)vmlal_s16((int32x4_t)sum, a, b);
}

INLINE byte_vector load_bytes(const char *p) {
    return vld1q_s8((const int8_t *)p);
}

INLINE byte_vector byte_terms(const char *p) {
    return vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)p));
}

INLINE integers dot_bytes(integers sum, byte_vector a, byte_vector b) {
#if KEY_BYTES
    return (integers)vdotq_s32((int32x4_t)sum, a, b);
#else
    (void)a, (void)b;
    return sum; // never called
#endif
}

#include "int8_attention.h"
