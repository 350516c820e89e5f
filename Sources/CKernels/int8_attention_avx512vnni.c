// Int8 attention with AVX-512 VNNI: tiles of 6 queries x 64 keys or channels, 24 registers of sums.
// Narrow scores take 64 multiply-accumulates to an instruction, wide scores and values 32.
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define FLOATS declip_float_avx512
#define TABLE declip_int8_attention_avx512vnni
#define ROWS 6
#define PANELS 4
#define WORD_GROUP 2
#define BYTES 1
#define QUERY_OFFSET 128
#include "int8_attention_types.h"

typedef integers byte_vector;
typedef integers word_vector;

#define load_bytes load_integers
#define load_words load_integers
#define word_terms byte_terms

// In assembly, and volatile, because the compiler, left alone, loads the terms of all rows first
// and runs out of registers.
INLINE integers byte_terms(const char *p) {
    integers terms;
    __asm__ volatile("vpbroadcastd %1, %0" : "=v"(terms) : "m"(*(const char(*)[4])p));
    return terms;
}

INLINE integers dot_bytes(integers sum, integers a, integers b) {
    __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

INLINE integers dot_words(integers sum, integers a, integers b) {
    __asm__ volatile("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

#include "int8_attention.h"
#else
typedef int declip_int8_attention_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
