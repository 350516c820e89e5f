#ifndef CHECK_H
#define CHECK_H

// What the files of checks share. Each check returns whether a kernel set differs from the portable
// one for one shape; operands live in static memory, made anew for every shape.
#include "ckernels_check.h"

#include <string.h>

// Sets the generator's state, so that a shape is drawn the same by itself.
void check_seed(uint64_t seed);

// A number below `bound`.
uint32_t check_draw(uint32_t bound);

// A float between -most and most.
float check_spread(float most);

// Fills `count` floats up to `most` in magnitude.
void check_fill(float *values, size_t count, float most);

// Whether floats have other bits; two that are no numbers count as equal.
int check_differs(const float *a, const float *b, size_t count);

int check_integer_sums(const declip_int8_kernels *set, size_t shape);
int check_float_sums(const declip_int8_kernels *set, size_t shape);
int check_quantize(const declip_int8_kernels *set, size_t shape);
int check_layer_norm(const declip_int8_kernels *set, size_t shape);
int check_rotate(const declip_int8_kernels *set, size_t shape);
int check_weights(const declip_int8_kernels *set, size_t shape);
int check_powers(const declip_int8_kernels *set, size_t shape);
int check_float_rows(const declip_float_kernels *set, size_t shape);
int check_float_rotation(const declip_float_kernels *set, size_t shape);
int check_float_products(const declip_float_kernels *set, size_t shape);
int check_attend(const declip_int8_kernels *set, size_t shape);

#endif
