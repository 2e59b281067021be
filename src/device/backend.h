/* SPDX-License-Identifier: Apache-2.0 */
/* The backend interface.
 *
 * A network is lowered once into a list of launches: each primitive below appends to a
 * list, and nothing runs yet. weft_backend.replay then runs the list any number of times.
 * Geometry is validated above this interface (src/ops); a backend asserts it.
 *
 * Layouts: activations are [image][row][column][channel], convolution weights
 * [row][column][in / groups][out], dense weights [in][out]. Everything is contiguous.
 *
 * Floats are 32 bits. Activations and their gradients may also be stored as float16, each
 * by the type of its view: x, other, y, dy, dx and the activation gradient's output of
 * conv, dense, pool, act, add, the norms, prelu, dropout, batch, cast and the primitives
 * on channels, with scale and dscale of these. So may w of conv and dense, and out_w of
 * fold_batch_norm. All arithmetic is in float32; values are rounded once, to nearest
 * even, when stored. */
#ifndef WEFT_DEVICE_BACKEND_H
#define WEFT_DEVICE_BACKEND_H

#include <weft/device.h>
#include <weft/net.h>

#include "base/context.h"
#include "device/activations.h"
#include "device/batch.h"
#include "device/command_list.h"
#include "device/optimizer_args.h"

/* Fused activation gradient: multiplies a gradient by the derivative of the activation
 * whose output is `output`. Identity: no multiplication, and `output` is absent. Only
 * for activations whose derivative follows from their output. */
struct weft_act_grad {
    struct weft_activation activation;
    struct weft_view output;
};

/* out_h = (h + pad_top + pad_bottom - dilation_y (r - 1) - 1) / stride_y + 1, rounded
 * down; out_w likewise. */
struct weft_conv {
    int n, h, w, c; /* input: images, rows, columns, channels */
    int k;          /* filters: output channels */
    int r, s;       /* window rows and columns */
    int stride_y, stride_x, dilation_y, dilation_x;
    int pad_top, pad_left, pad_bottom, pad_right;
    int groups; /* divides c and k */
    int out_h, out_w;
};

enum weft_pool_kind { WEFT_POOL_MAX, WEFT_POOL_MEAN };

/* Positions outside the image take no part in a maximum. A mean is over those inside and
 * the padding count_*, which is zero; every window holds a position inside. Of equals the
 * first in row order is the maximum. */
struct weft_pool {
    int n, h, w, c;
    int r, s; /* window; 0: no pooling */
    int stride_y, stride_x;
    int pad_top, pad_left, pad_bottom, pad_right;
    int count_top, count_left, count_bottom, count_right; /* at most pad */
    int out_h, out_w;
    enum weft_pool_kind kind;
};

/* Positions of maxima, window row * s + window column: bytes if these suffice, uints
 * for larger windows. */
static inline size_t weft_pool_argmax_bytes(const struct weft_pool *pool)
{
    return pool->r * pool->s <= ARGMAX_BYTE_TAPS ? sizeof(uint8_t) : sizeof(uint32_t);
}

struct weft_dense {
    int n, in, out; /* images, inputs, outputs */
};

/* A convolution with fused operations: z = x * w + bias, y = pool(act(z)).
 *
 * Forward reads x, w, bias and writes y; with a pool, a max pool of at most 255
 * positions, also argmax, unless that is absent. Backward starts from dy, the gradient
 * at y times act'(y): the consumer has applied the activation gradient. With a pool dy
 * is scattered to the positions in argmax. backward_weights reads x, dy, argmax and
 * writes dw, dbias; backward_data reads dy, argmax, w and writes dx times `act_grad`. */
struct weft_conv_args {
    struct weft_conv conv;
    struct weft_activation activation;
    struct weft_pool
        pool; /* r == 0: none; otherwise its input is the output of the convolution */
    struct weft_view x, w, bias; /* bias may be absent */
    struct weft_view y, argmax;
    struct weft_view dy, dw, dbias, dx; /* dbias is absent with bias */
    struct weft_act_grad act_grad;
};

