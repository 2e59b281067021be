/* SPDX-License-Identifier: Apache-2.0 */
/* The interface of an op: the fields of weft_layer_params that it reads, its shape, its
 * cost, and the primitives that it records. An op knows no backend. */
#ifndef WEFT_OPS_OP_H
#define WEFT_OPS_OP_H

#include "device/backend.h"

#include <limits.h>

struct weft_shape {
    int h, w, c;
};

/* The most values of a tensor, and the most weights of a network: indexes are ints, and
 * where addresses have 32 bits, three times its bytes can be counted. */
#define WEFT_MAX_VALUES (SIZE_MAX / 32 < INT_MAX ? (int)(SIZE_MAX / 32) : INT_MAX)

/* More than INT_MAX where it cannot be counted. */
static inline size_t weft_shape_count(struct weft_shape s)
{
    uint64_t plane = (uint64_t)s.h * (uint64_t)s.w;
    if (plane > INT_MAX || plane * (uint64_t)s.c > SIZE_MAX)
        return SIZE_MAX;
    return (size_t)(plane * (uint64_t)s.c);
}

/* WHITEN is made of the training images (train/whiten.c). */
enum weft_init {
    WEFT_INIT_HE,
    WEFT_INIT_GLOROT,
    WEFT_INIT_UNIFORM,
    WEFT_INIT_IDENTITY,
    WEFT_INIT_WHITEN,
    WEFT_INIT_CONSTANT
};
/* Those of texts, NULL-terminated: of all layers, and of conv. */
extern const char *const weft_init_names[], *const weft_conv_init_names[];

/* Parts of a layer that are not trained, in the order of weft_frozen_names. */
enum weft_frozen { WEFT_FROZEN_NOTHING, WEFT_FROZEN_WEIGHTS, WEFT_FROZEN_ALL };
extern const char *const weft_frozen_names[];

enum { WEFT_MAX_RANK = 4, WEFT_MAX_INPUTS = 8 };

/* Parameters of a node by role, each at most once: the weight is a filter, a scale or a
 * slope. Statistics are not trained and follow all weights in the same buffer. */
enum weft_param_role {
    WEFT_PARAM_WEIGHT,
    WEFT_PARAM_BIAS,
    WEFT_PARAM_RUNNING_MEAN,
    WEFT_PARAM_RUNNING_VARIANCE,
    WEFT_MAX_PARAMS
};

/* The name of a role in model files, and whether the optimizer trains it. */
extern const struct weft_param_role_info {
    const char *name;
    bool trained;
} weft_param_roles[WEFT_MAX_PARAMS];

/* A parameter tensor in the buffer of all weights. */
struct weft_param {
    size_t at, count; /* in floats; count 0: absent */
    enum weft_init init;
    float value; /* of WEFT_INIT_CONSTANT */
    bool frozen; /* not trained, and has no gradient */
    int rank;    /* in model files: [out][in / groups][rows][columns] and so on */
    int extent[WEFT_MAX_RANK];
};

struct weft_batch_norm_params {
    float momentum, epsilon;
};

/* Inputs that are not nodes: the batch; none. */
enum { WEFT_BATCH = -1, WEFT_NO_NODE = -2 };

/* A layer: its description, then the results of fusion. Nodes are plain data and may be
 * copied. */
struct weft_node {
    const struct weft_op *op;
    int index; /* in the graph; also the stream of its random numbers */
    int layer; /* weft_net_layer */
    int input_count;
    int inputs[WEFT_MAX_INPUTS]; /* indices of nodes before it, or WEFT_BATCH */
    struct weft_shape in[WEFT_MAX_INPUTS], out;
    char name[32]; /* "conv1" */
    union {
        struct weft_conv conv;   /* n is 0 */
        struct weft_dense dense; /* n is 0 */
        struct weft_batch_norm_params batch_norm;
        float rate;    /* dropout */
        float epsilon; /* layer-norm */
        int groups;    /* channel-shuffle */
        int first;     /* slice: its first channel */
    } as;
    struct weft_pool pool; /* a pool's own, or the max-pool fused into a conv; n is 0 */
    struct weft_activation activation; /* its own, or the one fused into it */
    struct weft_param params[WEFT_MAX_PARAMS];
    struct weft_shape unflattened; /* shape of the image that `flatten` made its input of;
                                      model files index it by channel, row, column.
                                      h is 0: none */
    int batch_norm;                /* node folded into it at inference; WEFT_NO_NODE */
    bool from_suffix;              /* the activation of a layer that is not one itself */
    bool fused_into_producer;      /* the output of its input is that of this node */
};

