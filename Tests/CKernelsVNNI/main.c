// Checks the kernels that multiply with VNNI, on a processor that has AVX-512 VNNI: natively, or on
// a bare emulated machine (bare.c). The kernels of AVX-VNNI are built with their EVEX form, which
// computes the same.
#include "main.h"

#include "../../Sources/CKernels/int8_tables.h"
#include "ckernels_check.h"

#include <cpuid.h>

#ifndef SHAPES
#define SHAPES 2000
#endif

static int has_avx512vnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1);
}

int run_checks(void) {
    if (!has_avx512vnni()) {
        say("verdict: the processor has no AVX512-VNNI\n");
        return 1;
    }
    const declip_kernels sets[] = {
        {"avx512vnni", &declip_float_avx512, &declip_int8_avx512vnni},
        {"avx512fip", &declip_float_avx512, &declip_int8_avx512fip},
        {"avxvnni in its EVEX form", &declip_float_avx2, &declip_int8_avxvnni},
    };
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        wrong += ckernels_report(&sets[i], SHAPES, say);
    say(wrong ? "verdict: kernels differ\n" : "verdict: all equal\n");
    return wrong != 0;
}

#ifndef BARE
#include <stdio.h>

void say(const char *text) {
    fputs(text, stdout);
}

int main(void) {
    return run_checks();
}
#endif