/* y = act(x w + bias). dy as above; backward_data writes dx = dy w^T times `act_grad`,
 * backward_weights dw = x^T dy and dbias = column sums of dy. */
struct weft_dense_args {
    struct weft_dense dense;
    struct weft_activation activation;
    struct weft_view x, w, bias;
    struct weft_view y;
    struct weft_view dy, dw, dbias, dx;
    struct weft_act_grad act_grad;
};

/* Forward writes y and, for a max pool, argmax unless it is absent. Backward writes
 * all of dx: for a max pool the sum of dy over the windows with their maximum there,
 * for a mean pool the sum of dy / divisor over the windows that contain the position. */
struct weft_pool_args {
    struct weft_pool pool;
    struct weft_view x, y, argmax, dy, dx;
};

/* Forward: y = f(x). Backward: dx = dy f'(x, y); reads what the activation needs, the
 * other may be absent. dx may be dy. */
struct weft_act_args {
    struct weft_activation activation;
    struct weft_view x, y, dy, dx;
};

/* y = f(x + other), or y = (x + other) times `act_grad`: one of the two is the
 * identity. Used for residual connections and for sums of gradient terms. All have the
 * same length; y may be x or other, and x may be other. */
struct weft_add_args {
    struct weft_activation activation;
    struct weft_act_grad act_grad;
    struct weft_view x, other, y;
};

/* In each row (a position of an image): y[y_first + c] = x[x_first + c] for c < count,
 * times `act_grad`, whose output is laid out as y. The other channels of y become 0 with
 * `zero_rest`, and else stay as they are. */
struct weft_copy_channels_args {
    int rows, count;
    int x_channels, x_first;
    int y_channels, y_first;
    bool zero_rest;
    struct weft_act_grad act_grad;
    struct weft_view x, y;
};

/* y[image][position][c] = x[image][position][c] scale[image][c], times `act_grad`, whose
 * output is laid out as y. The gradient of x is the same, with dy for x. */
struct weft_scale_args {
    int n, positions, channels;
    struct weft_act_grad act_grad;
    struct weft_view x, scale, y;
};

/* dscale[image][c] = sum over positions of x dy, or with `sums` of dy, in a fixed order,
 * times `act_grad`, whose output is laid out as dscale. With `sums` x is absent. */
struct weft_scale_gradient_args {
    int n, positions, channels;
    bool sums;
    struct weft_act_grad act_grad;
    struct weft_view x, dy, dscale;
};

/* Interleaves `groups` groups of channels (ShuffleNet, arXiv:1707.01083): y[j groups + i]
 * = x[i channels / groups + j] in each row, times `act_grad`. Gradients take the inverse,
 * the shuffle with channels / groups groups. */
struct weft_channel_shuffle_args {
    int rows, channels, groups;
    struct weft_act_grad act_grad;
    struct weft_view x, y;
};

/* Batch normalization over the rows (images times positions) of each channel (Ioffe
 * and Szegedy 2015, arXiv:1502.03167):
 *
 *     y = act((x - mean) scale + bias), scale = weight inverse,
 *     inverse = 1 / sqrt(variance + epsilon)
 *
 * Forward computes mean and variance (the mean square of x - mean) of the batch,
 * writes mean, inverse, scale and y, and updates the running statistics: running +=
 * momentum (batch - running), with the variance times rows / (rows - 1), unless there
 * is one row. Inference reads mean, scale and bias and writes y only. Backward reads
 * x, mean, inverse, scale, bias and dy, the gradient at y, and writes dweight, dbias
 * and, unless absent, dx; it applies the derivative of any activation. dx may be dy. */
struct weft_batch_norm_args {
    int rows, channels;
    float momentum, epsilon;
    struct weft_activation activation;
    struct weft_view x, weight, bias;
    struct weft_view running_mean, running_variance;
    struct weft_view mean, inverse, scale;
    struct weft_view y;
    struct weft_view dy, dx, dweight, dbias;
};

