/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as text, and what they cost. */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A network is a text in UTF-8, one layer a line; # starts a comment. Plain words come
 * first, in this order; options are name=value, here with their defaults.
 *
 *     input HEIGHT WIDTH CHANNELS      optional: otherwise the data decides
 *     conv FILTERS RxS [ACT]           stride=1 pad=valid dilation=1 groups=1 bias=yes
 *                                      init=he
 *     max-pool RxS                     stride=RxS pad=valid
 *     avg-pool RxS                     stride=RxS pad=valid
 *     global-max-pool                  of the whole image: 1x1xCHANNELS remain, and a
 *     global-avg-pool                  dense may follow without a flatten
 *     dense UNITS [ACT]                bias=yes init=he
 *     batch-norm [ACT]                 momentum=0.1 epsilon=1e-5
 *     ACT                              relu, sigmoid, tanh, gelu, silu, or
 *                                      leaky-relu slope=0.01
 *     add NAME [ACT]                   the sum of two layers of the same shape: that of
 *                                      the line before, and NAME
 *     dropout RATE
 *     flatten
 *     softmax                          last: probabilities out, cross-entropy in training
 *     loss                             smoothing=0: label smoothing of the cross-entropy
 *     optimizer sgd|adam|adamw RATE    momentum=0.9 nesterov=no beta1=0.9 beta2=0.999
 *                                      epsilon=1e-8 decay=0
 *     batch N
 *
 * RxS, stride, dilation and pad take one number or two, rows first: 3x5. pad may be
 * `valid` (none) or `same`: the output is ceil(input / stride), the odd row or column of
 * padding lies at the bottom and right. In pools padding takes no part: a mean is over
 * the places inside (PyTorch's count_include_pad=False). init is he, glorot or uniform.
 *
 * A layer reads what the line before makes. Any layer's line may end in as=NAME, which
 * names what it makes, and in from=NAME, which has it read what NAME makes instead; NAME
 * stands above, and `input` is the batch. So branches come about, and `add` joins them:
 *
 *     conv 64 3x3 pad=same as=before
 *     conv 64 3x3 relu pad=same
 *     conv 64 3x3 pad=same
 *     add before relu
 *
 * Everything that a line makes must be read, but for the last line's. */
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

struct weft_net_params {
    const char *name;            /* for error sentences: a file's name; NULL: "network" */
    int height, width, channels; /* of the input; 0: as the text's `input` line says */
    int classes; /* the last layer must have as many outputs; 0: not checked */
};
#define weft_net_params(...) (&(struct weft_net_params){__VA_ARGS__})

/* Reads a network and works out every shape. Errors name the line.
 * WEFT_ERR_FORMAT, WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_net_create(weft_context *context, const char *text,
                                          const struct weft_net_params *params,
                                          weft_net **out);
WEFT_API void weft_net_destroy(weft_net **net);

/* The text of the built-in network called `name`, or NULL. With `index` >= 0 and `name`
 * NULL: the name of the index-th built-in, NULL after the last. */
WEFT_API const char *weft_net_builtin(const char *name, int index);

struct weft_net_info {
    const char *name, *text; /* live as long as the network */
    int layers;
    int height, width, channels, classes; /* classes: outputs of the last layer */
    int64_t weights;                      /* trained numbers */
    double flops; /* forward, one image; a multiply-add counts 2 */
    int batch;    /* what the text says; 0 if nothing */
    struct weft_optimizer optimizer;
    float label_smoothing;
};
WEFT_API void weft_net_info(const weft_net *net, struct weft_net_info *out);

struct weft_layer_info {
    const char *name;            /* "conv1" */
    const char *op;              /* "conv" */
    char text[96];               /* "conv 32 3x3 relu" */
    int height, width, channels; /* of its output */
    int64_t weights;
    double flops; /* forward, one image */
    double bytes; /* read and written forward for one image, weights not counted */
};
/* WEFT_ERR_ARG if there is no layer `index`. */
WEFT_API enum weft_status weft_net_layer(const weft_net *net, int index,
                                         struct weft_layer_info *out);

#ifdef __cplusplus
}
#endif
#endif
