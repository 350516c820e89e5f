// The parts of attention, and one head's as a whole.
#include "check.h"

enum {
    MOST_TOKENS = 300,
    MOST_SIZE = DECLIP_INT8_HEAD_LIMIT,
    MOST_SCORES = MOST_TOKENS * DECLIP_INT8_SCORE_SIZE,
    MOST_VALUES = MOST_TOKENS * MOST_SIZE,
    MEMORY = 4 * (MOST_TOKENS + 64) * (DECLIP_INT8_SCORE_SIZE + 64),
};

typedef struct head {
    size_t tokens, score_size, size;
    int32_t key_limit, value_limit;
    float query[MOST_SCORES], key[MOST_SCORES], value[MOST_VALUES];
} head;

static head drawn;

static const int32_t weight_limits[] = {DECLIP_INT8_WEIGHT_SLIM, DECLIP_INT8_WEIGHT_NARROW,
                                        DECLIP_INT8_WEIGHT_WIDE};

static void draw_head(size_t shape) {
    static const size_t edges[] = {1, 2, 15, 16, 17, 33, 64, 127, 128, 129, 255, 257, 300};
    const size_t count = sizeof edges / sizeof *edges;
    const uint32_t filling = check_draw(8), extremes = filling == 4 || filling == 5;
    drawn.tokens = shape < 2 * count ? edges[shape % count] : 1 + check_draw(40);
    drawn.size = 16 * (1 + check_draw(MOST_SIZE / 16));
    drawn.key_limit = (const int32_t[]){DECLIP_INT8_SCORES_SLIM, DECLIP_INT8_SCORES_NARROW,
                                        DECLIP_INT8_SCORES_WIDE}[check_draw(3)];
    drawn.value_limit = (const int32_t[]){DECLIP_INT8_VALUES_SLIM, DECLIP_INT8_VALUES_NARROW,
                                          DECLIP_INT8_VALUES_WIDE}[check_draw(3)];
    // As many heads side by side as scores are made of; of wide ones at their limits, one head's
    // channels fill 32 bits.
    const uint32_t most =
        extremes && drawn.key_limit == DECLIP_INT8_SCORES_WIDE ? MOST_SIZE : DECLIP_INT8_SCORE_SIZE;
    drawn.score_size = check_draw(4) ? drawn.size : 16 * (1 + check_draw(most / 16));
    check_fill(drawn.query, drawn.tokens * drawn.score_size, 3);
    check_fill(drawn.key, drawn.tokens * drawn.score_size, 3);
    check_fill(drawn.value, drawn.tokens * drawn.size, 3);
    // Few large operands among small ones, as models have them.
    for (size_t i = 0; filling == 3 && i < drawn.tokens * drawn.score_size; i++)
        drawn.key[i] *= i % 5 ? 0.25f : 1;
    for (size_t i = 0; filling == 3 && i < drawn.tokens * drawn.size; i++)
        drawn.value[i] *= i / drawn.size % 5 ? 0.25f : 1;
    // Every operand at its limit, of either sign; or nothing at all in queries or values.
    for (size_t i = 0; filling >= 4 && i < drawn.tokens * drawn.score_size; i++) {
        if (extremes)
            drawn.query[i] = 1;
        if (extremes)
            drawn.key[i] = filling == 4 ? 1 : -1;
        if (filling == 6)
            drawn.query[i] = 0;
    }
    for (size_t i = 0; filling >= 4 && i < drawn.tokens * drawn.size; i++) {
        if (extremes)
            drawn.value[i] = i / drawn.size % 2 ? -3 : 3;
        if (filling == 7)
            drawn.value[i] = 0;
    }
}

int check_rotate(const declip_int8_kernels *set, size_t shape) {
    static float cosine[MOST_SCORES], sine[MOST_SCORES], scales[2][MOST_TOKENS];
    static int16_t words[2][MOST_SCORES + 1];
    const declip_int8_attention *both[2] = {declip_int8_portable.attention, set->attention};
    draw_head(shape);
    const size_t size = drawn.size, count = drawn.tokens * size;
    check_fill(cosine, count / 2, 1);
    check_fill(sine, count / 2, 1);
    const int rotates = (int)check_draw(2), moves = (int)check_draw(2);
    for (int side = 0; side < 2; side++) {
        memset(words[side], 7, (count + 1) * sizeof(int16_t));
        both[side]->rotate_quantize(drawn.query, size, rotates ? cosine : NULL,
                                    rotates ? sine : NULL, moves ? drawn.key : NULL, drawn.tokens,
                                    size, drawn.key_limit, words[side], size, scales[side]);
    }
    return memcmp(words[0], words[1], (count + 1) * sizeof(int16_t)) ||
           check_differs(scales[0], scales[1], drawn.tokens);
}

