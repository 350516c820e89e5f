#include "ckernels_dispatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

enum { MOST_SETS = 8 };

static declip_kernels available[MOST_SETS];
static size_t available_count;
static const declip_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void offer(const char *name, const declip_float_kernels *floats,
                  const declip_int8_kernels *ints) {
    available[available_count++] = (declip_kernels){name, floats, ints};
}

#if defined(__x86_64__)
// AVX-VNNI: CPUID leaf 7, subleaf 1, EAX bit 4. Asked for here because not every compiler's
// __builtin_cpu_supports knows its name.
static int has_avxvnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#elif defined(__aarch64__) && defined(__linux__)
static int has_dotprod(void) {
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
static int has_i8mm(void) {
    return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
}
#elif defined(__aarch64__) && defined(__APPLE__)
static int has_feature(const char *name) {
    int value = 0;
    size_t size = sizeof value;
    return !sysctlbyname(name, &value, &size, NULL, 0) && value;
}
static int has_dotprod(void) {
    return has_feature("hw.optional.arm.FEAT_DotProd");
}
static int has_i8mm(void) {
    return has_feature("hw.optional.arm.FEAT_I8MM");
}
#elif defined(__aarch64__)
static int has_dotprod(void) {
    return 0;
}
static int has_i8mm(void) {
    return 0;
}
#endif

#if defined(__x86_64__)
// Sums of operands save multiplications only where adders are idle while multipliers are not: AMD's
// stand apart, Intel's share their ports.
static void offer_avx512vnni(void) {
    const int adders_stand_apart = __builtin_cpu_is("amd");
    if (!adders_stand_apart)
        offer("avx512fip", &declip_float_avx512, &declip_int8_avx512fip);
    offer("avx512vnni", &declip_float_avx512, &declip_int8_avx512vnni);
    if (adders_stand_apart)
        offer("avx512fip", &declip_float_avx512, &declip_int8_avx512fip);
}
#endif

static void choose(void) {
    offer("portable", &declip_float_portable, &declip_int8_portable);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1"))
        offer("sse41", &declip_float_sse41, &declip_int8_sse41);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        offer("avx2", &declip_float_avx2, &declip_int8_avx2);
        if (has_avxvnni())
            offer("avxvnni", &declip_float_avx2, &declip_int8_avxvnni);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            offer("avx512", &declip_float_avx512, &declip_int8_avx2);
            if (__builtin_cpu_supports("avx512vnni"))
                offer_avx512vnni();
        }
    }
#elif defined(__aarch64__)
    offer("neon", &declip_float_neon, &declip_int8_neon);
    if (has_dotprod()) {
        offer("dotprod", &declip_float_neon, &declip_int8_dotprod);
        if (has_i8mm())
            offer("i8mm", &declip_float_neon, &declip_int8_i8mm);
    }
#endif
    const char *forced = getenv("DECLIP_CPU");
    if (!forced || !*forced) {
        chosen = &available[available_count - 1];
        return;
    }
    for (size_t i = 0; i < available_count; i++) {
        if (!strcmp(available[i].name, forced))
            chosen = &available[i];
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
