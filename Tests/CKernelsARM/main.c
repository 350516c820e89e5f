// Checks the kernels of every instruction set that the processor runs; see run.sh.
#include "ckernels_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(const char *text) {
    fputs(text, stdout);
    fflush(stdout);
}

// main SHAPES SETS: fails too where the processor is offered another number of sets.
int main(int count, char **arguments) {
    if (count != 3)
        return 64;
    const size_t shapes = strtoul(arguments[1], NULL, 10), sets = strtoul(arguments[2], NULL, 10);
    size_t wrong = 0, found = 0;
    const declip_kernels *set;
    // The first is the portable one.
    while ((set = declip_kernels_available(found)))
        if (found++)
            wrong += ckernels_report(set, shapes, print);
    if (found != 1 + sets) {
        printf("%zu instruction sets were offered, expected %zu\n", found - 1, sets);
        return 1;
    }
    return wrong != 0;
}