int check_weights(const declip_int8_kernels *set, size_t shape) {
    static float scores[MOST_VALUES];
    static int16_t weights[2][MOST_VALUES];
    const declip_int8_attention *both[2] = {declip_int8_portable.attention, set->attention};
    const size_t count = 1 + (shape < 80 ? shape : check_draw(600));
    const int32_t limit = weight_limits[check_draw(3)];
    check_fill(scores, count, 40);
    for (size_t i = 0; i < count; i++)
        scores[i] -= 40;
    scores[check_draw((uint32_t)count)] = 0;
    for (int side = 0; side < 2; side++) {
        memset(weights[side], 7, (count + 16) * sizeof(int16_t));
        int32_t sum = both[side]->softmax_weights(scores, count, 0, 0.3f, limit, weights[side]);
        for (size_t i = 0; i < count; i++)
            sum -= weights[side][i];
        if (sum)
            return 1;
    }
    return memcmp(weights[0], weights[1], (count + 16) * sizeof(int16_t)) != 0;
}

int check_powers(const declip_int8_kernels *set, size_t shape) {
    static float input[MOST_TOKENS], output[2][MOST_TOKENS];
    const declip_int8_attention *both[2] = {declip_int8_portable.attention, set->attention};
    const size_t count = 1 + (shape < 80 ? shape : check_draw(MOST_TOKENS - 8));
    check_fill(input, count, 126);
    input[check_draw((uint32_t)count)] = check_draw(2) ? 126 : -126;
    memset(output, 0, sizeof output);
    for (int side = 0; side < 2; side++)
        both[side]->powers(input, count, output[side]);
    return check_differs(output[0], output[1], MOST_TOKENS);
}

static void attend(const declip_int8_attention *kernels, float *output) {
    static _Alignas(64) char keys[MEMORY], values[MEMORY], scratch[MEMORY];
    static int16_t words[2][MOST_SCORES];
    static float scale[2][MOST_TOKENS];
    const size_t tokens = drawn.tokens, score_size = drawn.score_size, size = drawn.size;
    kernels->rotate_quantize(drawn.query, score_size, NULL, NULL, NULL, tokens, score_size,
                             drawn.key_limit, words[0], score_size, scale[0]);
    kernels->rotate_quantize(drawn.key, score_size, NULL, NULL, NULL, tokens, score_size,
                             drawn.key_limit, words[1], score_size, scale[1]);
    kernels->pack_keys(words[1], score_size, scale[1], tokens, score_size, drawn.key_limit, keys);
    kernels->pack_values(drawn.value, size, tokens, size, drawn.value_limit, values);
    declip_int8_head head = {.tokens = tokens,
                             .score_size = score_size,
                             .head_size = size,
                             .key_limit = drawn.key_limit,
                             .value_limit = drawn.value_limit,
                             .softmax_scale = 0.125f,
                             .keys = keys,
                             .values = values};
    kernels->attend(&head, words[0], score_size, scale[0], tokens, output, size, scratch);
}

int check_attend(const declip_int8_kernels *set, size_t shape) {
    static float output[2][MOST_VALUES];
    draw_head(shape);
    const declip_int8_attention *both[2] = {declip_int8_portable.attention, set->attention};
    for (int side = 0; side < 2; side++) {
        const size_t sizes[] = {
            both[side]->keys_size(drawn.tokens, drawn.score_size, drawn.key_limit),
            both[side]->values_size(drawn.tokens, drawn.size, drawn.value_limit),
            both[side]->scratch_size(drawn.tokens),
        };
        for (int i = 0; i < 3; i++)
            if (sizes[i] > MEMORY)
                return 1;
        attend(both[side], output[side]);
    }
    return check_differs(output[0], output[1], drawn.tokens * drawn.size);
}
