// Int8 attention with SSE4.1: tiles of 2 queries x 16 keys or channels.
//
//             16 keys or channels, two words of each
//           +------+------+------+------+
//   query 0 | sums | sums | sums | sums |   8 registers of sums, 4 of keys, 1 of a query's words,
//         1 |      |      |      |      |   1 of products
//           +------+------+------+------+
//
// Everything is multiplied in 16 bits: signed bytes times signed bytes saturate `pmaddubsw`. For 64
// multiply-accumulates 4 loads of keys, 2 broadcasts of 2 instructions, and 8 times a copy,
// `pmaddwd` and `paddd`: 32 instructions.
#if defined(__x86_64__)
#define LANES 4
#define TARGET __attribute__((target("ssse3,sse4.1")))
#define TABLE declip_int8_attention_sse41
#define ROWS 2
#define PANELS 1
#define WORD_GROUP 2
#define KEY_BYTES 0
#define VALUE_BYTES 0
#define QUERY_OFFSET 0
#define PROBE probe_peak
#include "int8_attention_types.h"

#include <immintrin.h>

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
    __asm__ volatile("movd %1, %0\n\tpshufd $0, %0, %0" : "=x"(terms) : "m"(*(const char(*)[4])p));
    return terms;
}

INLINE integers dot_words(integers sum, integers a, integers b) {
    integers products;
    __asm__ volatile("movdqa %2, %1\n\tpmaddwd %3, %1\n\tpaddd %1, %0"
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
    return iterations * SUMS * 8;
}

#include "int8_attention.h"
#else
typedef int declip_int8_attention_sse41_is_not_built; // an empty translation unit is not C
#endif
