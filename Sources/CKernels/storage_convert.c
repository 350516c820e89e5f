// Conversions between float types.
//
// The loops for bfloat16, binary64 and the range counts are plain C that compilers vectorise; on
// x86 they exist twice, once for any processor and once for AVX2. binary16 needs an instruction:
// F16C on x86, part of the base set on ARM; elsewhere the reference stands in. All of it is bound
// by memory.

#include "ckernels_storage.h"
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,f16c")))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE __attribute__((always_inline)) static inline

INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// One element each: the references.

INLINE float widen_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F;
    uint32_t fraction = half & 0x3FF;
    if (exponent == 0x1F) // infinity, or NaN with its quiet bit set
        return float_of(sign | 0x7F800000 | fraction << 13 | (fraction ? 0x400000 : 0));
    if (exponent == 0) { // zero and denormals: fraction * 2^-24
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

INLINE uint16_t narrow_f16(float value) {
    uint32_t bits = bits_of(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return sign | 0x7E00 | (magnitude >> 13 & 0x3FF);
    if (magnitude >= 0x477FF000) // 65520: halfway from the largest binary16 to the next power
        return sign | 0x7C00;
    if (magnitude < 0x38800000) { // below 2^-14: adding 0.5 leaves the rounded fraction * 2^24
        float aligned = float_of(magnitude) + 0.5f;
        return sign | (uint16_t)(bits_of(aligned) - 0x3F000000);
    }
    uint32_t even = magnitude >> 13 & 1;
    return sign | (uint16_t)((magnitude - (112u << 23) + 0xFFF + even) >> 13);
}

INLINE float widen_bf16(uint16_t upper) {
    return float_of((uint32_t)upper << 16);
}

INLINE uint16_t narrow_bf16(float value) {
    uint32_t bits = bits_of(value);
    uint16_t rounded = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    uint16_t quiet = (uint16_t)(bits >> 16 | 0x40);
    return (bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded;
}

void declip_f16_to_f32_reference(const void *source, float *destination, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)source + 2 * i, 2);
        destination[i] = widen_f16(half);
    }
}

void declip_f32_to_f16_reference(const float *source, void *destination, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half = narrow_f16(source[i]);
        memcpy((char *)destination + 2 * i, &half, 2);
    }
}

// `_reference` versions stay scalar, so that a test compares two different machine codes.
#if defined(__clang__)
#define SCALAR _Pragma("clang loop vectorize(disable) interleave(disable)")
#else
#define SCALAR
#endif

#define PLAIN_LOOPS(name, qualifiers, pragma)                                                      \
    qualifiers void bf16_to_f32_##name(const void *source, float *destination, size_t count) {     \
        pragma for (size_t i = 0; i < count; i++) {                                                \
            uint16_t upper;                                                                        \
            memcpy(&upper, (const char *)source + 2 * i, 2);                                       \
            destination[i] = widen_bf16(upper);                                                    \
        }                                                                                          \
    }                                                                                              \
    qualifiers void f32_to_bf16_##name(const float *source, void *destination, size_t count) {     \
        pragma for (size_t i = 0; i < count; i++) {                                                \
            uint16_t upper = narrow_bf16(source[i]);                                               \
            memcpy((char *)destination + 2 * i, &upper, 2);                                        \
        }                                                                                          \
    }                                                                                              \
    qualifiers void f64_to_f32_##name(const void *source, float *destination, size_t count) {      \
        pragma for (size_t i = 0; i < count; i++) {                                                \
            double value;                                                                          \
            memcpy(&value, (const char *)source + 8 * i, 8);                                       \
            destination[i] = (float)value;                                                         \
        }                                                                                          \
    }

PLAIN_LOOPS(scalar, static, SCALAR)
PLAIN_LOOPS(base, static, )

void declip_bf16_to_f32_reference(const void *source, float *destination, size_t count) {
    bf16_to_f32_scalar(source, destination, count);
}

void declip_f32_to_bf16_reference(const float *source, void *destination, size_t count) {
    f32_to_bf16_scalar(source, destination, count);
}

void declip_f64_to_f32_reference(const void *source, float *destination, size_t count) {
    f64_to_f32_scalar(source, destination, count);
}

#if defined(__x86_64__)

PLAIN_LOOPS(avx2, AVX2 static, )

AVX2 static void f16_to_f32_avx2(const void *source, float *destination, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)((const char *)source + 2 * i));
        _mm256_storeu_ps(destination + i, _mm256_cvtph_ps(halves));
    }
    declip_f16_to_f32_reference((const char *)source + 2 * i, destination + i, count - i);
}

AVX2 static void f32_to_f16_avx2(const float *source, void *destination, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)((char *)destination + 2 * i), halves);
    }
    declip_f32_to_f16_reference(source + i, (char *)destination + 2 * i, count - i);
}

static int has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
}

#define DISPATCH(kernel, fallback, ...)                                                            \
    if (has_avx2())                                                                                \
        kernel##_avx2(__VA_ARGS__);                                                                \
    else                                                                                           \
        fallback(__VA_ARGS__)

#elif defined(__aarch64__)

static void f16_to_f32_neon(const void *source, float *destination, size_t count) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint16x4_t halves;
        memcpy(&halves, (const char *)source + 2 * i, 8);
        vst1q_f32(destination + i, vcvt_f32_f16(vreinterpret_f16_u16(halves)));
    }
    declip_f16_to_f32_reference((const char *)source + 2 * i, destination + i, count - i);
}

static void f32_to_f16_neon(const float *source, void *destination, size_t count) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint16x4_t halves = vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(source + i)));
        memcpy((char *)destination + 2 * i, &halves, 8);
    }
    declip_f32_to_f16_reference(source + i, (char *)destination + 2 * i, count - i);
}

#endif

void declip_f16_to_f32(const void *source, float *destination, size_t count) {
#if defined(__x86_64__)
    DISPATCH(f16_to_f32, declip_f16_to_f32_reference, source, destination, count);
#elif defined(__aarch64__)
    f16_to_f32_neon(source, destination, count);
#else
    declip_f16_to_f32_reference(source, destination, count);
#endif
}

void declip_f32_to_f16(const float *source, void *destination, size_t count) {
#if defined(__x86_64__)
    DISPATCH(f32_to_f16, declip_f32_to_f16_reference, source, destination, count);
#elif defined(__aarch64__)
    f32_to_f16_neon(source, destination, count);
#else
    declip_f32_to_f16_reference(source, destination, count);
#endif
}

#if !defined(__x86_64__)
#define DISPATCH(kernel, fallback, ...) fallback(__VA_ARGS__)
#endif

void declip_bf16_to_f32(const void *source, float *destination, size_t count) {
    DISPATCH(bf16_to_f32, bf16_to_f32_base, source, destination, count);
}

void declip_f32_to_bf16(const float *source, void *destination, size_t count) {
    DISPATCH(f32_to_bf16, f32_to_bf16_base, source, destination, count);
}

void declip_f64_to_f32(const void *source, float *destination, size_t count) {
    DISPATCH(f64_to_f32, f64_to_f32_base, source, destination, count);
}

// Plain: infinities and NaNs fail one of the two comparisons.

size_t declip_f32_count_beyond(const float *source, size_t count, float limit) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        float magnitude = fabsf(source[i]);
        found += (magnitude >= limit) & (magnitude < INFINITY);
    }
    return found;
}

size_t declip_f64_count_beyond(const void *source, size_t count, double limit) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, (const char *)source + 8 * i, 8);
        double magnitude = fabs(value);
        found += (magnitude >= limit) & (magnitude < (double)INFINITY);
    }
    return found;
}
