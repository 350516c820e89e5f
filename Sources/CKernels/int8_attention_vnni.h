// What int8 attention with VNNI takes for int8_attention.h, on 256 or 512 bits. The file that
// includes this defines what that one asks for in numbers, REGISTER (the assembler constraint of
// its vector registers) and VEX (what stands before an instruction that is wanted in its VEX form,
// or nothing), and includes int8_attention_types.h.
#define WORD_GROUP 2
#define KEY_BYTES 1
#define VALUE_BYTES 1
#define QUERY_OFFSET 128
#define PROBE NULL

typedef integers byte_vector;
typedef integers word_vector;

#define load_bytes load_integers
#define load_words load_integers
#define word_terms byte_terms

// In assembly, and volatile, because the compiler, left alone, loads the terms of all rows first
// and runs out of registers.
INLINE integers byte_terms(const char *p) {
    integers terms;
    __asm__ volatile("vpbroadcastd %1, %0" : "=" REGISTER(terms) : "m"(*(const char(*)[4])p));
    return terms;
}

INLINE integers dot_bytes(integers sum, integers a, integers b) {
    __asm__ volatile(VEX "vpdpbusd %2, %1, %0" : "+" REGISTER(sum) : REGISTER(a), REGISTER(b));
    return sum;
}

INLINE integers dot_words(integers sum, integers a, integers b) {
    __asm__ volatile(VEX "vpdpwssd %2, %1, %0" : "+" REGISTER(sum) : REGISTER(a), REGISTER(b));
    return sum;
}

#include "int8_attention.h"
