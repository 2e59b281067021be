/* SPDX-License-Identifier: Apache-2.0 */
/* A step of a network as a device would be given it: each program with its options, each
 * part of the step with its launches, one JSON object per line.
 *
 *     gpu_recorder NET train|inference BATCH float32|float16 FAMILY FOLDER [KEY=VALUE...]
 *
 * NET is a file with an `input` line. FOLDER gets the sources of programs; the rest are
 * properties of the device (driver.c). */
#include "driver.h"

#include "device/backend.h"

#include <weft/weft.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device that runs nothing would fail known-answer tests. */
static bool is_proven(const struct weft_command_list *list)
{
    (void)list;
    return true;
}

static void print_part(void *priv, const struct weft_timing *t)
{
    (void)priv;
    printf("{\"part\": ");
    driver_print_text(t->name);
    printf(", \"layer\": ");
    driver_print_text(t->layer_text);
    printf(", \"phase\": \"%s\", \"flops\": %.0f, \"bytes\": %.0f, \"kernels\": ",
           t->phase, t->flops, t->bytes);
    driver_print_text(t->kernels);
    puts("}");
    driver_print_launches(t->launches);
    driver_forget_launches();
}

static char *read_file(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static enum weft_kernel_family family_of(const char *name)
{
    static const char *const names[] = {"auto", "vec", "tile", "sg", "mma"};
    static const enum weft_kernel_family families[] = {
        WEFT_FAMILY_AUTO, WEFT_FAMILY_VEC, WEFT_FAMILY_TILE, WEFT_FAMILY_SUBGROUP,
        WEFT_FAMILY_MMA};
    size_t i = 0;
    while (i < 4 && strcmp(names[i], name))
        i++;
    return families[i];
}

static enum weft_status make_data(weft_context *context, const weft_net *net, int batch,
                                  weft_dataset **data)
{
    struct weft_net_info shape;
    weft_net_info(net, &shape);
    const struct weft_dataset_params params =
        *weft_dataset_params(.count = batch, .height = shape.height, .width = shape.width,
                             .channels = shape.channels, .classes = shape.classes,
                             .pixels = calloc((size_t)batch, (size_t)shape.height *
                                                                 (size_t)shape.width *
                                                                 (size_t)shape.channels),
                             .labels = calloc((size_t)batch, sizeof(int32_t)));
    return weft_dataset_from_memory(context, &params, data);
}

static enum weft_status record(weft_context *context, const char *text, char **argv)
{
    weft_device *device = NULL;
    weft_dataset *data = NULL;
    weft_net *net = NULL;
    weft_bench *bench = NULL;
    struct weft_step_report step;
    static struct weft_backend backend;
    const struct weft_step_params params =
        *weft_step_params(.batch = atoi(argv[3]), .training = !strcmp(argv[2], "train"),
                          .precision = strcmp(argv[4], "float16")
                                           ? WEFT_PRECISION_FLOAT32
                                           : WEFT_PRECISION_FLOAT16,
                          .report = print_part);
    WEFT_TRY(weft_device_open(context, 0,
                              weft_device_params(.family = family_of(argv[5])), &device));
    backend = *device->backend;
    backend.is_proven = is_proven;
    device->backend = &backend;
    WEFT_TRY(weft_net_create(context, text, NULL, &net));
    WEFT_TRY(make_data(context, net, params.batch, &data));
    WEFT_TRY(weft_bench_create(device, weft_bench_params(.seconds = 1e-9), &bench));
    driver_forget_launches();
    WEFT_TRY(weft_bench_step(bench, net, data, &params, &step));
    printf("{\"step\": %d, \"launches\": %d, \"flops\": %.0f, \"planned\": %zu}\n",
           step.batch, step.launches, step.flops, step.bytes_planned);
    return WEFT_OK;
}

int main(int argc, char **argv)
{
    weft_context *context = NULL;
    char *text = argc > 6 ? read_file(argv[1]) : NULL;
    if (!text) {
        fprintf(stderr, "gpu_recorder: no network; recorder.c has the arguments\n");
        return 2;
    }
    driver_open(argv[6], argv + 7);
    if (weft_context_create(&context, NULL) || record(context, text, argv)) {
        fprintf(stderr, "gpu_recorder: %s\n",
                context ? weft_error(context) : "no memory");
        return 1;
    }
    return 0;
}
