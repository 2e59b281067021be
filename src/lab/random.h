/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of random numbers that depends on its name alone (shared/random.h). */
#ifndef WEFT_LAB_RANDOM_H
#define WEFT_LAB_RANDOM_H

#include "shared/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lab_random {
    uint64_t seed;
    uint32_t stream[2];
    uint32_t used; /* words taken so far */
    struct weft_random words;
};

struct lab_random lab_random_begin(uint64_t seed, int stream, int substream);

/* Ranges include both ends. */
uint32_t lab_random_bits(struct lab_random *random);
int lab_random_int(struct lab_random *random, int low, int high);
float lab_random_float(struct lab_random *random, float low, float high);
bool lab_random_bool(struct lab_random *random, int percent);
int lab_random_choice(struct lab_random *random, const int *values, size_t count);
#define LAB_RANDOM_CHOICE(random, ...)                      \
    lab_random_choice((random), (const int[]){__VA_ARGS__}, \
                      sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

#endif
