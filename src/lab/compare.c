/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of results, element by element, with the first fault in words. */
#include "lab/compare.h"

#include "util/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* An infinity is right where a number within the bound is rounded to it. */
double lab_fp16_error_bound(double want, double bound)
{
    double most = fabs(want) + bound;
    return most >= 65520
               ? INFINITY
               : bound + WEFT_FP16_UNIT_ROUNDOFF * most + WEFT_FP16_SUBNORMAL_ERROR;
}

/* One element of either array as a number. */
struct difference {
    double got, want, bound;
    double ratio; /* error over the bound */
    bool wrong;
};

static struct difference compare_floats(const struct lab_comparison *c, size_t i)
{
    struct difference d = {.got = ((const float *)c->got)[i],
                           .want = ((const float *)c->want)[i]};
    d.bound = c->bound ? c->bound[i] : c->absolute + c->relative * fabs(d.want);
    if (c->allow_nonfinite && !isfinite(d.want)) {
        d.wrong = isnan(d.want) ? !isnan(d.got) : d.got != d.want;
        return d;
    }
    if (c->nan_may_spread && isnan(d.got))
        return d;
    double bound = d.bound;
    if (c->half && bound > 0)
        bound = lab_fp16_error_bound(d.want, bound);
    else if (c->half)
        d.want = (double)weft_fp16_round((float)d.want);
    double error = d.got == d.want ? 0 : fabs(d.got - d.want);
    d.wrong = !(error <= bound);
    d.ratio = error > 0 && bound > 0 ? error / bound : 0;
    return d;
}

static struct difference compare_bytes(const struct lab_comparison *c, size_t i)
{
    struct difference d = {.got = ((const uint8_t *)c->got)[i],
                           .want = ((const uint8_t *)c->want)[i]};
    d.wrong = d.got != d.want;
    return d;
}

/* Words are floats where they have a bound. */
static struct difference compare_words(const struct lab_comparison *c, size_t i)
{
    if (c->bound && c->bound[i] > 0)
        return compare_floats(c, i);
    struct difference d = {.got = ((const uint32_t *)c->got)[i],
                           .want = ((const uint32_t *)c->want)[i]};
    d.wrong = d.got != d.want;
    return d;
}

static struct difference (*const compare_element[])(const struct lab_comparison *,
                                                    size_t) = {
    [LAB_FLOAT] = compare_floats,
    [LAB_BYTE] = compare_bytes,
    [LAB_INT32] = compare_words,
};

bool lab_compare(struct lab_comparison *c)
{
    c->worst = 0;
    c->wrong = c->first = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct difference d = compare_element[c->type](c, i);
        if (d.wrong && !c->wrong++)
            c->first = i;
        if (d.ratio > c->worst)
            c->worst = d.ratio;
    }
    return !c->wrong;
}

void lab_describe_mismatch(const struct lab_comparison *c, const char *after_got,
                           char *text, size_t size)
{
    struct difference d = compare_element[c->type](c, c->first);
    snprintf(text, size, "%.9g%s, should be %.9g, may differ by %.3g%s; %zu of %zu wrong",
             d.got, after_got, d.want, d.bound,
             c->half ? " before it is rounded to float16" : "", c->wrong, c->count);
}

/* "dw[0,2,1,5]" */
static void format_index(char *text, size_t size, const struct lab_tensor *t,
                         size_t index)
{
    if (!t->c) {
        snprintf(text, size, "%s[%zu]", t->name, index);
        return;
    }
    size_t c = index % (size_t)t->c, rest = index / (size_t)t->c;
    size_t x = rest % (size_t)t->w, y = rest / (size_t)t->w % (size_t)t->h;
    size_t n = rest / (size_t)t->w / (size_t)t->h;
    if (t->h * t->w > 1)
        snprintf(text, size, "%s[%zu,%zu,%zu,%zu]", t->name, n, y, x, c);
    else if (t->n > 1)
        snprintf(text, size, "%s[%zu,%zu]", t->name, n, c);
    else
        snprintf(text, size, "%s[%zu]", t->name, c);
}

