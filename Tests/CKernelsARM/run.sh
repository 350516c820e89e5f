#!/usr/bin/env bash
# Builds the int8 kernels for ARM and compares them with the portable ones on emulated processors:
# one that has everything, one without matrix instructions, one with plain NEON alone.
# `make test-arm` installs what is needed and calls it. SHAPES sets how many shapes each kernel is
# compared on.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${OUT:-.build-arm}
shapes=${SHAPES:-2000}
mkdir -p "$out"

# The Swift toolchain's compiler, which builds the package on ARM too.
clang --target=aarch64-linux-gnu --gcc-toolchain=/usr -fuse-ld=lld -O2 -static \
  -ISources/CKernels/include -ITests/CKernelsCheck/include -o "$out/check" \
  Tests/CKernelsARM/main.c Tests/CKernelsCheck/*.c \
  Sources/CKernels/{dispatch,float_*,int8_*}.c -lm

# PROCESSOR SETS SHAPES: the emulated processor, how many instruction sets it must be offered.
check() {
  echo "$1:"
  qemu-aarch64 -cpu "$1" "$out/check" "$3" "$2" | sed 's/^/  /'
}
check max 3 "$shapes" # neon, dotprod, i8mm
# The same code again: what matters is that nothing else is run than the processor has.
check neoverse-n1 2 $((shapes / 10)) # neon, dotprod
check cortex-a53 1 $((shapes / 10))  # neon
