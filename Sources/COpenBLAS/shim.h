#include <cblas.h>
#include <stdlib.h>
#include <string.h>

// Exported by OpenBLAS builds that choose their kernels at run time; absent from the others.
void gotoblas_dynamic_quit(void) __attribute__((weak));
void gotoblas_dynamic_init(void) __attribute__((weak));
char *openblas_get_corename(void) __attribute__((weak));
void openblas_set_num_threads(int);

// Makes OpenBLAS compute on the calling thread only, and lets it use AVX-512 where the processor
// has it: releases older than the processor take it for a Haswell, at half the speed. A choice
// made by the user in OPENBLAS_CORETYPE stands. To be called once, before any other function.
static inline void declip_openblas_prepare(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        gotoblas_dynamic_quit && gotoblas_dynamic_init && openblas_get_corename &&
        !getenv("OPENBLAS_CORETYPE")) {
        const char *core = openblas_get_corename();
        if (!strcmp(core, "Haswell") || !strcmp(core, "Zen")) {
            setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
            gotoblas_dynamic_quit();
            gotoblas_dynamic_init();
            unsetenv("OPENBLAS_CORETYPE");
        }
    }
#endif
    openblas_set_num_threads(1);
}
