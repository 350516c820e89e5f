#ifndef CKERNELS_DISPATCH_H
#define CKERNELS_DISPATCH_H

#include "ckernels_float.h"
#include "ckernels_int8.h"

// The kernels of one instruction set. Those of integer products only take their float kernels from
// the set below.
typedef struct declip_kernels {
    const char *name;
    const declip_float_kernels *floats;
    const declip_int8_kernels *ints;
} declip_kernels;

// The kernels that this process uses: those that the environment variable DECLIP_CPU names, or
// the best ones that the processor runs. Null where DECLIP_CPU names none of them. The choice is
// made at the first call.
const declip_kernels *declip_kernels_get(void);

// The i-th kernel set that this processor runs, from portable upwards; null past the last.
const declip_kernels *declip_kernels_available(size_t index);

// Tells the processor that the caller waits in a loop.
static inline void declip_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
