/* SPDX-License-Identifier: Apache-2.0 */
/* Timing of parts of lists, interleaved with the probe of the limiting resource: the
 * speed of a machine varies, the fraction of the roof should not. */
#include "bench/bench.h"

#include "lab/timing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_SAMPLES = 5, MAX_REPLAYS = 4000 };
static const double sample_seconds = 0.01, usual_seconds = 0.3;

static double median_of(const double *values, int count)
{
    double sorted[BENCH_MAX_SAMPLES];
    memcpy(sorted, values, (size_t)count * sizeof(*values));
    return lab_median(sorted, count);
}

/* Reading or copying, whichever is faster at this level. */
static const struct bench_probe *bandwidth_probe(const struct weft_bench *b, int level)
{
    return b->read[level].rate > b->copy[level].rate ? &b->read[level] : &b->copy[level];
}

/* The limiting resource: a probe, and a factor on its rate. */
struct bottleneck {
    const struct bench_probe *probe;
    double scale;
};

/* Between two levels the bandwidth is interpolated on logarithmic scales, because caches
 * fill gradually. The probe is that of the nearer level. */
static struct bottleneck bandwidth_bottleneck(const struct weft_bench *b, double bytes)
{
    int above = 0;
    while (above < WEFT_BANDWIDTH_LEVELS - 1 &&
           (double)b->roofs.level[above].bytes < bytes)
        above++;
    const struct bench_probe *upper = bandwidth_probe(b, above);
    const double size = (double)b->roofs.level[above].bytes;
    if (!above || bytes >= size)
        return (struct bottleneck){upper, 1};
    const struct bench_probe *lower = bandwidth_probe(b, above - 1);
    double share =
        log(size / bytes) / log(size / (double)b->roofs.level[above - 1].bytes);
    double rate = upper->rate * pow(lower->rate / upper->rate, share);
    const struct bench_probe *nearer = share > 0.5 ? lower : upper;
    return (struct bottleneck){nearer, rate / nearer->rate};
}

static struct bottleneck find_bottleneck(const struct weft_bench *b,
                                         const struct weft_timing *t)
{
    const struct bottleneck memory = bandwidth_bottleneck(b, t->bytes);
    return t->bytes / (memory.scale * memory.probe->rate) > t->flops / b->multiply.rate
               ? memory
               : (struct bottleneck){&b->multiply, 1};
}

/* `rate` is the present rate of the limiting probe. */
static void set_roof(const struct weft_bench *b, struct weft_timing *t,
                     struct bottleneck limit, double rate)
{
    rate *= limit.scale;
    t->memory_bound = limit.probe != &b->multiply;
    t->roofline_seconds = rate > 0 ? (t->memory_bound ? t->bytes : t->flops) / rate : NAN;
}

void bench_set_roofline(const struct weft_bench *b, struct weft_timing *t)
{
    const struct bottleneck by = find_bottleneck(b, t);
    set_roof(b, t, by, by.probe->rate);
}

/* The number of replays that take `seconds` together. */
static int replays_for(double seconds, double once)
{
    return (int)fmin(MAX_REPLAYS, ceil(seconds / fmax(once, 1e-7)));
}

enum weft_status bench_measure(struct weft_bench *b, struct weft_command_list *list,
                               int first, int end, double *seconds, struct weft_timing *t)
{
    const struct bottleneck by = find_bottleneck(b, t);
    const struct bench_probe *probe = by.probe;
    double probe_seconds[BENCH_MAX_SAMPLES], once;
    const struct lab_rounds rounds = {
        .min = MIN_SAMPLES,
        .max = BENCH_MAX_SAMPLES,
        .time_limit = b->params.seconds > 0 ? b->params.seconds : usual_seconds};
    double sample = fmin(sample_seconds, rounds.time_limit / MIN_SAMPLES);
    WEFT_TRY(lab_time_replays(list, first, end, 1, &once));
    WEFT_TRY(lab_time_replays(list, first, end, 1, &once));
    struct lab_timed_range probed = {probe->list, 0, 1,
                                     replays_for(sample / 4, probe->work / probe->rate)};
    struct lab_timed_range timed = {list, first, end, replays_for(sample, once)};
    WEFT_TRY(lab_time_interleaved(lab_time_range, (void *[]){&probed, &timed}, &rounds,
                                  (double *[]){probe_seconds, seconds}, &t->count));
    t->seconds = seconds;
    t->median = median_of(seconds, t->count);
    t->fastest = t->slowest = seconds[0];
    for (int i = 1; i < t->count; i++) {
        t->fastest = fmin(t->fastest, seconds[i]);
        t->slowest = fmax(t->slowest, seconds[i]);
    }
    set_roof(b, t, by, probe->work / lab_median(probe_seconds, t->count));
    return WEFT_OK;
}

/* Appends to a text, truncated to its size. */
static void add_text(char *text, size_t size, const char *between, const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used ? between : "", more);
}

void bench_describe_kernels(const struct weft_command_list *list, int first, int end,
                            char *text, size_t size)
{
    char last[sizeof(((struct weft_launch_description *)NULL)->config)] = "";
    text[0] = '\0';
    for (int i = first; i < end; i++) {
        struct weft_launch_description launch;
        list->device->backend->describe_launch(list, i, &launch);
        if (strcmp(launch.config, last) != 0 && launch.config[0]) {
            add_text(text, size, "; ", launch.config);
            add_text(text, size, ": ", launch.kernel);
        } else {
            add_text(text, size, ", ", launch.kernel);
        }
        snprintf(last, sizeof(last), "%s", launch.config);
    }
}
