// Int8 attention with AVX2: tiles of 4 queries x 16 keys or channels, 8 registers of sums. Bytes
// are widened when keys are packed, for signed bytes times signed bytes saturate `vpmaddubsw`.
#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE declip_int8_attention_avx2
#define ROWS 4
#define PANELS 1
#define WORD_GROUP 2
#define KEY_BYTES 0
#define VALUE_BYTES 0
#define QUERY_OFFSET 0
#define PROBE probe_peak
#include "int8_attention_types.h"

typedef integers byte_vector;
typedef integers word_vector;

#define load_bytes load_integers
#define load_words load_integers
#define byte_terms word_terms
#define dot_bytes dot_words

// In assembly, and volatile, because the compiler, left alone, loads the terms of all rows first
// and runs out of registers.
INLINE integers word_terms(const char *p) {
    integers terms;
    __asm__ volatile("vpbroadcastd %1, %0" : "=x"(terms) : "m"(*(const char(*)[4])p));
    return terms;
}

INLINE integers dot_words(integers sum, integers a, integers b) {
    integers products;
    __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(sum), "=&x"(products)
                     : "x"(a), "x"(b));
    return sum;
}

TARGET static uint64_t probe_peak(uint64_t iterations) {
    enum { SUMS = 8 };
    integers sums[SUMS], a = {3}, b = {5};
    UNROLL for (size_t i = 0; i < SUMS; i++) sums[i] = (integers){0};
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t j = 0; j < SUMS; j++) sums[j] = dot_words(sums[j], a, b);
    }
    UNROLL for (size_t i = 0; i < SUMS; i++) __asm__ volatile("" ::"x"(sums[i]));
    return iterations * SUMS * 16;
}

#include "int8_attention.h"
#else
typedef int declip_int8_attention_avx2_is_not_built; // an empty translation unit is not C
#endif
