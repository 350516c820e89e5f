#ifndef CKERNELS_STORAGE_H
#define CKERNELS_STORAGE_H

// Kernels for weights on their way into and out of files: conversions between float types, byte
// planes, a checksum. Pointers need no alignment unless their type says so; source and
// destination must not overlap. `count` counts elements.
//
// Every kernel that is not plain C has a plain `..._reference` beside it, and yields the same bits.

#include <stddef.h>
#include <stdint.h>

// Widens IEEE 754 binary16. Exact; signalling NaNs become quiet, payloads are kept.
void declip_f16_to_f32(const void *source, float *destination, size_t count);
void declip_f16_to_f32_reference(const void *source, float *destination, size_t count);

// Widens the upper half of a binary32. Exact, NaNs included.
void declip_bf16_to_f32(const void *source, float *destination, size_t count);
void declip_bf16_to_f32_reference(const void *source, float *destination, size_t count);

// Narrows binary64, rounding to nearest even; what is too large becomes infinite.
void declip_f64_to_f32(const void *source, float *destination, size_t count);
void declip_f64_to_f32_reference(const void *source, float *destination, size_t count);

// Narrows to binary16, rounding to nearest even; what is too large becomes infinite, NaNs become
// quiet and keep the upper bits of their payload.
void declip_f32_to_f16(const float *source, void *destination, size_t count);
void declip_f32_to_f16_reference(const float *source, void *destination, size_t count);

// Narrows to the upper half, rounding to nearest even; NaNs become quiet.
void declip_f32_to_bf16(const float *source, void *destination, size_t count);
void declip_f32_to_bf16_reference(const float *source, void *destination, size_t count);

// The number of finite elements whose magnitude is `limit` or more: those that a narrower type
// would turn infinite.
size_t declip_f32_count_beyond(const float *source, size_t count, float limit);
size_t declip_f64_count_beyond(const void *source, size_t count, double limit);

// Splits `count` elements of `width` bytes (2, 4 or 8) into `width` planes of `count` bytes, the
// plane of the elements' first bytes first. Does nothing for any other width.
void declip_planes_split(const void *source, void *planes, size_t count, size_t width);
void declip_planes_split_reference(const void *source, void *planes, size_t count, size_t width);

// Undoes declip_planes_split.
void declip_planes_join(const void *planes, void *destination, size_t count, size_t width);
void declip_planes_join_reference(const void *planes, void *destination, size_t count,
                                  size_t width);

// Splits `count` integers, a multiple of 8, of `bits` bits (7: -64 to 63, or 8) into the bit planes
// of formats/declip.md, `bits * count / 8` bytes.
void declip_bits_split(const int8_t *values, uint8_t *planes, size_t count, size_t bits);

// Undoes declip_bits_split.
void declip_bits_join(const uint8_t *planes, int8_t *values, size_t count, size_t bits);
void declip_bits_join_reference(const uint8_t *planes, int8_t *values, size_t count, size_t bits);

// XXH64 (xxHash specification 0.1.1, "XXH64 algorithm description") of `length` bytes.
uint64_t declip_xxh64(const void *data, size_t length, uint64_t seed);

#endif
