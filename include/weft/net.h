/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: the text format, the builder, shapes and cost. */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A network is UTF-8 text, one layer a line; # starts a comment. The words of a line may
 * come in any order, numbers in that of the table; options are name=value, here with
 * their defaults.
 *
 *     input HEIGHT WIDTH CHANNELS      optional: otherwise taken from the data
 *     width-multiplier F               optional, before the layers: see below
 *     conv FILTERS RxS [ACT]           stride=1 pad=valid dilation=1 groups=1 bias=yes
 *                                      init=he
 *                                      rate=1 bias-rate=1 decay=D frozen=no
 *     max-pool RxS                     stride=RxS pad=valid ceil=no
 *     avg-pool RxS                     stride=RxS pad=valid ceil=no count-include-pad=no
 *     global-max-pool                  over the whole image: 1x1xCHANNELS remain; a dense
 *     global-avg-pool                  layer may follow without a flatten
 *     dense UNITS [ACT]                bias=yes init=he; UNITS `classes`: as many as
 *                                      the data have; and as conv rate ... frozen
 *     batch-norm [ACT]                 momentum=0.1 epsilon=1e-5 rate ... frozen
 *     layer-norm [ACT]                 epsilon=1e-5, over the channels of each position;
 *                                      rate ... frozen
 *     prelu                            ReLU with a learned slope for each channel;
 *                                      rate=1 decay=D frozen=no
 *     ACT                              relu, relu6, sigmoid, hard-sigmoid, tanh, gelu,
 *                                      silu, hard-swish, leaky-relu slope=0.01, linear
 *                                      slope=1, or clip low=-1 high=1
 *     add NAME [ACT]                   sum of two tensors of the same shape: the output
 *                                      of the line before, and NAME
 *     concat NAME...                   channels of the line before, then of one to seven
 *                                      NAMEs, which have the same height and width
 *     slice FIRST COUNT                COUNT channels from FIRST on, counted from 0
 *     scale NAME                       each channel of each image times a number: NAME is
 *                                      1x1xCHANNELS
 *     channel-shuffle GROUPS           channel i of group g becomes channel i GROUPS + g
 *     dropout RATE
 *     flatten
 *     softmax                          probabilities; in training cross-entropy
 *     output NAME                      makes NAME an output of the network
 *     loss                             smoothing=0: label smoothing of the cross-entropy
 *     optimizer sgd|adam|adamw RATE    momentum=0.9 nesterov=no beta1=0.9 beta2=0.999
 *                                      epsilon=1e-8 decay=0 decay-norms=no clip=0
 *     schedule KIND                    constant, or with the fraction of the run and
 *                                      factors of the learning rate, warmup=0 start=0 and
 *       step                           factor=0.1 every=0.3
 *       linear, cosine                 final=0
 *       one-cycle                      warmup=0.3 start=0.04 final=4e-6
 *       exponential                    final=0.01
 *     average none                     the weights that are evaluated and saved, or with
 *       ema DECAY                      every=1: their moving average
 *       lookahead DECAY                every=5
 *     augment                          flip or alternating-flip, shift=0 border=reflect
 *                                      cutout=0 erase=0 crop=0 rotate=0 scale=0 shear=0
 *                                      translate=0 brightness=0 contrast=0 saturation=0
 *                                      trivial-augment mixup=0 cutmix=0 unmixed=0: see
 *                                      below
 *     batch N
 *
 * RxS, stride, dilation and pad take one number or two, rows first: 3x5. pad may also be
 * `valid` (none), `same`, or four numbers TOP,LEFT,BOTTOM,RIGHT. With `same` the output
 * is ceil(input / stride), and an odd row or column of padding is at the bottom and
 * right. A mean pool averages the positions inside the image, with count-include-pad=yes
 * those of the padding too, as zeros; ceil=yes adds windows that are cut at the bottom
 * and right. Both are those of PyTorch. init is he, glorot or uniform; of conv also
 * identity (each filter passes one input on, as long as there are inputs; the others are
 * uniform) or whiten, of the first layer: the first half of the filters are e / sqrt(l +
 * 5e-4), with the eigenvectors e and largest eigenvalues l of the mean of x x' over the
 * patches x of up to 5,000 training images, the second half their negatives.
 *
 * width-multiplier multiplies FILTERS and UNITS by F, 0.01 to 64, and rounds, at least to
 * 1 (Howard et al. 2017, arXiv:1704.04861), also the groups of depthwise convolutions;
 * not `classes`, and not the filters of init=whiten.
 *
 * The input of a layer is the output of the line before. as=NAME names the output of a
 * line, from=NAME selects a named output as its input; NAME must stand above, and `input`
 * is the batch. This makes branches, and `add` joins them:
 *
 *     conv 64 3x3 pad=same as=before
 *     conv 64 3x3 relu pad=same
 *     conv 64 3x3 pad=same
 *     add before relu
 *
 * A schedule gives the learning rate of each step, RATE times a factor of p, the finished
 * steps relative to those of the run (epochs of weft_train_params): for p < warmup a
 * linear rise from start to 1; then factor^floor(p / every), a line from 1 to final, or
 * final + (1 - final) (1 + cos(pi t)) / 2 with t from 0 to 1 (Loshchilov and Hutter 2017,
 * arXiv:1608.03983), or final^t. one-cycle (Smith 2018, arXiv:1803.09820) rises by a
 * cosine too. A triangle is linear warmup=0.23 start=0.2 final=0.07.
 *
 * The learning rate of a layer's weights is RATE rate, that of its biases RATE rate
 * bias-rate. Its weights decay by `decay`, without it by that of the optimizer's line.
 * Biases, norms and slopes do not decay; with decay-norms=yes they do, biases by decay /
 * bias-rate. frozen=yes keeps a layer's params as they are, and a batch-norm uses its
 * running statistics, as at inference, and leaves them; nothing is computed for the
 * gradients of frozen layers, and none at or before the last of frozen first layers.
 * frozen=weights keeps the weight alone, of a batch-norm the scale; of conv and dense the
 * gradient of the weight is not computed either.
 *
 * clip=C multiplies the gradient of a step by min(1, C / (its norm + 1e-6)), before decay
 * and moments, as clip_grad_norm_ of PyTorch does: the norm is that of all gradients
 * together, without those of frozen weights. It costs two launches a step.
 *
 * After every `every` steps, ema makes the average e keep e + (1 - keep) w, of weights
 * and statistics, with keep = min(DECAY, t / (9 + t)) in update t. lookahead (Zhang et
 * al. 2019, arXiv:1907.08610) does the same with DECAY (finished steps / those of the
 * run)^3, and the weights become the average. Evaluations and model files have the
 * average, a checkpoint both.
 *
 * Augmentation changes the images of training, in each epoch in another way, as a
 * function of the seed, the epoch and the image, whatever the batch and the device; not
 * those of evaluation:
 *
 *     flip               mirrors half of the images, left to right
 *     alternating-flip   mirrors each in every second epoch, half of them in the first
 *     shift=N            moves by up to N rows and columns; what comes in is the image's
 *                        reflection, without repeating its edge, or with border=zeros 0
 *     cutout=N           makes a square of N a side, with its centre anywhere in the
 *                        image and cut at the edges, the data's mean (DeVries and Taylor
 *                        2017, arXiv:1708.04552)
 *     erase=P            does so in a part P of the images with a rectangle of 2 to 40 %
 *                        of the area and an aspect of 0.3 to 1/0.3 (Zhong et al. 2017,
 *                        arXiv:1708.04896)
 *     crop=A             a rectangle of A to 1 of the area, aspect 3/4 to 4/3 and cut at
 *                        the sides, becomes the image: 0.08 for photographs (Szegedy et
 *                        al. 2014, arXiv:1409.4842)
 *     rotate=D           by up to D degrees either way
 *     scale=S            by 1 - S to 1 + S
 *     shear=S            moves rows by up to S times their distance from the middle
 *     translate=T        by up to T times the height, and the width, in parts of pixels
 *     brightness=B       times 1 - B to 1 + B
 *     contrast=C         the distance from the data's mean times 1 - C to 1 + C
 *     saturation=S       the distance from grey times 1 - S to 1 + S, of images of three
 *                        channels
 *     trivial-augment    one of these with one of 31 magnitudes: none, shear to 0.3 by
 *                        rows or columns, translation to 45 % by rows or columns,
 *                        rotation to 30 degrees, brightness, contrast and saturation to
 *                        0.9, fewer bits to 4, inversion of bright pixels (Mueller and
 *                        Hutter 2021, arXiv:2103.10158; without sharpness, equalization
 *                        and autocontrast)
 *
 *     mixup=A            L times the image and 1 - L times the next of the epoch's order,
 *                        both augmented, of which the labels are L and 1 - L, with L
 *                        Beta(A,A) distributed (Zhang et al. 2017, arXiv:1710.09412)
 *     cutmix=A           instead, a rectangle of the next image's place with sides of
 *                        sqrt(1 - L) times the image's, its centre anywhere in it and cut
 *                        at the edges; L becomes the part that remains (Yun et al. 2019,
 *                        arXiv:1905.04899)
 *     unmixed=P          leaves a part P of the images as they are
 *
 * L is one of 4096ths and drawn from the quantiles at multiples of 1/64, linear between
 * them. Crop to translation are one bilinear interpolation; an augmented image that is
 * not mixed has bytes as the original has, the same ones on every device.
 *
 * The output of every layer must be read or be an output of the network. Without `output`
 * lines the last layer is the only output. For training it must be softmax. */
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
    bool decay_norms; /* of biases, norms and slopes too */
    float clip;       /* the largest norm of the gradient; 0: any */
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
    /* Required number of values of the first output, and units of `dense classes`. 0: not
     * checked, and 10. */
    int classes;
    /* Replaced by lines of a text. */
    const struct weft_optimizer *optimizer; /* NULL: adam 1e-3 */
    float label_smoothing;
    int batch; /* 0: not given */
    /* The words behind `schedule`: "cosine warmup=0.1"; NULL: constant. */
    const char *schedule;
    const char *average; /* the words behind `average`; NULL: none */
    /* The words behind `augment`: "flip shift=2"; NULL: none. */
    const char *augment;
    /* True: the extents are those of a text without an `input` line; otherwise such a
     * line must agree with them. */
    bool default_input;
};
#define weft_net_params(...) WEFT_PARAMS(weft_net_params, __VA_ARGS__)

