/* SPDX-License-Identifier: Apache-2.0 */
/* What an op is: its words in the network's text, its shape, its cost, and which
 * primitives of a backend it needs. An op knows no backend. */
#ifndef WEFT_OPS_OP_H
#define WEFT_OPS_OP_H

#include "device/backend.h"
#include "util/line_parser.h"

struct weft_shape {
    int h, w, c;
};

static inline size_t weft_shape_count(struct weft_shape s)
{
    return (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

enum weft_init { WEFT_INIT_HE, WEFT_INIT_GLOROT, WEFT_INIT_UNIFORM, WEFT_INIT_ONES };
extern const char *const weft_init_names[]; /* those of texts; NULL-terminated */

enum { WEFT_MAX_RANK = 4 };

/* A trained tensor of a node, as it lies in the buffer of all weights. */
struct weft_param {
    size_t at, count; /* in floats */
    int rank; /* as other tools see it: [out][in / groups][rows][columns] and so on */
    int extent[WEFT_MAX_RANK];
};

struct weft_batch_norm_params {
    float momentum, epsilon;
};

/* A batch-norm that inference takes into a layer (or, where it stands alone, into
 * itself): its numbers, and where what is made of them lies in the buffer of what is
 * prepared. In a plan of float16 all that inference reads of a layer's weights lies
 * there, also without a batch-norm: out_w in float16, the others copied. */
struct weft_prepared_weights {
    int channels; /* 0: there is none */
    float epsilon;
    struct weft_param weight, shift, mean, variance;
    struct weft_param out_w, out_bias, out_mean; /* count 0: none */
    enum weft_type type;                         /* of out_w */
};

/* What a node reads that is no node: the batch; nothing. */
enum { WEFT_MAX_INPUTS = 2, WEFT_BATCH = -1, WEFT_NO_NODE = -2 };

/* A layer. The first part is the description; the second is what fusion and the memory
 * plan add. Nodes are plain data and may be copied. */
struct weft_node {
    const struct weft_op *op;
    int line;                         /* in the text */
    int inputs[WEFT_MAX_INPUTS];      /* indices of the nodes it reads, all before it */
    char name[32];                    /* "conv1" */
    char text[96];                    /* its line, without a comment */
    struct weft_shape in, other, out; /* other: of the second input, as `in` */
    union {
        struct weft_conv conv;   /* n is 0 */
        struct weft_dense dense; /* n is 0 */
        struct weft_batch_norm_params batch_norm;
        float rate; /* dropout */
    } as;
    struct weft_pool
        pool; /* a pool's own; or that of the max-pool fused to a conv; n is 0 */
    struct weft_activation
        activation; /* act's own; or that of the one fused to a layer */
    enum weft_init init;
    struct weft_param weight, bias;   /* count 0: none */
    struct weft_param mean, variance; /* running, of a batch-norm: not trained, they lie
                                         behind all weights */
    struct weft_prepared_weights prepared;
    struct weft_shape
        unflattened;     /* the image that flatten made the row of that comes in: other
                               tools count it by channel, row, column; h is 0 if none */
    unsigned rng_stream; /* tells the dropouts of a network apart */
    /* not a line of its own: the ACT at the end of another layer's line */
    bool from_suffix;
    /* fused into the node that it reads, whose output is this one's */
    bool fused_into_producer;
};

static inline int weft_node_inputs(const struct weft_node *node)
{
    return node->inputs[1] == WEFT_NO_NODE ? 1 : 2;
}

/* The views of one node in one plan. What its op does not need is absent. */
struct weft_node_tensors {
    int n;                                              /* images in the batch */
    struct weft_view x, other, y, argmax, weight, bias; /* other: the second input */
    struct weft_view dy, dx, dweight, dbias;            /* dx absent: nobody wants it */
    struct weft_view running_mean, running_variance;    /* of a batch-norm */
    struct weft_view mean, inverse, scale; /* what it uses; at inference no inverse */
    struct weft_view state;
    struct weft_act_grad act_grad; /* of the node before, to be applied to dx */
};

struct weft_op {
    const char *name;
    const char *name_prefix; /* of its nodes' names; NULL: the name */
    /* Reads the line's words after the first. */
    enum weft_status (*parse)(struct weft_line_parser *parser, struct weft_node *node);
    /* Sets out and the params' extents from `in`; `words` is for the sentence of a
     * failure. */
    enum weft_status (*shape)(struct weft_line_parser *parser, struct weft_node *node);
    double (*flops)(const struct weft_node *node); /* forward, one image */
    /* Appends to the list. NULL for both: y is x, and dx is dy (flatten). NULL for
     * backward: dy is the gradient of every input (add). */
    enum weft_status (*forward)(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors);
    enum weft_status (*backward)(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors);
    /* Where element `i` of a param of the node, counted as other tools lay it out
     * (weft/model.h), lies in ours. NULL: there too. */
    size_t (*to_native_index)(const struct weft_node *node,
                              const struct weft_param *param, size_t i);
    bool two_inputs;     /* reads two: the second is named by the line's first word */
    bool fuses_act_grad; /* backward can apply a gate to dx */
    bool own_act_grad;   /* backward applies the derivative of the node's activation */
    bool training_only;  /* at inference y is x (dropout) */
    bool elementwise;    /* each output comes of the input in its place, as in act */
    bool is_loss;        /* must be the last layer, and the last layer must be one such */
};

extern const struct weft_op weft_op_conv, weft_op_max_pool, weft_op_avg_pool,
    weft_op_global_max_pool, weft_op_global_avg_pool, weft_op_dense, weft_op_act,
    weft_op_add, weft_op_batch_norm, weft_op_dropout, weft_op_flatten, weft_op_softmax;

/* The op that a line's first word names, or NULL. For an activation's name weft_op_act,
 * with `*act` set. */
const struct weft_op *weft_op_find(const char *word, enum weft_act *act);

/* Every word that weft_op_find knows; NULL after the last. */
const char *weft_op_word(int index);

/* The activation called `word`, WEFT_ACT_COUNT if there is none. */
enum weft_act weft_act_find(const char *word);

/* An activation's name at the end of another layer's words, and slope=; the identity if
 * there is none. */
enum weft_status weft_op_parse_act(struct weft_line_parser *parser,
                                   struct weft_activation *out);

/* init= and bias=. */
enum weft_status weft_op_parse_weights(struct weft_line_parser *parser,
                                       struct weft_node *node);

/* Where value `i` of the row that comes in, counted as other tools do, lies in ours: as
 * `place` of params with one number for each. */
size_t weft_op_unflatten_index(const struct weft_node *node,
                               const struct weft_param *param, size_t i);

/* stride= and pad=, rows first; both numbers are WEFT_PAD_SAME for pad=same. */
enum { WEFT_PAD_SAME = -1 };
enum weft_status weft_op_parse_stride(struct weft_line_parser *parser, int stride[2]);
enum weft_status weft_op_parse_pad(struct weft_line_parser *parser, int out[2]);

/* For one axis and a window that reaches, dilated, over `reach` places: the padding in
 * front and behind, and the extent of the output (below 1: the window does not fit). */
int weft_op_extent(int in, int reach, int stride, int pad, int *before, int *after);

#endif
