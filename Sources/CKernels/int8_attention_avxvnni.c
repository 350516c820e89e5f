// Int8 attention with AVX-VNNI: tiles of 6 queries x 16 keys or channels, 12 registers of sums.
#if defined(__x86_64__)
#ifndef TARGET
#define TARGET __attribute__((target("avx2,fma,avxvnni")))
#define VEX "%{vex%} "
#endif
#define LANES 8
#define FLOATS declip_float_avx2
#define TABLE declip_int8_attention_avxvnni
#define ROWS 6
#define PANELS 1
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
    __asm__ volatile("vpbroadcastd %1, %0" : "=x"(terms) : "m"(*(const char(*)[4])p));
    return terms;
}

INLINE integers dot_bytes(integers sum, integers a, integers b) {
    __asm__ volatile(VEX "vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}

INLINE integers dot_words(integers sum, integers a, integers b) {
    __asm__ volatile(VEX "vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}

#include "int8_attention.h"
#else
typedef int declip_int8_attention_avxvnni_is_not_built; // an empty translation unit is not C
#endif
