/* SPDX-License-Identifier: Apache-2.0 */
/* flatten: an image to a row. No data moves; only the shape changes. */
#include "ops/op.h"

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    size_t count = weft_shape_count(node->in[0]);
    (void)p;
    if (count > WEFT_MAX_VALUES)
        return weft_fail(ctx, WEFT_ERR_ARG, "a row of %zu values is too large", count);
    node->out = (struct weft_shape){1, 1, (int)count};
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    (void)node;
    return 0;
}

const struct weft_op weft_op_flatten = {
    .name = "flatten",
    .shape = shape,
    .flops = flops,
    .flattens = true,
};