/* True if a gradient of the node's params is needed: one of them is trained. */
static inline bool weft_node_is_trained(const struct weft_node *node)
{
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        if (weft_param_roles[role].trained && node->params[role].count &&
            !node->params[role].frozen)
            return true;
    return false;
}

/* True if the node's bias is trained and its weight frozen. */
static inline bool weft_node_trains_bias_only(const struct weft_node *node)
{
    const struct weft_param *bias = &node->params[WEFT_PARAM_BIAS];
    return node->params[WEFT_PARAM_WEIGHT].frozen && bias->count && !bias->frozen;
}

/* The number of values that an optimizer may train. */
static inline size_t weft_node_trained_count(const struct weft_node *node)
{
    size_t count = 0;
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        count += weft_param_roles[role].trained ? node->params[role].count : 0;
    return count;
}

/* The views of one node in one plan. Views that its op does not use are absent. */
struct weft_node_tensors {
    int n; /* images in the batch */
    bool training;
    struct weft_view in[WEFT_MAX_INPUTS], y, argmax;
    struct weft_view params[WEFT_MAX_PARAMS]; /* at inference: as prepared (prepare.h) */
    struct weft_view saved;                   /* op->saved floats, forward to backward */
    struct weft_view dy;
    struct weft_view dx[WEFT_MAX_INPUTS]; /* absent: this gradient is not needed */
    struct weft_act_grad act_grad[WEFT_MAX_INPUTS]; /* to be applied to dx */
    struct weft_view dparams[WEFT_MAX_PARAMS];
    struct weft_view state;
};

enum weft_field_type {
    WEFT_FIELD_INT,
    WEFT_FIELD_FLOAT,
    WEFT_FIELD_PAIR,  /* two ints, rows first: 3x5; one number stands for both */
    WEFT_FIELD_YES,   /* bool, yes or no in texts */
    WEFT_FIELD_NO,    /* the same, negated */
    WEFT_FIELD_NAME,  /* one of `names` */
    WEFT_FIELD_DECAY, /* float; 0 in texts is -1 */
    WEFT_FIELD_PAD    /* same_padding and pad: valid, same, ROWSxCOLUMNS or T,L,B,R */
};

/* A field of weft_layer_params, and its form in texts: a word in the order of the op's
 * table, or name=value. */
struct weft_layer_field {
    const char *name; /* of a word: for error messages */
    enum weft_field_type type;
    bool is_word; /* required */
    size_t offset;
    double min, max;
    double initial;           /* the default, which a field of 0 stands for */
    const char *const *names; /* NULL-terminated; the first is the default */
};

#define WEFT_WORD(name, type, member, min, max)                                         \
    {                                                                                   \
        name, WEFT_FIELD_##type, true, offsetof(struct weft_layer_params, member), min, \
            max, 0, NULL                                                                \
    }
#define WEFT_OPTION(name, type, member, min, max, initial)                               \
    {                                                                                    \
        name, WEFT_FIELD_##type, false, offsetof(struct weft_layer_params, member), min, \
            max, initial, NULL                                                           \
    }
#define WEFT_OPTION_NAME(name, member, names)                                           \
    {                                                                                   \
        name, WEFT_FIELD_NAME, false, offsetof(struct weft_layer_params, member), 0, 0, \
            0, names                                                                    \
    }
#define WEFT_OPTION_PAD    WEFT_OPTION("pad", PAD, pad, 0, 255, 0)
#define WEFT_OPTION_STRIDE WEFT_OPTION("stride", PAIR, stride, 1, 255, 0)
#define WEFT_OPTION_BIAS   WEFT_OPTION("bias", NO, no_bias, 0, 1, 0)
#define WEFT_OPTION_INIT   WEFT_OPTION_NAME("init", init, weft_init_names)
/* Training of the layer's params. */
#define WEFT_OPTION_RATE      WEFT_OPTION("rate", FLOAT, rate_factor, 1e-6, 1e6, 1)
#define WEFT_OPTION_BIAS_RATE WEFT_OPTION("bias-rate", FLOAT, bias_rate, 1e-6, 1e6, 1)
#define WEFT_OPTION_DECAY     WEFT_OPTION("decay", DECAY, decay, -1, 1e3, 0)
#define WEFT_OPTION_FROZEN    WEFT_OPTION_NAME("frozen", frozen, weft_frozen_names)
#define WEFT_FIELDS_END \
    {                   \
        .name = NULL    \
    }

