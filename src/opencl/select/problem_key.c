/* SPDX-License-Identifier: Apache-2.0 */
/* Problems as text, and back. */
#include "opencl/select/algorithm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const family_names[] = {
    [WEFT_FAMILY_VEC] = "vec",
    [WEFT_FAMILY_TILE] = "tile",
    [WEFT_FAMILY_SUBGROUP] = "sg",
    [WEFT_FAMILY_MMA] = "mma",
};

static void add(char out[OCL_PROBLEM_KEY_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char out[OCL_PROBLEM_KEY_BYTES], const char *format, ...)
{
    size_t used = strlen(out);
    va_list list;
    va_start(list, format);
    vsnprintf(out + used, OCL_PROBLEM_KEY_BYTES - used, format, list);
    va_end(list);
}

void ocl_problem_key_format(const struct ocl_device *device, enum ocl_conv_pass pass,
                            const struct weft_conv_args *args,
                            char out[OCL_PROBLEM_KEY_BYTES])
{
    const struct weft_conv *c = &args->conv;
    const struct weft_pool *p = &args->pool;
    out[0] = 0;
    add(out, "%s %s n=%d in=%dx%dx%d out=%dx%dx%d window=%dx%d",
        family_names[device->base.family], ocl_conv_pass_names[pass], c->n, c->h, c->w,
        c->c, c->out_h, c->out_w, c->k, c->r, c->s);
    if (c->stride_y != 1 || c->stride_x != 1)
        add(out, " stride=%dx%d", c->stride_y, c->stride_x);
    if (c->dilation_y != 1 || c->dilation_x != 1)
        add(out, " dilation=%dx%d", c->dilation_y, c->dilation_x);
    if (c->pad_top || c->pad_left || c->pad_bottom || c->pad_right)
        add(out, " pad=%d,%d,%d,%d", c->pad_top, c->pad_left, c->pad_bottom,
            c->pad_right);
    if (c->groups != 1)
        add(out, " groups=%d", c->groups);
    if (p->r)
        add(out, " pool=%dx%d,%dx%d,%d,%d,%dx%d", p->r, p->s, p->stride_y, p->stride_x,
            p->pad_top, p->pad_left, p->out_h, p->out_w);
    bool bias = pass == OCL_PASS_FORWARD
                    ? args->bias.mem != NULL
                    : pass == OCL_PASS_BWD_WEIGHTS && args->dbias.mem;
    if (bias)
        add(out, " bias");
    if (pass == OCL_PASS_FORWARD && args->argmax.mem)
        add(out, " argmax");
    enum weft_act act = pass == OCL_PASS_FORWARD    ? args->activation.act
                        : pass == OCL_PASS_BWD_DATA ? args->act_grad.activation.act
                                                    : WEFT_ACT_identity;
    if (act != WEFT_ACT_identity)
        add(out, " %s", weft_act_names[act]);
}

/* A text being read: what comes next is taken off its front. */
static bool take(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length))
        return false;
    *text += length;
    return true;
}

/* One of `names` as a whole word; -1: none. */
static int take_name(const char **text, const char *const *names, int count)
{
    size_t length = strcspn(*text, " ");
    for (int i = 0; i < count; i++)
        if (names[i] && strlen(names[i]) == length && !strncmp(*text, names[i], length)) {
            *text += length;
            return i;
        }
    return -1;
}

/* Numbers with one of "x," between them. */
static bool take_numbers(const char **text, int count, int *const out[])
{
    for (int i = 0; i < count; i++) {
        int used = 0;
        if ((i && !take(text, "x") && !take(text, ",")) ||
            sscanf(*text, "%9d%n", out[i], &used) != 1)
            return false;
        *text += used;
    }
    return **text == 0 || **text == ' ';
}
#define TAKE(text, ...)                                                  \
    take_numbers((text), sizeof((int *[]){__VA_ARGS__}) / sizeof(int *), \
                 (int *[]){__VA_ARGS__})

/* " NAME=" and what follows. False: it is there and cannot be read. */
#define TAKE_OPTION(text, name, ...) \
    (!take((text), " " name "=") || TAKE((text), __VA_ARGS__))

static bool read_shape(const char **at, struct weft_conv *c)
{
    return take(at, " n=") && TAKE(at, &c->n) && take(at, " in=") &&
           TAKE(at, &c->h, &c->w, &c->c) && take(at, " out=") &&
           TAKE(at, &c->out_h, &c->out_w, &c->k) && take(at, " window=") &&
           TAKE(at, &c->r, &c->s) &&
           TAKE_OPTION(at, "stride", &c->stride_y, &c->stride_x) &&
           TAKE_OPTION(at, "dilation", &c->dilation_y, &c->dilation_x) &&
           TAKE_OPTION(at, "pad", &c->pad_top, &c->pad_left, &c->pad_bottom,
                       &c->pad_right) &&
           TAKE_OPTION(at, "groups", &c->groups);
}

