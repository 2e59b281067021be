/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's layers on weft's primitives. ONNX has images as [n][c][h][w] and weights as
 * [out][in][r][s]; everything is transposed here, and back for the comparison. Images of
 * one dimension are images of one row. */
#include "onnx/oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct weft_activation identity = {.act = WEFT_ACT_identity};

/* [n][c][area] to [n][area][c]. */
static float *channels_last(const struct onnx_tensor *from, int c, size_t area)
{
    float *out = oracle_alloc(from->count, sizeof(*out));
    for (size_t i = 0; i < from->count; i++) {
        size_t place = i % area, channel = i / area % (size_t)c;
        size_t n = i / area / (size_t)c;
        out[(n * area + place) * (size_t)c + channel] = (float)from->values[i];
    }
    return out;
}

/* A result with c channels, in ONNX's order. */
static struct oracle_result read_channels_first(struct oracle *oracle,
                                                struct weft_view view, int c, size_t area)
{
    struct oracle_result from = oracle_read(oracle, view), out = oracle_zeros(view.count);
    for (size_t i = 0; i < view.count; i++) {
        size_t place = i % area, channel = i / area % (size_t)c;
        size_t n = i / area / (size_t)c;
        out.value[i] = from.value[(n * area + place) * (size_t)c + channel];
        out.bound[i] = from.bound[(n * area + place) * (size_t)c + channel];
    }
    oracle_result_free(&from);
    return out;
}

static struct weft_view put_channels_last(struct oracle *oracle,
                                          const struct onnx_tensor *from, int c,
                                          size_t area)
{
    float *turned = channels_last(from, c, area);
    struct weft_view view = oracle_upload(oracle, turned, from->count);
    free(turned);
    return view;
}

struct weft_view oracle_put(struct oracle *oracle, const struct onnx_tensor *from)
{
    float *rounded = oracle_to_float(from);
    struct weft_view view = oracle_upload(oracle, rounded, from->count);
    free(rounded);
    return view;
}

void oracle_compare_view(struct oracle *oracle, const struct onnx_test *test, int index,
                         struct weft_view view)
{
    oracle_compare(oracle, test, index, oracle_read(oracle, view));
}

/* The sliding window of Conv and MaxPool: first the rows, then the columns. */
struct window {
    int n, c, in[2], size[2], stride[2], dilation[2], before[2], after[2], out[2];
};

static int number(const struct onnx_test *test, const char *name, int index,
                  int otherwise)
{
    const struct onnx_attribute *found = onnx_attribute(&test->model->node, name);
    return found && index < found->int_count ? (int)found->ints[index] : otherwise;
}

/* auto_pad SAME_UPPER and SAME_LOWER: the output is ceil(input / stride), and the odd one
 * of padding goes to the end or the beginning. */
static void pad_same(struct window *w, int axis, bool lower)
{
    int out = (w->in[axis] + w->stride[axis] - 1) / w->stride[axis];
    int span = w->dilation[axis] * (w->size[axis] - 1) + 1;
    int all = (out - 1) * w->stride[axis] + span - w->in[axis];
    all = all > 0 ? all : 0;
    w->before[axis] = lower ? (all + 1) / 2 : all / 2;
    w->after[axis] = all - w->before[axis];
}

