/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of problems, and their text. */
#include "device/problem.h"

#include "device/problem_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const family_names[] = {
    [WEFT_FAMILY_VEC] = "vec",
    [WEFT_FAMILY_TILE] = "tile",
    [WEFT_FAMILY_SUBGROUP] = "sg",
    [WEFT_FAMILY_MMA] = "mma",
};

const char *const weft_primitive_names[WEFT_PRIMITIVE_COUNT] = {
#define PRIMITIVE(name, args, output) #name,
#include "device/primitives.def"
#undef PRIMITIVE
};

static const struct {
    enum weft_primitive dense, conv;
} dense_passes[] = {
    {WEFT_PRIMITIVE_dense_forward, WEFT_PRIMITIVE_conv_forward},
    {WEFT_PRIMITIVE_dense_backward_data, WEFT_PRIMITIVE_conv_backward_data},
    {WEFT_PRIMITIVE_dense_backward_weights, WEFT_PRIMITIVE_conv_backward_weights},
};

bool weft_problem_of(const struct weft_device *device,
                     const struct weft_primitive_call *call, struct weft_problem *out)
{
    *out = (struct weft_problem){.family = device->family, .call = *call};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(dense_passes); i++)
        if (call->primitive == dense_passes[i].dense) {
            out->call.primitive = dense_passes[i].conv;
            out->call.args.conv_forward = weft_dense_as_conv(&call->args.dense_forward);
        }
    return problem_kind_of(out->call.primitive)->fields != NULL;
}

/* Value number i of a field: of a view 1 where it is present. */
static int value_of(const struct weft_problem *p, const struct problem_field *field,
                    int i)
{
    const char *at = (const char *)&p->call.args + field->at[i];
    if (field->kind == FIELD_VIEW)
        return ((const struct weft_view *)(const void *)at)->mem != NULL;
    if (field->kind == FIELD_FLAG)
        return *(const bool *)(const void *)at;
    if (field->kind == FIELD_LENGTH)
        return (int)((const struct weft_view *)(const void *)at)->count;
    return *(const int *)(const void *)at;
}

static bool is_default(const struct weft_problem *p, const struct problem_field *field)
{
    for (int i = 0; i < field->count; i++)
        if (value_of(p, field, i) != field->usual)
            return false;
    return true;
}

double weft_problem_batch_ratio(const struct weft_problem *a,
                                const struct weft_problem *b)
{
    if (a->family != b->family || a->call.primitive != b->call.primitive)
        return 0;
    const struct problem_field *fields = problem_kind_of(a->call.primitive)->fields;
    for (const struct problem_field *field = fields + 1; field->name; field++)
        for (int i = 0; i < field->count; i++)
            if (value_of(a, field, i) != value_of(b, field, i))
                return 0;
    double x = value_of(a, fields, 0), y = value_of(b, fields, 0);
    return x > y ? x / y : y / x;
}

uint32_t weft_problem_hash(const struct weft_problem *p)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    hash = (hash ^ (uint32_t)p->family) * 16777619u;
    hash = (hash ^ (uint32_t)p->call.primitive) * 16777619u;
    const struct problem_field *field = problem_kind_of(p->call.primitive)->fields;
    for (; field->name; field++)
        for (int i = 0; i < field->count; i++)
            hash = (hash ^ (uint32_t)value_of(p, field, i)) * 16777619u;
    return hash;
}

double weft_problem_work(const struct weft_problem *p)
{
    return problem_kind_of(p->call.primitive)->work(&p->call.args);
}

static void append(char out[WEFT_PROBLEM_TEXT], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char out[WEFT_PROBLEM_TEXT], const char *format, ...)
{
    size_t used = strlen(out);
    va_list list;
    va_start(list, format);
    vsnprintf(out + used, WEFT_PROBLEM_TEXT - used, format, list);
    va_end(list);
}

void weft_problem_format(const struct weft_problem *p, char out[WEFT_PROBLEM_TEXT])
{
    out[0] = 0;
    append(out, "%s %s", family_names[p->family],
           weft_primitive_names[p->call.primitive]);
    const struct problem_field *field = problem_kind_of(p->call.primitive)->fields;
    for (; field->name; field++) {
        if (is_default(p, field))
            continue;
        if (field->kind == FIELD_NAME)
            append(out, " %s", field->names[value_of(p, field, 0)]);
        else
            append(out, " %s", field->name);
        bool has_values = field->kind == FIELD_NUMBERS || field->kind == FIELD_LENGTH;
        for (int i = 0; has_values && i < field->count; i++)
            append(out, "%c%d",
                   !i                 ? '='
                   : field->count < 4 ? 'x'
                                      : ',',
                   value_of(p, field, i));
    }
}

/* Takes `word` off the front of the text. */
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

static bool is_word_end(const char *text)
{
    return *text == 0 || *text == ' ';
}

/* " NAME=" and its numbers, each behind an "x" or a comma. False: it is there and cannot
 * be read, or is absent without a default. */
static bool read_numbers(const char **text, const struct problem_field *field, char *args)
{
    const char *at = *text;
    bool absent = !take(&at, " ") || !take(&at, field->name) || !take(&at, "=");
    for (int i = 0; i < field->count; i++) {
        int value = field->usual, used = 0;
        if (!absent && ((i && !take(&at, "x") && !take(&at, ",")) ||
                        sscanf(at, "%9d%n", &value, &used) != 1 || value < 0))
            return false;
        at += used;
        if (field->kind == FIELD_LENGTH)
            ((struct weft_view *)(void *)(args + field->at[i]))->count = (size_t)value;
        else
            *(int *)(void *)(args + field->at[i]) = value;
    }
    if (absent)
        return field->usual != FIELD_REQUIRED;
    *text = at;
    return is_word_end(at);
}

static bool read_field(const char **text, const struct problem_field *field, char *args)
{
    static char nothing;
    char *at = args + field->at[0];
    if (field->kind == FIELD_NUMBERS || field->kind == FIELD_LENGTH)
        return read_numbers(text, field, args);
    const char *rest = *text;
    bool given = take(&rest, " ");
    if (field->kind == FIELD_NAME) {
        int value = given ? take_name(&rest, field->names, field->name_count) : -1;
        given = value >= 0;
        if (!given && field->usual == FIELD_REQUIRED)
            return false;
        *(int *)(void *)at = given ? value : field->usual;
    } else {
        given = given && take(&rest, field->name) && is_word_end(rest);
        if (field->kind == FIELD_FLAG)
            *(bool *)(void *)at = given;
        else if (given)
            ((struct weft_view *)(void *)at)->mem = (struct weft_mem *)(void *)&nothing;
    }
    if (given)
        *text = rest;
    return true;
}

bool weft_problem_parse(const char *text, struct weft_problem *out)
{
    *out = (struct weft_problem){0};
    int family = take_name(&text, family_names, WEFT_ARRAY_SIZE(family_names));
    if (family < 0 || !take(&text, " "))
        return false;
    int primitive = take_name(&text, weft_primitive_names, WEFT_PRIMITIVE_COUNT);
    if (primitive < 0)
        return false;
    const struct problem_kind *kind = problem_kind_of((enum weft_primitive)primitive);
    out->family = (enum weft_kernel_family)family;
    out->call.primitive = (enum weft_primitive)primitive;
    for (const struct problem_field *f = kind->fields; f && f->name; f++)
        if (!read_field(&text, f, (char *)&out->call.args))
            return false;
    return kind->fields && !*text && kind->complete(&out->call.args);
}
