/* SPDX-License-Identifier: Apache-2.0 */
/* The measurements in sentences. */
#include "explain/explain.h"

#include "core/plain_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024 };
static const double little = 0.05;

/* By thirds of the image. */
static const char *const regions[3][3] = {{"top left", "top", "top right"},
                                          {"left side", "centre", "right side"},
                                          {"bottom left", "bottom", "bottom right"}};

static const char *region(const struct look *look, const int at[2])
{
    int y = 3 * (2 * at[0] + look->patch[0]) / (2 * look->net.height);
    int x = 3 * (2 * at[1] + look->patch[1]) / (2 * look->net.width);
    return regions[y < 3 ? y : 2][x < 3 ? x : 2];
}

char *look_evidence_sentence(const struct look *look)
{
    const char *const *names = look->info.class_names;
    const char *name = plain_text(names[look->class]);
    double p = look->probabilities[look->class], left = look->worst_probability;
    if (p - left < little)
        return term_format_or_exit(
            "No single part of the image decides: with %dx%d pixels covered anywhere, %s "
            "loses at most %.1f of its %.1f %%.",
            look->patch[0], look->patch[1], name, 100 * fmax(p - left, 0), 100 * p);
    if (look->worst_answer == look->order[0])
        return term_format_or_exit(
            "The %s counts most: with %dx%d pixels covered there, %s falls from %.1f to "
            "%.1f %%; the answer stays %s.",
            region(look, look->worst), look->patch[0], look->patch[1], name, 100 * p,
            100 * left, plain_text(names[look->worst_answer]));
    return term_format_or_exit(
        "The %s decides: with %dx%d pixels covered there, %s falls from %.1f to %.1f %%, "
        "and the answer becomes %s.",
        region(look, look->worst), look->patch[0], look->patch[1], name, 100 * p,
        100 * left, plain_text(names[look->worst_answer]));
}

char *look_map_sentence(const struct look *look, const struct look_map *map)
{
    const char *name = plain_text(look->info.class_names[look->class]);
    double sums[3][3] = {{0}}, all = 0;
    int best = 0;
    for (int i = 0; i < map->height * map->width; i++) {
        double value = fmax((double)map->at[i], 0);
        sums[3 * (i / map->width) / map->height][3 * (i % map->width) / map->width] +=
            value;
        all += value;
    }
    if (!(all > 0))
        return term_format_or_exit("No part of the image speaks for %s.", name);
    for (int i = 1; i < 9; i++)
        best = sums[i / 3][i % 3] > sums[best / 3][best % 3] ? i : best;
    return term_format_or_exit("Evidence for %s: %.0f %% of it is in the %s.", name,
                               100 * sums[best / 3][best % 3] / all,
                               regions[best / 3][best % 3]);
}

/* Appends to `text` the distances before and after each pooling layer; the last one. */
static double describe_pools(const struct look *look, char text[TEXT])
{
    double last = NAN;
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < look->layer_count; i++) {
        const struct look_layer *layer = &look->layers[i];
        int from = layer->info.inputs[0];
        if (!strstr(layer->info.op, "pool") || from == WEFT_NET_INPUT)
            continue;
        last = layer->shift_mean;
        if (at < TEXT)
            at += (size_t)snprintf(text + at, TEXT - at,
                                   "%s%.0f %% before %s, %.0f %% after", at ? "; " : "",
                                   100 * look->layers[from].shift_mean, layer->info.name,
                                   100 * last);
    }
    return last;
}

char *look_shift_sentence(const struct look *look)
{
    char pools[TEXT];
    double input = 0, least = 1, most = 0, last = describe_pools(look, pools);
    int same = 0;
    for (int i = 0; i < LOOK_DIRECTIONS; i++) {
        input += look->shifts[i].input / LOOK_DIRECTIONS;
        least = fmin(least, look->shifts[i].probability);
        most = fmax(most, look->shifts[i].probability);
        same += look->shifts[i].answer == look->order[0];
    }
    const char *summary = isnan(last)     ? "The network has no pooling behind a layer."
                          : last < little ? "After pooling it is nearly the same:"
                                          : "Pooling does not make it the same:";
    return term_format_or_exit(
        "A shift by one pixel moves the input by %.0f %% of its norm. %s%s%s%s The "
        "answer "
        "is the same for %d of %d directions, with %.1f to %.1f %% for %s.",
        100 * input, summary, isnan(last) ? "" : " ", pools, isnan(last) ? "" : ".", same,
        LOOK_DIRECTIONS, 100 * least, 100 * most,
        plain_text(look->info.class_names[look->class]));
}
