/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: the text format, shapes and cost. */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A network is UTF-8 text, one layer a line; # starts a comment. Plain words come first,
 * in this order; options are name=value, here with their defaults.
 *
 *     input HEIGHT WIDTH CHANNELS      optional: otherwise taken from the data
 *     conv FILTERS RxS [ACT]           stride=1 pad=valid dilation=1 groups=1 bias=yes
 *                                      init=he
 *     max-pool RxS                     stride=RxS pad=valid
 *     avg-pool RxS                     stride=RxS pad=valid
 *     global-max-pool                  over the whole image: 1x1xCHANNELS remain; a dense
 *     global-avg-pool                  layer may follow without a flatten
 *     dense UNITS [ACT]                bias=yes init=he
 *     batch-norm [ACT]                 momentum=0.1 epsilon=1e-5
 *     ACT                              relu, sigmoid, tanh, gelu, silu, or
 *                                      leaky-relu slope=0.01
 *     add NAME [ACT]                   sum of two tensors of the same shape: the output
 *                                      of the line before, and NAME
 *     dropout RATE
 *     flatten
 *     softmax                          last: probabilities out, cross-entropy in training
 *     loss                             smoothing=0: label smoothing of the cross-entropy
 *     optimizer sgd|adam|adamw RATE    momentum=0.9 nesterov=no beta1=0.9 beta2=0.999
 *                                      epsilon=1e-8 decay=0
 *     batch N
 *
 * RxS, stride, dilation and pad take one number or two, rows first: 3x5. pad may be
 * `valid` (none) or `same`: the output is ceil(input / stride), an odd row or column of
 * padding is at the bottom and right. A mean pool averages the positions inside the image
 * (PyTorch's count_include_pad=False). init is he, glorot or uniform.
 *
 * The input of a layer is the output of the line before. as=NAME at the end of a line
 * names its output, from=NAME selects a named output as its input; NAME must stand above,
 * and `input` is the batch. This makes branches, and `add` joins them:
 *
 *     conv 64 3x3 pad=same as=before
 *     conv 64 3x3 relu pad=same
 *     conv 64 3x3 pad=same
 *     add before relu
 *
 * Every output except the last must be read. */
typedef struct weft_net weft_net;

enum weft_optimizer_kind {
    WEFT_OPTIMIZER_SGD,
    WEFT_OPTIMIZER_ADAM,
    WEFT_OPTIMIZER_ADAMW
};

/* SGD: v = momentum v + g + decay w; w -= rate (nesterov ? g + decay w + momentum v : v).
 * Adam (Kingma and Ba 2015, arXiv:1412.6980), with L2 in the gradient; AdamW (Loshchilov
 * and Hutter 2019, arXiv:1711.05101): decay apart from the gradient, w -= rate decay w.
 */
struct weft_optimizer {
    enum weft_optimizer_kind kind;
    float learning_rate, momentum, beta1, beta2, epsilon, weight_decay;
    bool nesterov;
};

/* Storage type of a network's tensors. Float16 halves the memory and the traffic of
 * activations, in training of their gradients and at inference of weights. All sums and
 * activations are computed in float32, so a device needs no float16 arithmetic. Trained
 * weights and probabilities are always float32. AUTO selects float16 where it is measured
 * to be faster and accurate (weft/inference.h, weft/train.h). */
enum weft_precision {
    WEFT_PRECISION_FLOAT32,
    WEFT_PRECISION_FLOAT16,
    WEFT_PRECISION_AUTO
};

struct weft_net_params {
    size_t struct_size;
    const char *name;            /* for error messages: a file name; NULL: "network" */
    int height, width, channels; /* of the input; 0: from the text's `input` line */
    int classes; /* required number of outputs of the last layer; 0: not checked */
};
#define weft_net_params(...)                                                  \
    (&(struct weft_net_params){.struct_size = sizeof(struct weft_net_params), \
                               __VA_ARGS__})

/* Parses a network and infers every shape. Errors name the line.
 * WEFT_ERR_FORMAT, WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_net_create(weft_context *context, const char *text,
                                          const struct weft_net_params *params,
                                          weft_net **out);
WEFT_API void weft_net_destroy(weft_net **net);

/* The text of the built-in network `name`, or NULL. With `name` NULL: the name of the
 * built-in network number `index`, NULL after the last. */
WEFT_API const char *weft_net_builtin(const char *name, int index);

struct weft_net_info {
    const char *name, *text; /* live as long as the network */
    int layers;
    int height, width, channels, classes; /* classes: outputs of the last layer */
    int64_t weights;                      /* number of trained parameters */
    double flops; /* forward, one image; a multiply-add counts 2 */
    int batch;    /* from the text; 0: not given */
    struct weft_optimizer optimizer;
    float label_smoothing;
};
WEFT_API void weft_net_info(const weft_net *net, struct weft_net_info *out, size_t size);
#define weft_net_info(net, out) weft_net_info(net, out, sizeof(*(out)))

struct weft_layer_info {
    const char *name;            /* "conv1" */
    const char *op;              /* "conv" */
    char text[96];               /* "conv 32 3x3 relu" */
    int height, width, channels; /* of its output */
    int64_t weights;
    double flops; /* forward, one image */
    double bytes; /* read and written forward for one image, without weights */
};
/* WEFT_ERR_ARG beyond the last layer. */
WEFT_API enum weft_status weft_net_layer(const weft_net *net, int index,
                                         struct weft_layer_info *out, size_t size);
#define weft_net_layer(net, index, out) weft_net_layer(net, index, out, sizeof(*(out)))

#ifdef __cplusplus
}
#endif
#endif
