// Operations over the lanes of a vector, for LANES of 4, 8 or 16.
#ifndef LANES_H
#define LANES_H

// v = MEET(v, v with its halves exchanged), then the same with the halves of halves, until every
// lane has met all others.
#define EXCHANGE(MEET, v, ...) v = MEET(v, __builtin_shufflevector(v, v, __VA_ARGS__))
#if LANES == 16
#define MEET_ALL(MEET, v)                                                                          \
    EXCHANGE(MEET, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);                       \
    EXCHANGE(MEET, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);                       \
    EXCHANGE(MEET, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);                       \
    EXCHANGE(MEET, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define NEIGHBOURS(v)                                                                              \
    __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define TWICE(v) __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
#elif LANES == 8
#define MEET_ALL(MEET, v)                                                                          \
    EXCHANGE(MEET, v, 4, 5, 6, 7, 0, 1, 2, 3);                                                     \
    EXCHANGE(MEET, v, 2, 3, 0, 1, 6, 7, 4, 5);                                                     \
    EXCHANGE(MEET, v, 1, 0, 3, 2, 5, 4, 7, 6)
#define NEIGHBOURS(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)
#define TWICE(v) __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3)
#else
#define MEET_ALL(MEET, v)                                                                          \
    EXCHANGE(MEET, v, 2, 3, 0, 1);                                                                 \
    EXCHANGE(MEET, v, 1, 0, 3, 2)
#define NEIGHBOURS(v) __builtin_shufflevector(v, v, 1, 0, 3, 2)
#define TWICE(v) __builtin_shufflevector(v, v, 0, 0, 1, 1)
#endif

// NEIGHBOURS: v with the lanes of each pair exchanged. TWICE: each lane of half a vector, twice.

#define ADD(a, b) ((a) + (b))

#endif