/* Folds a batch normalization at inference into the layer before it, whose weights
 * have `channels` outputs in each of `rows` rows: out_w = w scale, out_bias = (bias -
 * mean) scale + shift, with scale = weight / sqrt(variance + epsilon). An absent w is
 * all ones, an absent bias zeros; out_bias may be absent. */
struct weft_fold_batch_norm_args {
    int rows, channels;
    float epsilon;
    struct weft_view w, bias;
    struct weft_view weight, shift, mean, variance; /* of the normalization */
    struct weft_view out_w, out_bias;
};

/* Layer normalization of each row over its channels (Ba, Kiros and Hinton 2016,
 * arXiv:1607.06450):
 *
 *     y = act((x - mean) inverse weight + bias), inverse = 1 / sqrt(variance + epsilon)
 *
 * with the mean and variance of the row. Forward writes y and, unless absent, mean and
 * inverse of each row. Backward reads x, weight, bias, mean, inverse and dy, the gradient
 * at y, and writes dweight, dbias and, unless absent, dx, with the derivative of the
 * activation. dx may be dy. */
struct weft_layer_norm_args {
    int rows, channels;
    float epsilon;
    struct weft_activation activation;
    struct weft_view x, weight, bias;
    struct weft_view mean, inverse;
    struct weft_view y;
    struct weft_view dy, dx, dweight, dbias;
};

/* y = x > 0 ? x : slope x, with a slope for each channel. Backward reads x, slope and dy
 * and writes dslope and, unless absent, dx. y may be x, dx may be dy. */
struct weft_prelu_args {
    int rows, channels;
    struct weft_view x, slope, y;
    struct weft_view dy, dx, dslope;
};

/* y[i] = uniform(i) < rate ? 0 : x[i] / (1 - rate), with uniform(i) = word i % 4 of
 * weft_philox(seed, counter (i / 4, step, layer + 2^16 part, RANDOM_DROPOUT)). Forward
 * and backward are the same. y may be x. */
struct weft_dropout_args {
    float rate; /* 0 <= rate < 1 */
    unsigned layer;
    struct weft_view state; /* seed, step and part of the batch */
    struct weft_view x, y;
};

/* y = x, converted between float types, or copied. */
struct weft_cast_args {
    struct weft_view x, y;
};

/* Softmax of each row, after subtraction of its maximum. y may be x. */
struct weft_softmax_args {
    int n, classes;
    struct weft_view x, y;
};

/* Cross-entropy of softmax(logits) against q = (1 - smoothing) [class is the label] +
 * smoothing / classes, of a batch or of a shard, n rows of `global_batch`. In a mixed
 * batch the label's part is shares[i] / AUGMENT_SHARES of it, and the partner's the rest.
 * loss[i] = -weight sum q log p; correct[i] (uint) = 1 if the first largest logit is that
 * of the label, or of the partner's if that has more than half; dlogits = weight (p - q)
 * 2^loss_scale_log2 / global_batch, may be absent. The weight is that of the label's
 * class, of two labels in their shares, 1 where class_weights are absent. */
struct weft_loss_args {
    int n, classes, global_batch; /* global_batch >= n */
    float label_smoothing;
    int loss_scale_log2; /* above 0 if gradients are stored as float16 */
    struct weft_view logits;
    struct weft_view labels; /* int */
    struct weft_view class_weights;
    struct weft_view partner_labels, shares; /* ints; both or none */
    struct weft_view dlogits, loss, correct;
};

/* Roofline probes: launches that measure peak performance. `shape` is one of the
 * variants of a kind (vectors, accumulators, work-groups), any of which may be the
 * fastest. A launch repeats its work `rounds` times. READ sums x, COPY copies it to y,
 * the others need one word in y. */
