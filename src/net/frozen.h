/* SPDX-License-Identifier: Apache-2.0 */
/* The first part of a network that training does not change. */
#ifndef WEFT_NET_FROZEN_H
#define WEFT_NET_FROZEN_H

#include "net/graph.h"

/* The number of nodes of the longest first part with weights, all of them frozen, whose
 * outputs do not depend on chance, and of which the rest reads the last output only. 0:
 * there is none. */
int weft_net_frozen_nodes(const struct weft_net *net);

/* The nodes from `first` to before `end` as a network, whose input is the output of the
 * node before `first`. Its weights are where those of `net` are. `end` is the number of
 * all nodes, or the output of the last one is that of the part. */
enum weft_status weft_net_cut(const struct weft_net *net, int first, int end,
                              struct weft_net **out);

#endif
