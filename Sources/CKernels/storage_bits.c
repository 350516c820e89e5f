// Bit planes: integers of 7 or 8 bits as a plane of their upper two bits, one of the one or two
// bits below, and one of the lower four.
//
// A byte of a plane holds values that stand far apart, so that a run of bytes, shifted and masked,
// yields a run of values: eighths of the integers are made one after another by loops that
// compilers turn into vectors.

#include "ckernels_storage.h"
#include <string.h>

enum { UPPER = 2, LOWER = 4 };

static size_t middle_bits(size_t bits) {
    return bits - UPPER - LOWER;
}

// The bytes of a plane of `width` bits that hold an eighth of the values, and their place in them.
typedef struct place {
    size_t byte, shift;
} place;

__attribute__((always_inline)) static inline place place_of(size_t eighth, size_t length,
                                                            size_t width) {
    return (place){eighth % width * length, width * (eighth / width)};
}

__attribute__((always_inline)) static inline void
put(const int8_t *values, uint8_t *plane, size_t count, size_t bits, size_t shift, size_t width) {
    const size_t length = count / 8;
    const unsigned zero = 1u << (bits - 1), mask = (1u << width) - 1;
    memset(plane, 0, width * length);
    for (size_t eighth = 0; eighth < 8; eighth++) {
        const place to = place_of(eighth, length, width);
        for (size_t i = 0; i < length; i++) {
            const unsigned value = (unsigned)values[eighth * length + i] + zero;
            plane[to.byte + i] |= (uint8_t)((value >> shift & mask) << to.shift);
        }
    }
}

void declip_bits_split(const int8_t *values, uint8_t *planes, size_t count, size_t bits) {
    const size_t middle = middle_bits(bits), length = count / 8;
    put(values, planes, count, bits, bits - UPPER, UPPER);
    put(values, planes + UPPER * length, count, bits, LOWER, middle);
    put(values, planes + (UPPER + middle) * length, count, bits, 0, LOWER);
}

// Constants after inlining, but for `length`.
__attribute__((always_inline)) static inline void
join_eighth(const uint8_t *planes, int8_t *values, size_t length, size_t bits, size_t eighth) {
    const size_t middle = middle_bits(bits);
    const place a = place_of(eighth, length, UPPER), b = place_of(eighth, length, middle),
                c = place_of(eighth, length, LOWER);
    const uint8_t *restrict upper = planes + a.byte;
    const uint8_t *restrict next = planes + UPPER * length + b.byte;
    const uint8_t *restrict lower = planes + (UPPER + middle) * length + c.byte;
    int8_t *restrict to = values + eighth * length;
    for (size_t i = 0; i < length; i++) {
        const int value = (upper[i] >> a.shift & ((1 << UPPER) - 1)) << (bits - UPPER) |
                          (next[i] >> b.shift & ((1 << middle) - 1)) << LOWER |
                          (lower[i] >> c.shift & ((1 << LOWER) - 1));
        to[i] = (int8_t)(value - (1 << (bits - 1)));
    }
}

__attribute__((always_inline)) static inline void join(const uint8_t *planes, int8_t *values,
                                                       size_t length, size_t bits) {
    join_eighth(planes, values, length, bits, 0);
    join_eighth(planes, values, length, bits, 1);
    join_eighth(planes, values, length, bits, 2);
    join_eighth(planes, values, length, bits, 3);
    join_eighth(planes, values, length, bits, 4);
    join_eighth(planes, values, length, bits, 5);
    join_eighth(planes, values, length, bits, 6);
    join_eighth(planes, values, length, bits, 7);
}

void declip_bits_join(const uint8_t *planes, int8_t *values, size_t count, size_t bits) {
    if (bits == 7)
        join(planes, values, count / 8, 7);
    else
        join(planes, values, count / 8, 8);
}

// Value i of a plane of `width` bits.
static unsigned bits_at(const uint8_t *plane, size_t count, size_t width, size_t i) {
    const size_t length = count * width / 8;
    return plane[i % length] >> width * (i / length) & ((1u << width) - 1);
}

void declip_bits_join_reference(const uint8_t *planes, int8_t *values, size_t count, size_t bits) {
    const size_t middle = middle_bits(bits);
    const uint8_t *next = planes + count * UPPER / 8, *lower = next + count * middle / 8;
    for (size_t i = 0; i < count; i++) {
        const unsigned value = bits_at(planes, count, UPPER, i) << (bits - UPPER) |
                               bits_at(next, count, middle, i) << LOWER |
                               bits_at(lower, count, LOWER, i);
        values[i] = (int8_t)((int)value - (1 << (bits - 1)));
    }
}
