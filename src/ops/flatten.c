/* SPDX-License-Identifier: Apache-2.0 */
/* flatten: an image becomes a row. Nothing moves: only the shape changes. */
#include "ops/op.h"

#include <limits.h>

static enum weft_status parse(struct weft_line_parser *parser, struct weft_node *node)
{
    (void)parser;
    (void)node;
    return WEFT_OK;
}

static enum weft_status shape(struct weft_line_parser *parser, struct weft_node *node)
{
    size_t count = weft_shape_count(node->in[0]);
    if (count > INT_MAX)
        return weft_line_parser_fail(parser, "%zu values in a row are too many", count);
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
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .flattens = true,
};
