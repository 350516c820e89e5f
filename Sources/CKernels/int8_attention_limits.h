// What attention's integers hold, the same for every instruction set.
#ifndef INT8_ATTENTION_LIMITS_H
#define INT8_ATTENTION_LIMITS_H

#include "ckernels_int8.h"

// Keys whose weights are relative to the highest score among them.
static inline size_t chunk_of(int32_t value_limit) {
    if (value_limit > DECLIP_INT8_VALUES_NARROW)
        return DECLIP_INT8_CHUNK_WIDE;
    return value_limit > DECLIP_INT8_VALUES_SLIM ? DECLIP_INT8_CHUNK_NARROW
                                                 : DECLIP_INT8_CHUNK_SLIM;
}

// The weight of that key.
static inline int32_t weight_limit_of(int32_t value_limit) {
    if (value_limit > DECLIP_INT8_VALUES_NARROW)
        return DECLIP_INT8_WEIGHT_WIDE;
    return value_limit > DECLIP_INT8_VALUES_SLIM ? DECLIP_INT8_WEIGHT_NARROW
                                                 : DECLIP_INT8_WEIGHT_SLIM;
}

#endif
