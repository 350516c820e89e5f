// How attention counts where its time goes.
#ifndef TICKS_H
#define TICKS_H

#include <stdint.h>

// The processor's clock.
static inline uint64_t ticks_now(void) {
#if defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return __builtin_readcyclecounter();
#endif
}

// Adds the ticks since `since` to a count, if there is one, and returns the time.
static inline uint64_t count_ticks(uint64_t *count, uint64_t since) {
    if (!count)
        return 0;
    uint64_t now = ticks_now();
    *count += now - since;
    return now;
}

#endif
