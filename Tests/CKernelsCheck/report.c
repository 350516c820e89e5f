// Reports without the standard library's formatting, which a bare machine lacks.
#include "ckernels_check.h"

static void print_number(size_t number, void (*print)(const char *text)) {
    char digits[24], *place = digits + sizeof digits;
    *--place = 0;
    do {
        *--place = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    print(place);
}

size_t ckernels_report(const declip_kernels *set, size_t shapes, void (*print)(const char *text)) {
    const char *name = set->name;
    size_t wrong = 0;
    for (size_t i = 0; i < ckernels_checks(); i++) {
        ckernels_result result = ckernels_check(set, i, shapes);
        if (!result.differing)
            continue;
        wrong++;
        print(name), print(", "), print(result.kernel), print(": ");
        print_number(result.differing, print);
        print(" shapes differ, the first is shape ");
        print_number(result.first, print);
        print("\n");
    }
    print(name), print(": "), print_number(ckernels_checks() - wrong, print), print(" of ");
    print_number(ckernels_checks(), print), print(" kernels equal the portable ones on ");
    print_number(shapes, print), print(" shapes each\n");
    return wrong;
}
