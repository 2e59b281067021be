/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments that make a problem, by primitive. */
#ifndef WEFT_DEVICE_PROBLEM_FIELDS_H
#define WEFT_DEVICE_PROBLEM_FIELDS_H

#include "device/backend.h"

#include <stddef.h>

enum { FIELD_MAX_NUMBERS = 8, FIELD_REQUIRED = -1 };

enum problem_field_kind {
    FIELD_NUMBERS, /* ints: "window=3x3" */
    FIELD_NAME,    /* an enum by its names: "relu" */
    FIELD_FLAG,    /* a bool: "nesterov" */
    FIELD_LENGTH,  /* the elements of a view: "w=1000" */
    FIELD_VIEW     /* whether a view is present: "bias" */
};

struct problem_field {
    const char *name; /* NULL behind the last field */
    enum problem_field_kind kind;
    int count;
    size_t at[FIELD_MAX_NUMBERS]; /* offsets in the arguments */
    /* The value that the text leaves out where all have it; FIELD_REQUIRED: none. */
    int usual;
    const char *const *names;
    int name_count;
};

struct problem_kind {
    const struct problem_field *fields; /* the batch first; NULL: cannot be tuned */
    /* Fills in what follows from the fields, views included. False: no network has such
     * a problem. */
    bool (*complete)(union weft_primitive_args *args);
    double (*work)(const union weft_primitive_args *args);
};

/* The largest tensor of a problem that comes from a text. */
#define PROBLEM_MAX_ELEMENTS ((double)(1 << 30))

static inline bool is_possible_count(double count)
{
    return count >= 1 && count <= PROBLEM_MAX_ELEMENTS;
}

/* A present view of `count` elements; its memory stays as it is unless there is none. */
static inline void set_view(struct weft_view *view, double count)
{
    static char nothing;
    if (!view->mem)
        view->mem = (struct weft_mem *)(void *)&nothing;
    view->count = (size_t)count;
}

static inline void set_optional_view(struct weft_view *view, double count)
{
    if (view->mem)
        set_view(view, count);
}

/* The numbers of a text have up to nine digits. */
static inline int64_t window_extent(int in, int before, int after, int window,
                                    int dilation, int stride)
{
    int64_t room = (int64_t)in + before + after - (int64_t)dilation * (window - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static inline bool is_positive(const int *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] < 1)
            return false;
    return true;
}

/* All windows of a pool touch the image. */
static inline bool are_windows_possible(const struct weft_pool *p)
{
    const int positive[] = {p->n, p->h,        p->w,        p->c,     p->r,
                            p->s, p->stride_y, p->stride_x, p->out_h, p->out_w};
    return is_positive(positive, WEFT_ARRAY_SIZE(positive)) && p->pad_top < p->r &&
           p->pad_left < p->s &&
           (int64_t)(p->out_h - 1) * p->stride_y - p->pad_top < p->h &&
           (int64_t)(p->out_w - 1) * p->stride_x - p->pad_left < p->w;
}

static inline double images_in(int n, int h, int w, int c)
{
    return (double)n * h * w * c;
}

/* The activation at `field`, and the parameter of leaky-relu in problems from texts. */
#define FIELD_ACTIVATION(args, field)                                                   \
    {                                                                                   \
        "activation", FIELD_NAME, 1, {offsetof(struct args, field)}, WEFT_ACT_identity, \
            weft_act_names, WEFT_ACT_COUNT                                              \
    }

/* A required number, and whether a view is present. */
#define NUMBER(args, name, field)                                                       \
    {                                                                                   \
        name, FIELD_NUMBERS, 1, {offsetof(struct args, field)}, FIELD_REQUIRED, NULL, 0 \
    }
#define VIEW(args, field)                                                  \
    {                                                                      \
#field, FIELD_VIEW, 1, {offsetof(struct args, field) }, 0, NULL, 0 \
    }

/* Work of primitives without matrix products, by element that they touch. */
#define PROBLEM_ELEMENT_WORK 8.0

/* problem_conv.c */
extern const struct problem_kind problem_conv_forward, problem_conv_backward_data,
    problem_conv_backward_weights;

/* problem_channels.c */
extern const struct problem_kind problem_copy_channels, problem_scale,
    problem_scale_gradient, problem_channel_shuffle, problem_prelu_forward,
    problem_prelu_backward, problem_layer_norm_forward, problem_layer_norm_backward;

const struct problem_kind *problem_kind_of(enum weft_primitive primitive);

#endif