static int extent(int in, int before, int after, int window, int dilation, int stride)
{
    return (in + before + after - dilation * (window - 1) - 1) / stride + 1;
}

/* The text may come from anywhere: what a network would never ask for is refused. */
static bool possible(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    const struct weft_pool *p = &args->pool;
    const int positive[] = {c->n,      c->h,         c->w,        c->c,
                            c->k,      c->r,         c->s,        c->out_h,
                            c->out_w,  c->stride_y,  c->stride_x, c->dilation_y,
                            c->groups, c->dilation_x};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(positive); i++)
        if (positive[i] < 1 || positive[i] > 1 << 24)
            return false;
    const int pads[] = {c->pad_top,   c->pad_left, c->pad_bottom,
                        c->pad_right, p->pad_top,  p->pad_left};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(pads); i++)
        if (pads[i] < 0 || pads[i] > 1 << 20)
            return false;
    double most = 1 << 30;
    if ((double)c->n * c->h * c->w * c->c > most || c->c % c->groups ||
        (double)c->n * c->out_h * c->out_w * c->k > most || c->k % c->groups ||
        (double)c->r * c->s * c->c * c->k > most)
        return false;
    if (extent(c->h, c->pad_top, c->pad_bottom, c->r, c->dilation_y, c->stride_y) !=
            c->out_h ||
        extent(c->w, c->pad_left, c->pad_right, c->s, c->dilation_x, c->stride_x) !=
            c->out_w)
        return false;
    return !p->r ||
           (p->r > 0 && p->s > 0 && p->r * p->s <= 255 && p->stride_y > 0 &&
            p->stride_x > 0 && p->pad_top < p->r && p->pad_left < p->s && p->out_h > 0 &&
            p->out_w > 0 && (p->out_h - 1) * p->stride_y - p->pad_top < p->h &&
            (p->out_w - 1) * p->stride_x - p->pad_left < p->w);
}

/* The padding behind the last window's end, so that the extents agree. */
static int pad_after(int in, int before, int window, int stride, int out)
{
    int after = (out - 1) * stride + window - before - in;
    return after > 0 ? after : 0;
}

static bool read_pool(const char **at, const struct weft_conv *c, struct weft_pool *p)
{
    *p = (struct weft_pool){.n = c->n, .h = c->out_h, .w = c->out_w, .c = c->k};
    if (!TAKE_OPTION(at, "pool", &p->r, &p->s, &p->stride_y, &p->stride_x, &p->pad_top,
                     &p->pad_left, &p->out_h, &p->out_w))
        return false;
    p->pad_bottom = p->r ? pad_after(p->h, p->pad_top, p->r, p->stride_y, p->out_h) : 0;
    p->pad_right = p->r ? pad_after(p->w, p->pad_left, p->s, p->stride_x, p->out_w) : 0;
    return true;
}

bool ocl_problem_key_parse(const struct ocl_device *device, const char *text,
                           struct ocl_problem *out)
{
    const char *at = text;
    struct weft_conv_args *args = &out->args;
    struct weft_conv *c = &args->conv;
    *out = (struct ocl_problem){
        .args.conv = {
            .stride_y = 1, .stride_x = 1, .dilation_y = 1, .dilation_x = 1, .groups = 1}};
    int family = take_name(&at, family_names, WEFT_ARRAY_SIZE(family_names));
    if (family != (int)device->base.family || !take(&at, " "))
        return false;
    int pass = take_name(&at, ocl_conv_pass_names, OCL_PASS_COUNT);
    if (pass < 0 || !read_shape(&at, c) || !read_pool(&at, c, &args->pool))
        return false;
    out->pass = (enum ocl_conv_pass)pass;
    out->bias = take(&at, " bias");
    out->argmax = take(&at, " argmax");
    int act = take(&at, " ") ? take_name(&at, weft_act_names, WEFT_ACT_COUNT) : 0;
    if (act < 0 || *at || !possible(args))
        return false;
    struct weft_activation *activation =
        out->pass == OCL_PASS_BWD_DATA ? &args->act_grad.activation : &args->activation;
    *activation = (struct weft_activation){(enum weft_act)act, 0.01f};
    return true;
}