static const char *read_window(const struct onnx_test *test,
                               const struct onnx_tensor *weights, struct window *w)
{
    const struct onnx_tensor *x = &test->inputs[0];
    const struct onnx_attribute *pad = onnx_attribute(&test->model->node, "auto_pad");
    int spatial = x->rank - 2;

    if (x->type != ONNX_FLOAT)
        return "not of 32-bit floats, which weft's networks are made of";
    if (spatial != 1 && spatial != 2)
        return "three spatial dimensions; weft has images";
    *w = (struct window){.n = (int)x->dims[0], .c = (int)x->dims[1]};
    for (int axis = 0; axis < 2; axis++) {
        int from = axis - (2 - spatial); /* index in ONNX's lists; -1: the only row */
        bool real = from >= 0;
        w->in[axis] = real ? (int)x->dims[2 + from] : 1;
        w->size[axis] = !real     ? 1
                        : weights ? (int)weights->dims[2 + from]
                                  : number(test, "kernel_shape", from, 1);
        w->stride[axis] = real ? number(test, "strides", from, 1) : 1;
        w->dilation[axis] = real ? number(test, "dilations", from, 1) : 1;
        w->before[axis] = real ? number(test, "pads", from, 0) : 0;
        w->after[axis] = real ? number(test, "pads", from + spatial, 0) : 0;
        if (pad && !strncmp(pad->s, "SAME", 4))
            pad_same(w, axis, !strcmp(pad->s, "SAME_LOWER"));
        int room = w->in[axis] + w->before[axis] + w->after[axis] -
                   w->dilation[axis] * (w->size[axis] - 1) - 1;
        /* ceil_mode: a last window that is not whole, as if there were more padding. */
        if (oracle_int(test, "ceil_mode", 0) && room % w->stride[axis]) {
            int more = w->stride[axis] - room % w->stride[axis];
            w->after[axis] += more;
            room += more;
        }
        w->out[axis] = room / w->stride[axis] + 1;
    }
    return NULL;
}

/* [out][in][r][s] to [r][s][in][out]. */
static struct weft_view put_filters(struct oracle *oracle, const struct onnx_tensor *from)
{
    float *turned = oracle_alloc(from->count, sizeof(*turned));
    size_t k = (size_t)from->dims[0], c = (size_t)from->dims[1];
    size_t area = c && k ? from->count / c / k : 0;
    for (size_t i = 0; i < from->count; i++) {
        size_t place = i % area, in = i / area % c, out = i / area / c;
        turned[(place * c + in) * k + out] = (float)from->values[i];
    }
    struct weft_view view = oracle_upload(oracle, turned, from->count);
    free(turned);
    return view;
}

const char *oracle_conv(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *weights = &test->inputs[1], *bias = &test->inputs[2];
    struct window w;
    const char *reason = read_window(test, weights, &w);
    if (reason)
        return reason;

    int k = (int)weights->dims[0];
    size_t area = (size_t)w.out[0] * (size_t)w.out[1];
    size_t count = (size_t)w.n * (size_t)k * area;
    struct weft_conv_args args = {
        .conv = {.n = w.n,
                 .h = w.in[0],
                 .w = w.in[1],
                 .c = w.c,
                 .k = k,
                 .r = w.size[0],
                 .s = w.size[1],
                 .stride_y = w.stride[0],
                 .stride_x = w.stride[1],
                 .dilation_y = w.dilation[0],
                 .dilation_x = w.dilation[1],
                 .pad_top = w.before[0],
                 .pad_left = w.before[1],
                 .pad_bottom = w.after[0],
                 .pad_right = w.after[1],
                 .groups = (int)oracle_int(test, "group", 1),
                 .out_h = w.out[0],
                 .out_w = w.out[1]},
        .activation = identity,
        .x = put_channels_last(oracle, &test->inputs[0], w.c,
                               (size_t)w.in[0] * (size_t)w.in[1]),
        .w = put_filters(oracle, weights),
        .y = oracle_allocate(oracle, LAB_FLOAT, count),
    };
    if (bias->values)
        args.bias = oracle_put(oracle, bias);
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->conv_forward(list, &args));
    oracle_finish(oracle);

    oracle_compare(oracle, test, 0, read_channels_first(oracle, args.y, k, area));
    return NULL;
}

/* ONNX's index of a maximum is its position in the whole input, rows first or columns
 * first; weft's is its position in the window. */
static double index_of(const struct onnx_test *test, const struct window *w, size_t i,
                       int place)
{
    size_t x = i % (size_t)w->out[1], y = i / (size_t)w->out[1] % (size_t)w->out[0];
    size_t plane = i / (size_t)w->out[1] / (size_t)w->out[0];
    double row = (double)y * w->stride[0] - w->before[0] + place / w->size[1];
    double column = (double)x * w->stride[1] - w->before[1] + place % w->size[1];
    double in_plane = oracle_int(test, "storage_order", 0) ? column * w->in[0] + row
                                                           : row * w->in[1] + column;
    return (double)plane * w->in[0] * w->in[1] + in_plane;
}