/* Parses a network and infers every shape. Errors name the line.
 * WEFT_ERR_FORMAT, WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_net_create(weft_context *context, const char *text,
                                          const struct weft_net_params *params,
                                          weft_net **out);
WEFT_API void weft_net_destroy(weft_net **net);

/* The builder makes a network without a text. Every layer is checked and its shape
 * inferred when it is added:
 *
 *     weft_net_builder *b;
 *     weft_net_begin(context, weft_net_params(.height = 28, .width = 28, .channels = 1),
 *                    &b);
 *     weft_net_add(b, "conv", weft_layer_params(.filters = 32, .window = {3},
 *                  .activation = "relu"), NULL, 0, NULL);
 *     weft_net_add(b, "flatten", NULL, NULL, 0, NULL);
 *     ...
 *     weft_net_end(&b, &net);
 */
typedef struct weft_net_builder weft_net_builder;

/* The fields of all ops, named as in the table above. Zero is the default of every field;
 * fields that the op does not have must be zero. */
struct weft_layer_params {
    size_t struct_size;
    const char *name;       /* as=NAME */
    const char *activation; /* ACT */
    float alpha, beta;      /* parameters of ACT (slope); both 0: its defaults */
    int filters;
    int units;
    int window[2], stride[2], dilation[2]; /* rows, columns; columns 0: as rows */
    bool same_padding;
    int pad[4]; /* top, left, bottom, right */
    int groups;
    bool no_bias;
    const char *init;
    float rate;
    float momentum, epsilon;
    bool ceil, count_include_pad;
    int first, count;             /* channels */
    float rate_factor, bias_rate; /* rate=, bias-rate= */
    float decay;                  /* negative: none */
    const char *frozen;
};
#define weft_layer_params(...) WEFT_PARAMS(weft_layer_params, __VA_ARGS__)

/* WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_net_begin(weft_context *context,
                                         const struct weft_net_params *params,
                                         weft_net_builder **out);

/* Appends a layer. `op` is the first word of a line: "conv", "relu". `inputs` are layers,
 * or WEFT_NET_INPUT; none (input_count 0) stands for the layer before. *layer, unless
 * NULL, becomes the layer's index (weft_net_layer). After a failure the network is as
 * before. WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
enum { WEFT_NET_INPUT = -1 };
WEFT_API enum weft_status weft_net_add(weft_net_builder *builder, const char *op,
                                       const struct weft_layer_params *params,
                                       const int *inputs, int input_count, int *layer);

/* Makes a layer an output of the network. Without a call the last layer is the only one.
 * WEFT_ERR_ARG. */
WEFT_API enum weft_status weft_net_output(weft_net_builder *builder, int layer);

/* Frees the builder and sets it to NULL, on failure too. `out` NULL: abandons the
 * network. WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_net_end(weft_net_builder **builder, weft_net **out);

/* The text of the built-in network `name`, or NULL. With `name` NULL: the name of the
 * built-in network number `index`, NULL after the last. */
WEFT_API const char *weft_net_builtin(const char *name, int index);

struct weft_net_info {
    const char *name, *text; /* live as long as the network */
    int layers;
    int height, width, channels;
    int classes;          /* values of the first output */
    int outputs;          /* number of outputs */
    size_t output_values; /* of all outputs, for one image */
    int64_t weights;      /* number of trained parameters */
    double flops;         /* forward, one image; a multiply-add counts 2 */
    int batch;            /* from the text; 0: not given */
    struct weft_optimizer optimizer;
    float label_smoothing;
    char schedule[128]; /* "constant" */
    /* A text that weft_net_create parses to the same network, with its input. Only fields
     * that differ from their defaults are written. Lives as long as the network. */
    const char *canonical_text;
    char average[64];  /* "none" */
    char augment[320]; /* "none" */
};
WEFT_API void weft_net_info(const weft_net *net, struct weft_net_info *out, size_t size);
#define weft_net_info(net, out) weft_net_info(net, out, sizeof(*(out)))

struct weft_layer_info {
    const char *name;            /* "conv1" */
    const char *op;              /* "conv" */
    char text[96];               /* "conv 32 3x3 relu" */
    int height, width, channels; /* of its output */
    int64_t weights;
    double flops;      /* forward, one image */
    double bytes;      /* read and written forward for one image, without weights */
    const int *inputs; /* layers, or WEFT_NET_INPUT; live as long as the network */
    int input_count;
};
/* WEFT_ERR_ARG beyond the last layer. */
WEFT_API enum weft_status weft_net_layer(const weft_net *net, int index,
                                         struct weft_layer_info *out, size_t size);
#define weft_net_layer(net, index, out) weft_net_layer(net, index, out, sizeof(*(out)))

#ifdef __cplusplus
}
#endif
#endif
