/* SPDX-License-Identifier: Apache-2.0 */
/* The network builder, shared by its public functions (builder.c) and the text parser. */
#ifndef WEFT_NET_BUILDER_H
#define WEFT_NET_BUILDER_H

#include "net/graph.h"

struct weft_net_builder {
    weft_context *ctx;
    struct weft_net *net;
    int node_capacity, layer_capacity;
    int classes;        /* required; 0: any number */
    bool default_input; /* an `input` line of a text replaces that of the params */
};

/* Ranges of settings, which texts and params share; the floats begin at 0. */
enum { WEFT_MAX_BATCH = 1 << 20 };
enum { WEFT_DEFAULT_CLASSES = 10 }; /* of `dense classes` */
#define WEFT_MAX_SMOOTHING 0.99f
#define WEFT_MAX_RATE      1e6f
#define WEFT_MIN_WIDTH     0.01f /* width-multiplier */
#define WEFT_MAX_WIDTH     64.0f

/* A float of weft_optimizer, an option of its line, and the kinds that have it. */
struct weft_optimizer_field {
    const char *name; /* NULL ends the list */
    size_t offset;
    float max;
    bool sgd, adam; /* adam: adamw too */
};
extern const struct weft_optimizer_field weft_optimizer_fields[];

/* The layer called `name`, WEFT_BATCH for "input", WEFT_NO_NODE if there is none. */
int weft_net_builder_find(const struct weft_net_builder *builder, const char *name);

/* The first layer that is neither read nor an output, or WEFT_NO_NODE. */
int weft_net_builder_unread(const struct weft_net_builder *builder);

#endif
