/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of checks and measurements. */
#include "lab/random.h"

struct lab_random lab_random_begin(uint64_t seed, int stream, int substream)
{
    return (struct lab_random){.seed = seed,
                               .stream = {(uint32_t)stream, (uint32_t)substream}};
}

uint32_t lab_random_bits(struct lab_random *r)
{
    uint32_t i = r->used++;
    if (i % 4 == 0)
        r->words = weft_philox((uint32_t)r->seed, (uint32_t)(r->seed >> 32), i / 4,
                               r->stream[0], r->stream[1], RANDOM_VERIFY);
    return r->words.v[i % 4];
}

int lab_random_int(struct lab_random *r, int low, int high)
{
    uint64_t width = (uint64_t)(high - low) + 1;
    return low + (int)((lab_random_bits(r) * width) >> 32);
}

float lab_random_float(struct lab_random *r, float low, float high)
{
    return low + (high - low) * weft_uniform(lab_random_bits(r));
}

bool lab_random_bool(struct lab_random *r, int percent)
{
    return lab_random_int(r, 0, 99) < percent;
}

int lab_random_choice(struct lab_random *r, const int *values, size_t count)
{
    return values[lab_random_int(r, 0, (int)count - 1)];
}
