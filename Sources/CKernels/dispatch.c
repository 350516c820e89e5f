#include "ckernels_dispatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SETS = 8 };

static declip_kernels available[MOST_SETS];
static size_t available_count;
static const declip_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void offer(const char *name, declip_isa isa, const declip_float_kernels *floats) {
    available[available_count++] = (declip_kernels){name, isa, floats};
}

static void choose(void) {
    offer("portable", DECLIP_ISA_PORTABLE, &declip_float_portable);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        offer("avx2", DECLIP_ISA_AVX2, &declip_float_avx2);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            offer("avx512", DECLIP_ISA_AVX512, &declip_float_avx512);
        }
    }
#elif defined(__aarch64__)
    offer("neon", DECLIP_ISA_NEON, &declip_float_neon);
#endif
    const char *forced = getenv("DECLIP_CPU");
    if (!forced || !*forced) {
        chosen = &available[available_count - 1];
        return;
    }
    for (size_t i = 0; i < available_count; i++) {
        if (!strcmp(available[i].name, forced)) chosen = &available[i];
    }
}

const declip_kernels *declip_kernels_get(void) {
    pthread_once(&once, choose);
    return chosen;
}

const declip_kernels *declip_kernels_available(size_t index) {
    pthread_once(&once, choose);
    return index < available_count ? &available[index] : NULL;
}
