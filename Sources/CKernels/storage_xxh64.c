// XXH64 as its public specification describes it (xxHash, doc/xxhash_spec.md): four lanes of
// 64-bit multiply and rotate over stripes of 32 bytes, a tail, a final mix. The four lanes are
// independent, which hides the latency of the multiplication: about 4 bytes a cycle and more.

#include "ckernels_storage.h"
#include <string.h>

static const uint64_t prime1 = 0x9E3779B185EBCA87u;
static const uint64_t prime2 = 0xC2B2AE3D27D4EB4Fu;
static const uint64_t prime3 = 0x165667B19E3779F9u;
static const uint64_t prime4 = 0x85EBCA77C2B2AE63u;
static const uint64_t prime5 = 0x27D4EB2F165667C5u;

static inline uint64_t rotate_left(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static inline uint64_t load64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static inline uint32_t load32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

static inline uint64_t step(uint64_t lane, uint64_t input) {
    return rotate_left(lane + input * prime2, 31) * prime1;
}

static inline uint64_t merge(uint64_t hash, uint64_t lane) {
    return (hash ^ step(0, lane)) * prime1 + prime4;
}

uint64_t declip_xxh64(const void *data, size_t length, uint64_t seed) {
    const uint8_t *bytes = data;
    size_t rest = length;
    uint64_t hash = seed + prime5;
    if (rest >= 32) {
        uint64_t a = seed + prime1 + prime2, b = seed + prime2, c = seed, d = seed - prime1;
        for (; rest >= 32; bytes += 32, rest -= 32) {
            a = step(a, load64(bytes));
            b = step(b, load64(bytes + 8));
            c = step(c, load64(bytes + 16));
            d = step(d, load64(bytes + 24));
        }
        hash = rotate_left(a, 1) + rotate_left(b, 7) + rotate_left(c, 12) + rotate_left(d, 18);
        hash = merge(merge(merge(merge(hash, a), b), c), d);
    }
    hash += length;
    for (; rest >= 8; bytes += 8, rest -= 8)
        hash = rotate_left(hash ^ step(0, load64(bytes)), 27) * prime1 + prime4;
    for (; rest >= 4; bytes += 4, rest -= 4)
        hash = rotate_left(hash ^ load32(bytes) * prime1, 23) * prime2 + prime3;
    for (; rest > 0; bytes++, rest--)
        hash = rotate_left(hash ^ *bytes * prime5, 11) * prime1;
    hash = (hash ^ hash >> 33) * prime2;
    hash = (hash ^ hash >> 29) * prime3;
    return hash ^ hash >> 32;
}
