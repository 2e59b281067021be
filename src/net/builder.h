/* SPDX-License-Identifier: Apache-2.0 */
/* The network builder, shared by its public functions (builder.c) and the text parser. */
#ifndef WEFT_NET_BUILDER_H
#define WEFT_NET_BUILDER_H

#include "net/graph.h"

struct weft_net_builder {
    weft_context *ctx;
    struct weft_net *net;
    int node_capacity, layer_capacity;
    int classes; /* required; 0: any number */
};

/* The layer called `name`, WEFT_BATCH for "input", WEFT_NO_NODE if there is none. */
int weft_net_builder_find(const struct weft_net_builder *builder, const char *name);

/* The first layer that is neither read nor an output, or WEFT_NO_NODE. */
int weft_net_builder_unread(const struct weft_net_builder *builder);

#endif