struct weft_op {
    const char *name;
    const char *name_prefix;               /* of its nodes' names; NULL: the name */
    const struct weft_layer_field *fields; /* up to WEFT_FIELDS_END; NULL: none */
    int extra_inputs, max_extra_inputs;    /* named by words of the line, from .. to */
    /* Sets out, the op's own data and the params' extents from `in` and the fields, whose
     * ranges and defaults have been applied. */
    enum weft_status (*shape)(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p);
    double (*flops)(const struct weft_node *node); /* forward, one image */
    /* Floats of node_tensors.saved for a batch of `n`. NULL: none. */
    size_t (*saved)(const struct weft_node *node, int n);
    /* Append to the list. NULL for both: y is x, and dx is dy (flatten). NULL for
     * backward: dy is the gradient of every input (add). */
    enum weft_status (*forward)(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors);
    enum weft_status (*backward)(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors);
    /* The index in the buffer of element `i` of a param, counted in the order of model
     * files (weft/model.h). NULL: the same index. */
    size_t (*to_native_index)(const struct weft_node *node,
                              const struct weft_param *param, size_t i);
    unsigned fuses_act_grad; /* bit k: backward can apply act_grad[k] to dx[k] */
    bool takes_act;          /* an activation may be part of the layer */
    bool own_act_grad;  /* backward applies the derivative of the node's activation */
    bool training_only; /* at inference y is x (dropout) */
    bool keeps_index;   /* output value i corresponds to input value i, as in act */
    bool flattens;      /* makes a row of an image */
    bool is_loss;       /* in training it is replaced by the loss; nothing may read it */
    bool half_weights;  /* reads a weight of float16 at inference */
    bool folds;         /* a batch-norm: at inference a scale and shift of each channel */
};

#define OP(name) extern const struct weft_op weft_op_##name;
OP(act)
#include "ops/ops.def"
#undef OP

/* The op called `word`, or NULL. An activation's name is weft_op_act, with `*act` set. */
const struct weft_op *weft_op_find(const char *word, enum weft_act *act);

/* Every word that weft_op_find knows; NULL after the last. */
const char *weft_op_word(int index);

/* The activation called `word`, WEFT_ACT_COUNT if there is none. */
enum weft_act weft_act_find(const char *word);

/* Every word that weft_op_find knows, and the names of all activations, separated by
 * commas. */
void weft_op_list(char *out, size_t size);
void weft_act_list(char *out, size_t size);

/* Checks the ranges of its parameters. */
enum weft_status weft_op_check_act_parameters(weft_context *ctx, const char *what,
                                              const struct weft_activation *activation);

/* The activation with the parameters of `p`, which are its defaults where both are 0. */
enum weft_status weft_op_check_activation(weft_context *ctx, const char *what,
                                          enum weft_act act,
                                          const struct weft_layer_params *p,
                                          struct weft_activation *out);

/* Checks every field, 0 excepted, and writes the default where it is 0. `what` begins
 * error messages. */
enum weft_status weft_op_check_fields(weft_context *ctx, const char *what,
                                      const struct weft_op *op,
                                      struct weft_layer_params *p);

/* True if the field of checked params is its default. */
bool weft_field_is_initial(const struct weft_layer_field *field,
                           const struct weft_layer_params *p);

/* A vector of `count` values; the weight and, unless p->no_bias, the bias. */
void weft_op_add_param(struct weft_node *node, enum weft_param_role role, int count,
                       float value);
void weft_op_add_weights(struct weft_node *node, const struct weft_layer_params *p,
                         int outputs);

/* bias_gradient.c. The backward pass of a node that trains its bias only, but for the
 * gradient of its input; and its saved floats. */
size_t weft_op_bias_sums(const struct weft_node *node, int n);
enum weft_status weft_op_bias_gradient(struct weft_command_list *list,
                                       const struct weft_node_tensors *tensors);

/* Index of value `i` of a row in the order of model files, in our order: to_native_index
 * of params with one value for each. */
size_t weft_op_unflatten_index(const struct weft_node *node,
                               const struct weft_param *param, size_t i);

/* The number of windows of one axis: the extent of the output, below 1 where the window,
 * which covers `reach` positions with its dilation, does not fit. `before` and `after`
 * are the padding, and are set for same_padding. */
int weft_op_extent(int in, int reach, int stride, bool same, int *before, int *after);

/* "a window of 5x5 does not fit into 4x4: ..." */
enum weft_status weft_op_window_misfit(weft_context *ctx, int rows, int columns, int h,
                                       int w);

#endif