bool lab_compare_sides(const struct lab_case *c, const struct lab_tensor *t,
                       double *worst, char *fault, size_t size)
{
    struct lab_comparison all = {.type = t->type,
                                 .got = lab_result(c, t, LAB_DEVICE),
                                 .want = lab_result(c, t, LAB_REFERENCE),
                                 .count = t->count,
                                 .bound = t->bound,
                                 .half = t->half,
                                 .allow_nonfinite = t->allow_nonfinite,
                                 .nan_may_spread = t->nan_may_spread};
    bool right = lab_compare(&all);
    if (all.worst > *worst)
        *worst = all.worst;
    if (right)
        return true;
    size_t at = all.first * lab_element_bytes(t);
    bool untouched = !t->is_in_out &&
                     !memcmp((const char *)all.got + at,
                             (const char *)lab_initial(c, t) + at, lab_element_bytes(t));
    char element[96], values[256];
    format_index(element, sizeof(element), t, all.first);
    lab_describe_mismatch(&all, untouched ? " (never written)" : "", values,
                          sizeof(values));
    snprintf(fault, size, "%s is %s", element, values);
    return false;
}

/* The output that comes first in the buffer at or behind a byte; NULL: none. */
static const struct lab_tensor *next_output(struct lab_tensor *const outputs[],
                                            int buffer, size_t from)
{
    const struct lab_tensor *next = NULL;
    for (int i = 0; outputs[i]; i++)
        if (outputs[i]->buffer == buffer && outputs[i]->at >= from &&
            (!next || outputs[i]->at < next->at))
            next = outputs[i];
    return next;
}

/* Between two bytes of both; `to`: there is none. */
static size_t first_difference(const unsigned char *a, const unsigned char *b,
                               size_t from, size_t to)
{
    enum { CHUNK = 4096 };
    for (size_t count; from < to; from += count) {
        count = to - from < CHUNK ? to - from : CHUNK;
        if (!memcmp(a + from, b + from, count))
            continue;
        while (a[from] == b[from])
            from++;
        return from;
    }
    return to;
}

/* The first byte outside the outputs that changed, or the buffer's size. */
static size_t first_changed_byte(const struct lab_case *c, int buffer, enum lab_side side,
                                 struct lab_tensor *const outputs[])
{
    const struct lab_buffer *b = &c->buffers[buffer];
    const unsigned char *got = b->result[side];
    for (size_t from = 0; from < b->bytes;) {
        const struct lab_tensor *output = next_output(outputs, buffer, from);
        size_t to = output ? output->at : b->bytes;
        from = first_difference(got, b->initial, from, to);
        if (from < to)
            return from;
        from = output ? output->at + lab_tensor_bytes(output) : to;
    }
    return b->bytes;
}

/* The tensor in or behind which a byte of a buffer is. */
static void describe_overwrite(const struct lab_case *c, int buffer, size_t at,
                               char *text, size_t size)
{
    const struct lab_tensor *near = NULL;
    for (int i = 0; i < c->placed; i++) {
        const struct lab_tensor *t = &c->tensors[i];
        if (t->buffer == buffer && t->at <= at)
            near = t;
    }
    if (!near)
        snprintf(text, size, "byte %zu before the first tensor was overwritten", at);
    else if (at < near->at + lab_tensor_bytes(near))
        snprintf(text, size, "%s was changed at element %zu, and is only to be read",
                 near->name, (at - near->at) / lab_element_bytes(near));
    else
        snprintf(text, size, "byte %zu beyond the end of %s was overwritten",
                 at - near->at - lab_tensor_bytes(near), near->name);
}

bool lab_find_overwrite(const struct lab_case *c, enum lab_side side,
                        struct lab_tensor *const outputs[], char *fault, size_t size)
{
    for (int i = 0; i < c->buffer_count; i++) {
        const struct lab_buffer *b = &c->buffers[i];
        if (side == LAB_DEVICE && b->overrun_at) {
            snprintf(fault, size, "byte %zu, behind a tensor in float16, was overwritten",
                     b->overrun_at);
            return true;
        }
        size_t at = first_changed_byte(c, i, side, outputs);
        if (at == b->bytes)
            continue;
        describe_overwrite(c, i, at, fault, size);
        return true;
    }
    return false;
}

bool lab_find_degenerate(const struct lab_case *c, const struct lab_tensor *t,
                         char *fault, size_t size)
{
    const float *want = lab_result(c, t, LAB_REFERENCE);
    size_t zeros = 0, nonfinite = 0;
    for (size_t i = 0; t->type == LAB_FLOAT && i < t->count; i++) {
        zeros += want[i] == 0;
        nonfinite += !isfinite(want[i]);
    }
    if (nonfinite && !t->allow_nonfinite)
        snprintf(fault, size, "unusable: %zu of %zu in the reference's %s not finite",
                 nonfinite, t->count, t->name);
    else if (t->count >= 32 && !t->may_be_zero && t->count - zeros <= t->count / 256)
        snprintf(fault, size, "unusable: %zu of %zu in the reference's %s are zero",
                 zeros, t->count, t->name);
    else
        return false;
    return true;
}
