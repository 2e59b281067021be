/* SPDX-License-Identifier: Apache-2.0 */
/* Expected results of one call of any primitive, element by element, from the inputs that
 * its kernel had: in double, with the bound of what rounding may change.
 *
 * A check of a network's own launches (trace.h) compares a sample of each result with
 * this: the cost depends on the sample, not on the batch. */
#ifndef WEFT_VERIFY_EXPECT_H
#define WEFT_VERIFY_EXPECT_H

#include "lab/call.h"
#include "verify/verify.h"
#include "verify/winograd.h"

/* An argument on the host: floats as float32, whatever the device stores. */
struct verify_array {
    void *before, *after; /* the call; NULL: not read, or not written */
};

struct verify_call {
    struct weft_device *device;
    struct weft_primitive_call call;
    int winograd; /* as in struct weft_command_list_info, of this call */
    bool tf32x3;
    bool is_repetition; /* a call before it had the same launches */
    int argument_count;
    struct lab_argument arguments[LAB_MAX_ARGUMENTS];
    struct verify_array arrays[LAB_MAX_ARGUMENTS];
    /* The gradients that an optimizer step reads are partial sums: they follow from the
     * first moments, which were zero. */
    bool gradients_deferred;

    /* Results that elements of one row or channel share. */
    size_t row;
    bool row_known;
    double shared[8];
    uint8_t *image; /* of a batch; NULL: none yet */
    /* The tile and filter of Winograd's algorithm that were last transformed. */
    size_t tile;
    bool tile_known;
    double sums[WINOGRAD_SIDE * WINOGRAD_SIDE];
};

/* One element of an output. */
struct verify_point {
    size_t at;
    double got, want;
    double bound;
    bool exact_word; /* bits, not a number with a bound */
};

/* Sets expected value and bound of point->at of an output; `got` is set. */
typedef void verify_expect_fn(struct verify_call *v, int output, struct verify_point *p);

struct verify_expectation {
    verify_expect_fn *expect; /* NULL: the primitive is not checked */
    /* Multiply-adds of one element of an output, for the size of samples. */
    double (*work)(const struct verify_call *v, int output);
    /* Channels whose sums over all rows an element needs; NULL: an element needs its own
     * row. */
    int (*channels)(const struct verify_call *v, int output);
};
extern const struct verify_expectation verify_expectations[WEFT_PRIMITIVE_COUNT];

/* The contents of an argument; NULL: absent. */
const void *verify_before(const struct verify_call *v, const struct weft_view *view);
const void *verify_after(const struct verify_call *v, const struct weft_view *view);
static inline bool verify_is(const struct verify_call *v, int output,
                             const struct weft_view *view)
{
    return v->arguments[output].view == view;
}
static inline const float *verify_floats(const struct verify_call *v,
                                         const struct weft_view *view)
{
    return verify_before(v, view);
}

/* The derivative of a fused activation, from its output: multiplies expected value and
 * bound, where `size` is the sum of |a b| before it. */
void verify_apply_act_grad(const struct verify_call *v, const struct weft_act_grad *grad,
                           size_t at, double size, struct verify_point *p);

verify_expect_fn expect_conv_forward, expect_conv_data, expect_conv_weights,
    expect_dense_forward, expect_dense_data, expect_dense_weights, expect_pool_forward,
    expect_pool_backward; /* expect_conv.c */
verify_expect_fn expect_batch_norm_forward, expect_batch_norm_inference,
    expect_batch_norm_backward, expect_fold_batch_norm, expect_layer_norm_forward,
    expect_layer_norm_backward, expect_prelu_forward,
    expect_prelu_backward; /* expect_norm.c */
verify_expect_fn expect_make_batch, expect_softmax, expect_loss, expect_optimizer_step,
    expect_average, expect_clip_gradient, expect_accumulate_gradient; /* expect_step.c */
double work_conv(const struct verify_call *v, int output);
double work_dense(const struct verify_call *v, int output);

#endif
