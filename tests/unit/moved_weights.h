/* SPDX-License-Identifier: Apache-2.0 */
/* Measures the difference that the results of a whole network may have on two right
 * devices, where no bound of rounding holds (docs/numerics.md): they move as far where
 * every weight is moved by the bound of the network's longest sum of products. */
#ifndef WEFT_TESTS_UNIT_MOVED_WEIGHTS_H
#define WEFT_TESTS_UNIT_MOVED_WEIGHTS_H

#include "device/backend.h"
#include "lab/random.h"
#include "train/trainer.h"
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>

/* Runs whose weights are moved, each in its own way. */
enum { MOVED_RUNS = 4 };

/* Products of tf32 are rounded twice, and 12 times in all. */
static inline double longest_sum_bound(const struct weft_graph *graph)
{
    size_t terms = 0;
    for (int i = 0; i < graph->count; i++) {
        const struct weft_param *p = &graph->nodes[i].params[WEFT_PARAM_WEIGHT];
        size_t own = p->rank > 1 ? p->count / (size_t)p->extent[0] : 0;
        terms = own > terms ? own : terms;
    }
    return gamma_bound(2 * (double)terms + 12);
}

/* By a share of themselves, each in its own direction. Way 0 changes nothing. */
static inline void move_weights_by(const struct weft_graph *graph, float *weights,
                                   int way, double by)
{
    struct lab_random random = lab_random_begin((uint64_t)way, 0, 0);
    for (size_t i = 0; way && i < graph->weights; i++)
        weights[i] *= (float)(lab_random_bool(&random, 50) ? 1 + by : 1 - by);
}

static inline void move_weights(const struct weft_graph *graph, float *weights, int way)
{
    move_weights_by(graph, weights, way, longest_sum_bound(graph));
}

static inline enum weft_status move_trainer_weights_by(weft_trainer *t, int way,
                                                       double by)
{
    const struct weft_graph *graph = &t->net->graph;
    size_t bytes = graph->weights * sizeof(float);
    float *weights = malloc(bytes + 1);
    if (!weights)
        return WEFT_ERR_NOMEM;
    enum weft_status status =
        t->device->backend->read(t->device, weights, t->buffers.weights, 0, bytes);
    move_weights_by(graph, weights, way, by);
    if (!status)
        status =
            t->device->backend->write(t->device, t->buffers.weights, 0, weights, bytes);
    free(weights);
    return status;
}

static inline enum weft_status move_trainer_weights(weft_trainer *t, int way)
{
    return move_trainer_weights_by(t, way, longest_sum_bound(&t->net->graph));
}

/* All weights and statistics, to be freed; NULL: it failed. */
static inline float *read_weights(const weft_trainer *t)
{
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    if (weights &&
        t->device->backend->read(t->device, weights, t->buffers.weights, 0, bytes)) {
        free(weights);
        return NULL;
    }
    return weights;
}

/* The Euclidean length of a - b. */
static inline double vector_distance(const float *a, const float *b, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += pow((double)a[i] - (double)b[i], 2);
    return sqrt(squares);
}

/* The distance of parameters of `got` from those of `want`, over the largest one of the
 * moved runs: at most 1 where it is by rounding. */
static inline double moved_share(const struct weft_param *p, int count, const float *got,
                                 const float *want, float *const moved[MOVED_RUNS])
{
    double off = 0, moves[MOVED_RUNS] = {0}, allowed = 0;
    for (int i = 0; i < count; i++) {
        off = hypot(off, vector_distance(got + p[i].at, want + p[i].at, p[i].count));
        for (int k = 0; k < MOVED_RUNS; k++)
            moves[k] = hypot(moves[k], vector_distance(moved[k] + p[i].at, want + p[i].at,
                                                       p[i].count));
    }
    for (int k = 0; k < MOVED_RUNS; k++)
        allowed = fmax(allowed, moves[k]);
    return off > 0 ? off / allowed : 0;
}

/* The largest share of a layer: a bias before a batch-norm has a gradient of rounding
 * alone. */
static inline double largest_moved_share(const struct weft_graph *graph, const float *got,
                                         const float *want,
                                         float *const moved[MOVED_RUNS])
{
    double share = 0;
    for (int i = 0; i < graph->count; i++)
        share = fmax(share, moved_share(graph->nodes[i].params, WEFT_MAX_PARAMS, got,
                                        want, moved));
    return share;
}

#endif