enum weft_probe_kind {
    WEFT_PROBE_FMA, /* multiply-adds in registers */
    WEFT_PROBE_READ,
    WEFT_PROBE_COPY,
    WEFT_PROBE_EMPTY, /* a launch */
    WEFT_PROBE_COUNT
};
enum { WEFT_PROBE_VARIANTS = 8 };
struct weft_roofline_probe_args {
    enum weft_probe_kind kind;
    int shape; /* below WEFT_PROBE_VARIANTS */
    int rounds;
    struct weft_view x, y; /* x.count is a multiple of 2^11 floats a compute unit */
    /* Output of recording: floating-point operations or bytes of a replay; 0: the
     * device has no such variant, and nothing was appended. */
    double *work;
};

/* The head of every backend's device. */
struct weft_device {
    weft_context *context;
    const struct weft_backend *backend;
    struct weft_device_info info;
    size_t allocated;  /* bytes in its buffers */
    size_t max_offset; /* opencl: views that end behind it are bound as sub-buffers */
    enum weft_kernel_family family; /* never AUTO */
    enum weft_gemm_provider gemm;
    struct weft_tuning *tuning; /* NULL: defaults only */
};

/* A discovered device. */
struct weft_device_candidate {
    struct weft_device_info info;
    const struct weft_backend *backend;
    void *handle;     /* for open(); cl_device_id */
    uint8_t uuid[16]; /* all zero: unknown */
};

/* devices.c, for the enumeration of a backend */
enum weft_status weft_devices_add(weft_context *ctx,
                                  const struct weft_device_candidate *found);
