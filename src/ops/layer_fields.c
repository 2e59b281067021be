/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and defaults of the fields of weft_layer_params. */
#include "ops/op.h"

#include "os/suggest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const void *member(const struct weft_layer_field *field,
                          const struct weft_layer_params *p)
{
    return (const char *)p + field->offset;
}

/* The number of ints or floats of a field. */
static int number_count(const struct weft_layer_field *field)
{
    static const int counts[] = {[WEFT_FIELD_INT] = 1,
                                 [WEFT_FIELD_FLOAT] = 1,
                                 [WEFT_FIELD_DECAY] = 1,
                                 [WEFT_FIELD_PAIR] = 2,
                                 [WEFT_FIELD_PAD] = 4};
    return (size_t)field->type < WEFT_ARRAY_SIZE(counts) ? counts[field->type] : 0;
}

static double number_at(const struct weft_layer_field *field,
                        const struct weft_layer_params *p, int index)
{
    return field->type == WEFT_FIELD_FLOAT || field->type == WEFT_FIELD_DECAY
               ? (double)((const float *)member(field, p))[index]
               : (double)((const int *)member(field, p))[index];
}

static const char *name_at(const struct weft_layer_field *field,
                           const struct weft_layer_params *p)
{
    return *(const char *const *)member(field, p);
}

static bool is_zero(const struct weft_layer_field *field,
                    const struct weft_layer_params *p)
{
    for (int i = 0; i < number_count(field); i++)
        if (number_at(field, p, i) != 0)
            return false;
    if (field->type == WEFT_FIELD_PAD)
        return !p->same_padding;
    if (field->type == WEFT_FIELD_NAME)
        return !name_at(field, p);
    return number_count(field) || !*(const bool *)member(field, p);
}

bool weft_field_is_initial(const struct weft_layer_field *field,
                           const struct weft_layer_params *p)
{
    if (field->type == WEFT_FIELD_NAME)
        return !strcmp(name_at(field, p), field->names[0]);
    if (field->type == WEFT_FIELD_PAD || !number_count(field))
        return is_zero(field, p);
    for (int i = 0; i < number_count(field); i++)
        if (number_at(field, p, i) != field->initial)
            return false;
    return true;
}

static enum weft_status check_name(weft_context *ctx, const char *what,
                                   const struct weft_layer_field *field,
                                   struct weft_layer_params *p)
{
    const char **value = (const char **)((char *)p + field->offset);
    const char *given = *value ? *value : field->names[0];
    char list[128] = "", close[WEFT_SUGGESTION];
    int count = 0;
    for (; field->names[count]; count++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", count ? ", " : "",
                 field->names[count]);
        if (strcmp(field->names[count], given))
            continue;
        *value = field->names[count];
        return WEFT_OK;
    }
    return weft_fail(ctx, WEFT_ERR_ARG, "%s: %s=%s is not known; choose from %s%s", what,
                     field->name, given, list,
                     weft_suggestion(given, field->names, count, close));
}

static enum weft_status check_field(weft_context *ctx, const char *what,
                                    const struct weft_layer_field *field,
                                    struct weft_layer_params *p)
{
    if (field->type == WEFT_FIELD_NAME)
        return check_name(ctx, what, field, p);
    int *ints = (int *)((char *)p + field->offset);
    if (field->type == WEFT_FIELD_PAIR && ints[0] && !ints[1])
        ints[1] = ints[0];
    if (number_count(field) && field->type != WEFT_FIELD_PAD && !field->is_word &&
        is_zero(field, p)) {
        for (int i = 0; i < number_count(field); i++)
            if (field->type == WEFT_FIELD_FLOAT || field->type == WEFT_FIELD_DECAY)
                *(float *)((char *)p + field->offset) = (float)field->initial;
            else
                ints[i] = (int)field->initial;
        return WEFT_OK;
    }
    for (int i = 0; i < number_count(field); i++) {
        double value = number_at(field, p, i);
        if (!(value >= (double)(float)field->min && value <= (double)(float)field->max))
            return weft_fail(ctx, WEFT_ERR_ARG, "%s: %s is %.10g, must be %.10g to %.10g",
                             what, field->name, value, field->min, field->max);
    }
    if (field->type == WEFT_FIELD_PAD && p->same_padding &&
        (p->pad[0] || p->pad[1] || p->pad[2] || p->pad[3]))
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: has both pad and same_padding", what);
    return WEFT_OK;
}

static bool has_field(const struct weft_op *op, size_t offset)
{
    for (const struct weft_layer_field *f = op->fields; f && f->name; f++)
        if (f->offset == offset)
            return true;
    return false;
}

/* Fields of other ops must be 0. */
static enum weft_status check_others(weft_context *ctx, const char *what,
                                     const struct weft_op *op,
                                     const struct weft_layer_params *p)
{
    enum weft_act act;
    for (int i = 0; weft_op_word(i); i++) {
        const struct weft_op *other = weft_op_find(weft_op_word(i), &act);
        for (const struct weft_layer_field *f = other->fields; f && f->name; f++)
            if (!has_field(op, f->offset) && !is_zero(f, p))
                return weft_fail(ctx, WEFT_ERR_ARG,
                                 "%s: has %s, which is a field of %s, not of %s", what,
                                 f->name, other->name, what);
    }
    return WEFT_OK;
}

enum weft_status weft_op_check_fields(weft_context *ctx, const char *what,
                                      const struct weft_op *op,
                                      struct weft_layer_params *p)
{
    WEFT_TRY(check_others(ctx, what, op, p));
    for (const struct weft_layer_field *f = op->fields; f && f->name; f++)
        WEFT_TRY(check_field(ctx, what, f, p));
    return WEFT_OK;
}

enum weft_status weft_op_check_act_parameters(weft_context *ctx, const char *what,
                                              const struct weft_activation *activation)
{
    const struct weft_act_parameter *parameters = weft_act_parameters[activation->act];
    const float given[WEFT_ACT_PARAMETERS] = {activation->alpha, activation->beta};
    for (int k = WEFT_ACT_PARAMETERS - 1; k >= 0; k--) {
        const struct weft_act_parameter *a = &parameters[k];
        if (!a->name && given[k] != 0)
            return weft_fail(ctx, WEFT_ERR_ARG, "%s: activation %s has no %s", what,
                             weft_act_names[activation->act], k ? "beta" : "alpha");
        if (a->name && !(given[k] >= a->min && given[k] <= a->max))
            return weft_fail(ctx, WEFT_ERR_ARG, "%s: %s is %g, must be %g to %g", what,
                             a->name, (double)given[k], (double)a->min, (double)a->max);
    }
    if (parameters[1].name && !(given[0] < given[1]))
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: %s=%g must be below %s=%g", what,
                         parameters[0].name, (double)given[0], parameters[1].name,
                         (double)given[1]);
    return WEFT_OK;
}

enum weft_status weft_op_check_activation(weft_context *ctx, const char *what,
                                          enum weft_act act,
                                          const struct weft_layer_params *p,
                                          struct weft_activation *out)
{
    const struct weft_activation given = {act, p->alpha, p->beta};
    bool initial = p->alpha == 0 && p->beta == 0;
    *out = initial ? weft_activation_init(act) : given;
    return initial ? WEFT_OK : weft_op_check_act_parameters(ctx, what, out);
}