/* MaxPool's second output. */
static void compare_places(struct oracle *oracle, const struct onnx_test *test,
                           const struct window *w, struct weft_view argmax)
{
    size_t area = (size_t)w->out[0] * (size_t)w->out[1];
    struct oracle_result places = read_channels_first(oracle, argmax, w->c, area);
    for (size_t i = 0; i < places.count; i++)
        places.value[i] = index_of(test, w, i, (int)places.value[i]);
    oracle_compare(oracle, test, 1, places);
}

static const char *pool(struct oracle *oracle, const struct onnx_test *test,
                        enum weft_pool_kind kind, bool whole)
{
    struct window w;
    const char *reason = read_window(test, NULL, &w);
    if (reason)
        return reason;
    if (w.dilation[0] != 1 || w.dilation[1] != 1)
        return "dilated; weft's pools are not";
    for (int axis = 0; whole && axis < 2; axis++) {
        w.size[axis] = w.stride[axis] = w.in[axis];
        w.out[axis] = 1;
    }

    size_t area = (size_t)w.out[0] * (size_t)w.out[1];
    size_t count = (size_t)w.n * (size_t)w.c * area;
    struct weft_pool_args args = {
        .pool = {.n = w.n,
                 .h = w.in[0],
                 .w = w.in[1],
                 .c = w.c,
                 .r = w.size[0],
                 .s = w.size[1],
                 .stride_y = w.stride[0],
                 .stride_x = w.stride[1],
                 .pad_top = w.before[0],
                 .pad_left = w.before[1],
                 .pad_bottom = w.after[0],
                 .pad_right = w.after[1],
                 .out_h = w.out[0],
                 .out_w = w.out[1],
                 .kind = kind},
        .x = put_channels_last(oracle, &test->inputs[0], w.c,
                               (size_t)w.in[0] * (size_t)w.in[1]),
        .y = oracle_allocate(oracle, LAB_FLOAT, count),
    };
    if (oracle_int(test, "count_include_pad", 0)) {
        args.pool.count_top = w.before[0];
        args.pool.count_left = w.before[1];
        args.pool.count_bottom = w.after[0];
        args.pool.count_right = w.after[1];
    }
    if (kind == WEFT_POOL_MAX)
        args.argmax = oracle_allocate(
            oracle, weft_pool_argmax_bytes(&args.pool) == 1 ? LAB_BYTE : LAB_INT32,
            count);
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->pool_forward(list, &args));
    oracle_finish(oracle);

    oracle_compare(oracle, test, 0, read_channels_first(oracle, args.y, w.c, area));
    if (kind == WEFT_POOL_MAX)
        compare_places(oracle, test, &w, args.argmax);
    return NULL;
}

const char *oracle_max_pool(struct oracle *oracle, const struct onnx_test *test)
{
    return pool(oracle, test, WEFT_POOL_MAX, false);
}

const char *oracle_average_pool(struct oracle *oracle, const struct onnx_test *test)
{
    return pool(oracle, test, WEFT_POOL_MEAN, false);
}

const char *oracle_global_max_pool(struct oracle *oracle, const struct onnx_test *test)
{
    return pool(oracle, test, WEFT_POOL_MAX, true);
}

const char *oracle_global_average_pool(struct oracle *oracle,
                                       const struct onnx_test *test)
{
    return pool(oracle, test, WEFT_POOL_MEAN, true);
}

const char *oracle_add(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *a = &test->inputs[0], *b = &test->inputs[1];
    if (a->type != ONNX_FLOAT)
        return "not of 32-bit floats, which weft's networks are made of";
    if (a->count != b->count)
        return "shapes that differ; weft adds what has the same shape";
    struct weft_add_args args = {.x = oracle_put(oracle, a),
                                 .other = oracle_put(oracle, b),
                                 .y = oracle_allocate(oracle, LAB_FLOAT, a->count)};
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->add(list, &args));
    oracle_finish(oracle);

    oracle_compare_view(oracle, test, 0, args.y);
    return NULL;
}

