// One rounding to an operation. Included before any arithmetic by every file that computes with
// floats: no product is fused with a sum, so that each instruction set gives the same bits, those
// without fused instructions among them (formats/numerics.md).
#ifndef ROUNDING_H
#define ROUNDING_H

#pragma STDC FP_CONTRACT OFF

#endif
