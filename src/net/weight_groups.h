/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of weights with their own learning rate and decay, or frozen. */
#ifndef WEFT_NET_WEIGHT_GROUPS_H
#define WEFT_NET_WEIGHT_GROUPS_H

#include "net/graph.h"
#include "shared/weight_groups.h"

struct weft_weight_groups {
    int count;       /* 0: all weights have the optimizer's rate and decay */
    uint32_t *of;    /* the group of each GROUP_WEIGHTS weights */
    size_t of_count; /* of `of` */
    float *settings; /* GROUP_SETTINGS for each group (shared/weight_groups.h) */
};

/* The groups of a network's weights, by the words of its layers and the decay of the
 * optimizer. WEFT_ERR_NOMEM. */
enum weft_status weft_weight_groups_build(const struct weft_net *net,
                                          const struct weft_optimizer *optimizer,
                                          struct weft_weight_groups *out);
void weft_weight_groups_free(struct weft_weight_groups *groups);

#endif