/* alpha op(A) op(B), with rows x columns; alpha is 1 for what is not a weight. */
static struct weft_view put_matrix(struct oracle *oracle, const struct onnx_tensor *from,
                                   bool transposed, double alpha)
{
    size_t rows = (size_t)from->dims[0], columns = (size_t)from->dims[1];
    float *turned = oracle_alloc(from->count, sizeof(*turned));
    for (size_t i = 0; i < from->count; i++) {
        size_t place = transposed ? i % columns * rows + i / columns : i;
        turned[place] = (float)(alpha * from->values[i]);
    }
    struct weft_view view = oracle_upload(oracle, turned, from->count);
    free(turned);
    return view;
}

const char *oracle_gemm(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *a = &test->inputs[0], *b = &test->inputs[1];
    const struct onnx_tensor *c = &test->inputs[2];
    bool turn_a = oracle_int(test, "transA", 0), turn_b = oracle_int(test, "transB", 0);
    double alpha = oracle_double(test, "alpha", 1), beta = oracle_double(test, "beta", 1);
    int n = (int)a->dims[turn_a], in = (int)a->dims[!turn_a], out = (int)b->dims[!turn_b];

    if (c->values && c->count != 1 && c->count != (size_t)out)
        return "C has a number for each output of each row; weft's bias is one row";
    struct weft_dense_args args = {
        .dense = {n, in, out},
        .activation = identity,
        .x = put_matrix(oracle, a, turn_a, 1),
        .w = put_matrix(oracle, b, turn_b, alpha),
        .y = oracle_allocate(oracle, LAB_FLOAT, (size_t)n * (size_t)out),
    };
    if (c->values) {
        float *row = oracle_alloc((size_t)out, sizeof(*row));
        for (int i = 0; i < out; i++)
            row[i] = (float)(beta * c->values[c->count == 1 ? 0 : i]);
        args.bias = oracle_upload(oracle, row, (size_t)out);
        free(row);
    }
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->dense_forward(list, &args));
    oracle_finish(oracle);

    oracle_compare_view(oracle, test, 0, args.y);
    return NULL;
}

/* Before opset 13 the tensor is flattened to a matrix at `axis`; since then the softmax
 * runs along that axis alone, which is moved to the end. */
const char *oracle_softmax(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0];
    bool folded = test->model->opset < 13;
    int64_t axis = oracle_int(test, "axis", folded ? 1 : -1);
    axis += axis < 0 ? x->rank : 0;
    size_t classes = folded ? 1 : (size_t)x->dims[axis], inner = 1;
    for (int i = (int)axis; folded && i < x->rank; i++)
        classes *= (size_t)x->dims[i];
    for (int i = (int)axis + 1; !folded && i < x->rank; i++)
        inner *= (size_t)x->dims[i];

    struct weft_softmax_args args = {
        .n = (int)(x->count / classes),
        .classes = (int)classes,
        .x = put_channels_last(oracle, x, (int)classes, inner),
        .y = oracle_allocate(oracle, LAB_FLOAT, x->count),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->softmax(list, &args));
    oracle_finish(oracle);

    oracle_compare(oracle, test, 0,
                   read_channels_first(oracle, args.y, (int)classes, inner));
    return NULL;
}

/* Shapes alone: nothing is computed, and weft has the values of an image in another
 * order. */
const char *oracle_flatten(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0], *y = &test->outputs[0];
    int64_t axis = oracle_int(test, "axis", 1);
    axis += axis < 0 ? x->rank : 0;
    if (x->rank != 4 || axis != 1)
        return "not a batch of images made rows, which is all that weft flattens";

    char text[128];
    struct weft_layer_info layer;
    weft_net *net = NULL;
    snprintf(text, sizeof(text), "input %d %d %d\nflatten\ndense 2\nsoftmax\n",
             (int)x->dims[2], (int)x->dims[3], (int)x->dims[1]);
    oracle_require_ok(oracle, weft_net_create(oracle->context, text, NULL, &net));
    oracle_require_ok(oracle, weft_net_layer(net, 0, &layer));
    weft_net_destroy(&net);
    int row =
        layer.height * layer.width * layer.channels + (oracle->inject_fault ? 1 : 0);
    oracle->compared++;
    oracle->wrong += y->rank != 2 || y->dims[0] != x->dims[0] || y->dims[1] != row;
    return NULL;
}
