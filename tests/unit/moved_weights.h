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

/* Way 0 changes nothing. */
static inline void move_weights(const struct weft_graph *graph, float *weights, int way)
{
    struct lab_random random = lab_random_begin((uint64_t)way, 0, 0);
    double by = longest_sum_bound(graph);
    for (size_t i = 0; way && i < graph->weights; i++)
        weights[i] *= (float)(lab_random_bool(&random, 50) ? 1 + by : 1 - by);
}

static inline enum weft_status move_trainer_weights(weft_trainer *t, int way)
{
    const struct weft_graph *graph = &t->net->graph;
    size_t bytes = graph->weights * sizeof(float);
    float *weights = malloc(bytes + 1);
    if (!weights)
        return WEFT_ERR_NOMEM;
    enum weft_status status =
        t->device->backend->read(t->device, weights, t->buffers.weights, 0, bytes);
    move_weights(graph, weights, way);
    if (!status)
        status =
            t->device->backend->write(t->device, t->buffers.weights, 0, weights, bytes);
    free(weights);
    return status;
}

#endif