enum weft_status weft_device_diagnostic_add(weft_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each appends launches to the list; nothing runs yet. Called through the list, which may
 * record something other than launches (src/tune/collector.c). */
struct weft_primitives {
#define PRIMITIVE(name, args, output)                         \
    enum weft_status (*name)(struct weft_command_list * list, \
                             const struct weft_##args##_args *args);
#include "device/primitives.def"
#undef PRIMITIVE
};

/* A primitive as a value: WEFT_PRIMITIVE_conv_forward. */
enum weft_primitive {
#define PRIMITIVE(name, args, output) WEFT_PRIMITIVE_##name,
#include "device/primitives.def"
#undef PRIMITIVE
    WEFT_PRIMITIVE_COUNT
};

/* The arguments of any primitive, under its name. */
union weft_primitive_args {
#define PRIMITIVE(name, args, output) struct weft_##args##_args name;
#include "device/primitives.def"
#undef PRIMITIVE
};

/* One call of a primitive, for code that handles all primitives alike. */
struct weft_primitive_call {
    enum weft_primitive primitive;
    union weft_primitive_args args;
};

/* A call in a list, and its launches. */
struct weft_recorded_call {
    struct weft_primitive_call call;
    int first, end;
    int node;     /* of the segment; -1: none */
    int winograd; /* the members of struct weft_command_list_info, of this call alone */
    bool tf32x3;
};

/* command_list.c: primitives of a list, which record by the backend's own and remember
 * the call; and one call. */
extern const struct weft_primitives weft_recorded_primitives;
enum weft_status weft_primitive_record(struct weft_command_list *list,
                                       const struct weft_primitive_call *call);

/* `tuner` and `time_replays` may be NULL, and what is behind list_destroy. */
struct weft_backend {
    const char *name;
    const struct weft_tuner *tuner; /* NULL: nothing can be tuned */

    /* Adds devices and diagnostics to the context. A failing driver is a diagnostic, not
     * an error. */
    enum weft_status (*enumerate)(weft_context *ctx);
    enum weft_status (*open)(weft_context *ctx, const struct weft_device_candidate *found,
                             const struct weft_device_params *params,
                             struct weft_device **out);
    void (*close)(struct weft_device *device);

    /* Buffers, initially zero. read and wait are synchronous; write copies `from`.
     * Offsets and sizes in bytes. */
    enum weft_status (*alloc)(struct weft_device *device, size_t bytes,
                              struct weft_mem **out);
    /* One that is written ahead: where the device transfers beside launches, it has two
     * more of this size. */
    enum weft_status (*alloc_staged)(struct weft_device *device, size_t bytes,
                                     struct weft_mem **out);
    void (*free)(struct weft_device *device, struct weft_mem *mem);
    enum weft_status (*write)(struct weft_device *device, struct weft_mem *to,
                              size_t offset, const void *from, size_t bytes);
    /* Asynchronous: `from` must not change until the next read or wait, a call that
     * fails, or a free. */
    enum weft_status (*write_async)(struct weft_device *device, struct weft_mem *to,
                                    size_t offset, const void *from, size_t bytes);
    /* The same of the first `bytes` of a staged buffer, but the transfer begins while
     * earlier replays run: those read what was there before, later ones `from`, which
     * must not change until the next read, wait or wait_written. */
    enum weft_status (*write_ahead)(struct weft_device *device, struct weft_mem *to,
                                    const void *from, size_t bytes);
    /* For all writes ahead, and not for the replays after them. */
    enum weft_status (*wait_written)(struct weft_device *device);
    enum weft_status (*read)(struct weft_device *device, void *to, struct weft_mem *from,
                             size_t offset, size_t bytes);
    enum weft_status (*wait)(struct weft_device *device);

    /* Lists. Between create and finalize primitives append; finalize allocates the
     * workspace and binds arguments; then replay only enqueues. `params` NULL: zero. */
    enum weft_status (*list_create)(struct weft_device *device,
                                    const struct weft_command_list_params *params,
                                    struct weft_command_list **out);
    enum weft_status (*list_finalize)(struct weft_command_list *list);
    enum weft_status (*replay)(struct weft_command_list *list);
    /* The launches `first` to end - 1. */
    enum weft_status (*replay_range)(struct weft_command_list *list, int first, int end);
    /* Seconds of replays of a list of one launch by the device's timer, NaN where the
     * driver has none, and by the wall clock. */
    enum weft_status (*time_replays)(struct weft_command_list *list, int replays,
                                     double *device, double *wall);
    void (*describe_launch)(const struct weft_command_list *list, int index,
                            struct weft_launch_description *out);
    void (*list_destroy)(struct weft_command_list *list);
    /* The launches of a finalized list have passed their known-answer test. */
    bool (*is_proven)(const struct weft_command_list *list);
    void (*set_proven)(struct weft_command_list *list);
    /* It has failed: later lists take another algorithm where one is left. False: all
     * have failed for this problem. */
    bool (*reject)(struct weft_command_list *list, const struct weft_recorded_call *call);
    /* Two calls of a finalized list launch the same programs in the same sizes. */
    bool (*has_same_launches)(const struct weft_command_list *list,
                              const struct weft_recorded_call *a,
                              const struct weft_recorded_call *b);

    const struct weft_primitives *primitives; /* of its lists */
};

extern const struct weft_backend weft_backend_cpu;
extern const struct weft_backend weft_backend_opencl; /* a stub without OpenCL */

/* A matrix product is a convolution of `n` images of one pixel with a 1x1 window;
 * `groups` independent products are a grouped convolution. */
static inline struct weft_conv weft_conv_from_gemm(int n, int c, int k, int groups)
{
    return (struct weft_conv){
        .n = n,
        .h = 1,
        .w = 1,
        .c = c,
        .k = k,
        .r = 1,
        .s = 1,
        .stride_y = 1,
        .stride_x = 1,
        .dilation_y = 1,
        .dilation_x = 1,
        .groups = groups,
        .out_h = 1,
        .out_w = 1,
    };
}

/* A dense layer as a convolution. */
static inline struct weft_conv_args weft_dense_as_conv(const struct weft_dense_args *a)
{
    return (struct weft_conv_args){
        .conv = weft_conv_from_gemm(a->dense.n, a->dense.in, a->dense.out, 1),
        .activation = a->activation,
        .x = a->x,
        .w = a->w,
        .bias = a->bias,
        .y = a->y,
        .dy = a->dy,
        .dw = a->dw,
        .dbias = a->dbias,
        .dx = a->dx,
        .act_grad = a->act_grad,
    };
}

#endif
