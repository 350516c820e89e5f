#ifndef CKERNELS_CHECK_H
#define CKERNELS_CHECK_H

#include "ckernels.h"

// Compares kernels with the portable ones over seeded shapes: in Swift's tests, for ARM under
// emulation and on a bare machine, so that nothing is used here but memory and arithmetic.
//
// Shape i of a check is always the same. The first ones are every combination of edge extents (K of
// 1, 17, 64 and 2730, one row, columns that are no multiple of a tile), the rest are drawn; half of
// them hold random operands, the others the extremes of their ranges everywhere.

// What a check found.
typedef struct ckernels_result {
    const char *kernel;
    size_t shapes;
    size_t differing;
    size_t first; // the first shape that differs
} ckernels_result;

// The number of kernels that are checked.
size_t ckernels_checks(void);

// Compares kernel `index` of a set with the portable one over `shapes` shapes. All bits must be
// equal, of integers and of floats, and nothing written beside them. Not to be called by two
// threads at a time.
ckernels_result ckernels_check(const declip_kernels *set, size_t index, size_t shapes);

// Checks every kernel of a set and prints what differs, then a line that sums up; returns how many
// kernels differ.
size_t ckernels_report(const declip_kernels *set, size_t shapes, void (*print)(const char *text));

#endif
