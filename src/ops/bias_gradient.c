/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of a bias whose weight is frozen: sums of dy over the positions of each
 * image, then over images. */
#include "ops/op.h"

size_t weft_op_bias_sums(const struct weft_node *node, int n)
{
    return weft_node_trains_bias_only(node)
               ? (size_t)n * node->params[WEFT_PARAM_BIAS].count
               : 0;
}

enum weft_status weft_op_bias_gradient(struct weft_command_list *list,
                                       const struct weft_node_tensors *tensors)
{
    const struct weft_view dbias = tensors->dparams[WEFT_PARAM_BIAS];
    size_t images = (size_t)tensors->n * dbias.count;
    struct weft_scale_gradient_args args = {
        .n = tensors->n,
        .positions = (int)(tensors->dy.count / images),
        .channels = (int)dbias.count,
        .sums = true,
        .dy = tensors->dy,
        .dscale = tensors->saved,
    };
    WEFT_TRY(
        weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE, WEFT_PHASE_BWD_WEIGHTS));
    if (args.positions > 1) {
        WEFT_TRY(list->primitives->scale_gradient(list, &args));
        args.dy = tensors->saved;
    }
    args.positions = args.n;
    args.n = 1;
    args.dscale = dbias;
    return list->primitives->scale_gradient(list, &args);
}
