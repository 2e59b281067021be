/* SPDX-License-Identifier: Apache-2.0 */
/* One call of any primitive on test tensors. */
#ifndef WEFT_LAB_CALL_H
#define WEFT_LAB_CALL_H

#include "lab/tensors.h"

enum { LAB_MAX_ARGUMENTS = 16 };

/* The values that a primitive may find in an argument. */
enum lab_content {
    LAB_UNIFORM,  /* -1..1 */
    LAB_POSITIVE, /* 0.5..1.5: variances and the like */
    LAB_BELOW,    /* bytes or words below `limit` */
    LAB_ARGMAX,   /* of `pool` */
    LAB_STATE     /* shared/state.h */
};

struct lab_argument {
    const char *name;
    struct weft_view *view; /* in the call's arguments */
    enum lab_type type;
    enum lab_content content;
    bool read, written;
    unsigned limit;
    const struct weft_pool *pool;
};

/* The arguments of a call whose views are present; their number. */
int lab_arguments(struct weft_primitive_call *call,
                  struct lab_argument out[LAB_MAX_ARGUMENTS]);

/* Tensor i belongs to argument i. */
struct lab_call {
    struct weft_primitive_call call;
    struct lab_case lab;
    struct lab_random random;
    int argument_count;
    struct lab_argument arguments[LAB_MAX_ARGUMENTS];
    struct lab_tensor *outputs[LAB_MAX_ARGUMENTS + 1];
};

/* Adds and allocates a tensor for each present view, of its count; for the sides whose
 * devices are given. Not to be moved in memory afterwards. */
enum weft_status lab_call_init(struct lab_call *c, const struct weft_primitive_call *call,
                               struct weft_device *const device[LAB_SIDE_COUNT]);
void lab_call_finish(struct lab_call *c);

/* Random contents for everything that is read. */
void lab_call_fill(struct lab_call *c);

/* A finalized list of this call; `params` may be NULL. */
enum weft_status lab_call_record(struct lab_call *c, enum lab_side side,
                                 const struct weft_command_list_params *params,
                                 struct weft_command_list **out);

#endif
