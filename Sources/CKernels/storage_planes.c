// Byte planes: the transposition of a [count, width] matrix of bytes.
//
// Sixteen elements of `width` bytes fill `width` vectors. Seen as one run of 16 * width bytes, the
// index of a byte has the bits  eeee kk..  (element, byte of the element) before and  kk.. eeee
// after: a rotation of the index. One round of interleaving the first half of the vectors with the
// second half rotates the index left by one bit, so that
//
//     split = 4 rounds,    join = log2(width) rounds,
//
// of `width` byte interleavings each (punpck[lh]bw, zip[12]): at two interleavings a cycle, split
// moves 8 bytes a cycle and join 8 to 32, both faster than memory. Vector extensions of the
// compiler say the same on x86 and ARM, in instructions that every such processor has.

#include "ckernels_storage.h"
#include <string.h>

typedef uint8_t bytes16 __attribute__((vector_size(16)));

static inline bytes16 interleave_low(bytes16 a, bytes16 b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline bytes16 interleave_high(bytes16 a, bytes16 b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
}

// Both loops run over constants after inlining, so that `v` lives in registers.
__attribute__((always_inline)) static inline void rotate(bytes16 *v, int width, int rounds) {
    for (int round = 0; round < rounds; round++) {
        bytes16 next[8];
        for (int j = 0; j < width / 2; j++) {
            next[2 * j] = interleave_low(v[j], v[j + width / 2]);
            next[2 * j + 1] = interleave_high(v[j], v[j + width / 2]);
        }
        for (int j = 0; j < width; j++)
            v[j] = next[j];
    }
}

__attribute__((always_inline)) static inline void split(const uint8_t *source, uint8_t *planes,
                                                        size_t count, int width) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        bytes16 v[8];
        memcpy(v, source + i * width, 16 * width);
        rotate(v, width, 4);
        for (int k = 0; k < width; k++)
            memcpy(planes + k * count + i, &v[k], 16);
    }
    for (; i < count; i++)
        for (int k = 0; k < width; k++)
            planes[k * count + i] = source[i * width + k];
}

__attribute__((always_inline)) static inline void join(const uint8_t *planes, uint8_t *destination,
                                                       size_t count, int width, int log2_width) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        bytes16 v[8];
        for (int k = 0; k < width; k++)
            memcpy(&v[k], planes + k * count + i, 16);
        rotate(v, width, log2_width);
        memcpy(destination + i * width, v, 16 * width);
    }
    for (; i < count; i++)
        for (int k = 0; k < width; k++)
            destination[i * width + k] = planes[k * count + i];
}

void declip_planes_split(const void *source, void *planes, size_t count, size_t width) {
    switch (width) {
    case 2:
        return split(source, planes, count, 2);
    case 4:
        return split(source, planes, count, 4);
    case 8:
        return split(source, planes, count, 8);
    }
}

void declip_planes_join(const void *planes, void *destination, size_t count, size_t width) {
    switch (width) {
    case 2:
        return join(planes, destination, count, 2, 1);
    case 4:
        return join(planes, destination, count, 4, 2);
    case 8:
        return join(planes, destination, count, 8, 3);
    }
}

void declip_planes_split_reference(const void *source, void *planes, size_t count, size_t width) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < width; k++)
            ((uint8_t *)planes)[k * count + i] = ((const uint8_t *)source)[i * width + k];
}

void declip_planes_join_reference(const void *planes, void *destination, size_t count,
                                  size_t width) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < width; k++)
            ((uint8_t *)destination)[i * width + k] = ((const uint8_t *)planes)[k * count + i];
}
