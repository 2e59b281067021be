/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms of a device. */
#include "opencl/select/algorithm.h"

#include "os/suggest.h"

#include <stdio.h>
#include <string.h>

/* Matrix products, and the other primitives. */
static const struct ocl_family *const families[][2] = {
    [WEFT_FAMILY_VEC] = {&ocl_family_vec, &ocl_primitives_vec},
    [WEFT_FAMILY_TILE] = {&ocl_family_tile, &ocl_primitives_work_group},
    [WEFT_FAMILY_SUBGROUP] = {&ocl_family_sg, &ocl_primitives_work_group},
    [WEFT_FAMILY_MMA] = {&ocl_family_mma, &ocl_primitives_work_group},
};

/* "winograd" has winograd-2, -3 and -4. */
static bool has_word(const char *name, const char *word, size_t length)
{
    return !strncmp(name, word, length) && (!name[length] || name[length] == '-');
}

/* True if one of the words, separated by commas, means the algorithm. */
static bool is_among(const char *words, const char *name)
{
    for (const char *at = words; at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t length = strcspn(at, ",");
        if (length && has_word(name, at, length))
            return true;
    }
    return false;
}

static int append(const struct ocl_device *device, const struct ocl_algorithm *algorithm,
                  const struct ocl_algorithm **out, int count)
{
    if (count == OCL_MAX_ALGORITHMS ||
        (device->avoided && is_among(device->avoided, algorithm->name)))
        return count;
    out[count] = algorithm;
    return count + 1;
}

int ocl_list_algorithms(const struct ocl_device *device, enum weft_primitive primitive,
                        const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS])
{
    static const enum weft_primitive passes[OCL_PASS_COUNT] = {
        [OCL_PASS_FORWARD] = WEFT_PRIMITIVE_conv_forward,
        [OCL_PASS_BWD_DATA] = WEFT_PRIMITIVE_conv_backward_data,
        [OCL_PASS_BWD_WEIGHTS] = WEFT_PRIMITIVE_conv_backward_weights,
    };
    int count = 0;
    for (int pass = 0; pass < OCL_PASS_COUNT; pass++)
        if (passes[pass] == primitive)
            count = append(device, &ocl_clblast[pass], out, count);
    for (int i = 0; i < 2; i++) {
        const struct ocl_algorithm *const *own =
            families[device->base.family][i]->algorithms[primitive];
        while (own && *own)
            count = append(device, *own++, out, count);
    }
    return count;
}

enum { MAX_NAMES = 64 };

/* Appends a name that is new. */
static int add_name(const char *names[MAX_NAMES], int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return count;
    if (count < MAX_NAMES)
        names[count++] = name;
    return count;
}

/* The names of the algorithms of all families. */
static int list_names(const char *names[MAX_NAMES])
{
    int count = add_name(names, 0, ocl_clblast[0].name);
    for (size_t f = 0; f < WEFT_ARRAY_SIZE(families); f++)
        for (int i = 0; i < 2; i++)
            for (int p = 0; families[f][i] && p < WEFT_PRIMITIVE_COUNT; p++)
                for (const struct ocl_algorithm *const *own =
                         families[f][i]->algorithms[p];
                     own && *own; own++)
                    count = add_name(names, count, (*own)->name);
    return count;
}

static enum weft_status check_word(weft_context *ctx, const char *word, size_t length)
{
    const char *names[MAX_NAMES];
    char text[64], close[WEFT_SUGGESTION], all[512] = "";
    int count = list_names(names);
    for (int i = 0; i < count; i++)
        if (length && has_word(names[i], word, length))
            return WEFT_OK;
    for (int i = 0; i < count; i++)
        if (strlen(all) + strlen(names[i]) + 3 < sizeof(all))
            strcat(strcat(all, i ? ", " : ""), names[i]);
    snprintf(text, sizeof(text), "%.*s", (int)length, word);
    return weft_fail(ctx, WEFT_ERR_ARG,
                     "\"%s\" is no kernel that could be avoided%s; there are %s", text,
                     weft_suggestion(text, names, count, close), all);
}

enum weft_status ocl_avoid(struct ocl_device *device, const char *words)
{
    if (!words)
        return WEFT_OK;
    for (const char *at = words; at; at = strchr(at, ',')) {
        at += *at == ',';
        WEFT_TRY(check_word(device->base.context, at, strcspn(at, ",")));
    }
    device->avoided = strdup(words);
    return device->avoided ? WEFT_OK
                           : weft_out_of_memory(device->base.context, "opencl: device",
                                                strlen(words));
}
