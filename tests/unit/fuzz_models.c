/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of networks, tuning files, models and checkpoints, fed with any bytes. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/tuning_file.h"
#include "unit/fuzz.h"

#include <weft/model.h>
#include <weft/train.h>

static weft_context *context;

/* A failure is caused by the input, and leaves an error message. */
static void check_status(enum weft_status status)
{
    MUST(!status || status == WEFT_ERR_FORMAT || status == WEFT_ERR_NOMEM ||
         status == WEFT_ERR_ARG);
    MUST(!status || strlen(weft_error(context)) > 5);
    fuzz_accepted += !status;
}

static void parse_network(const char *text)
{
    weft_net *net = NULL, *again = NULL;
    enum weft_status status = weft_net_create(
        context, text,
        weft_net_params(.height = 12, .width = 12, .channels = 1, .classes = 3), &net);
    check_status(status);
    /* The text that it prints is a network too. */
    if (!status) {
        struct weft_net_info info;
        weft_net_info(net, &info);
        MUST(!weft_net_create(
            context, info.text,
            weft_net_params(.height = 12, .width = 12, .channels = 1, .classes = 3),
            &again));
    }
    weft_net_destroy(&net);
    weft_net_destroy(&again);
}

static void parse_tuning(const char *text, size_t size)
{
    struct weft_tuning table = {0};
    int damaged;
    MUST(!weft_tuning_read(context, &table, text, size, false, &damaged));
    fuzz_accepted += !damaged && table.count > 0;
    for (int i = 0; i < table.count; i++) {
        free(table.rows[i].problem);
        free(table.rows[i].config);
        free(table.rows[i].parsed);
    }
    free(table.rows);
}

weft_trainer *fuzz_trainer(void);

/* As a model, and as a checkpoint of `trainer`. */
static void load_model(weft_trainer *trainer, const uint8_t *bytes, size_t size)
{
    char path[64];
    weft_model *model = NULL;
    int fd = memfd_create("model", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    enum weft_status status = weft_model_load(context, path, &model);
    check_status(status);
    if (!status) {
        struct weft_model_info info;
        weft_model_info(model, &info);
        MUST(info.net && info.class_names);
    }
    weft_model_destroy(&model);
    if (trainer) {
        status = weft_trainer_load_checkpoint(trainer, path);
        MUST(!status || status == WEFT_ERR_FORMAT || status == WEFT_ERR_NOMEM);
        fuzz_accepted += !status;
    }
    close(fd);
}

/* A trainer of the network of the seeds on the host; made once. */
weft_trainer *fuzz_trainer(void)
{
    static weft_trainer *trainer;
    static weft_net *net;
    static weft_dataset *data;
    static weft_device *device;
    static uint8_t pixels[6 * 4 * 4];
    static const int32_t labels[6] = {0, 1, 2, 0, 1, 2};
    int index;
    if (trainer)
        return trainer;
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 37);
    MUST(!weft_context_create(&context, weft_context_params(.no_opencl = true)));
    MUST(!weft_device_find(context, "cpu", &index, NULL));
    MUST(!weft_device_open(context, index, NULL, &device));
    MUST(!weft_dataset_from_memory(context,
                                   weft_dataset_params(.pixels = pixels, .labels = labels,
                                                       .count = 6, .height = 4,
                                                       .width = 4, .channels = 1),
                                   &data));
    MUST(!weft_net_create(
        context, "flatten\ndense 3\nsoftmax\noptimizer sgd 0.1\nbatch 2\n",
        weft_net_params(.height = 4, .width = 4, .channels = 1, .classes = 3), &net));
    MUST(!weft_trainer_create(device, net, data, NULL, &trainer));
    return trainer;
}

/* The bytes as a text with an end; to be freed. */
static char *text_of(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text);
    if (size)
        memcpy(text, bytes, size);
    text[size] = 0;
    fuzz_trainer(); /* makes the context */
    return text;
}

static void read_network(const uint8_t *bytes, size_t size)
{
    char *text = text_of(bytes, size);
    parse_network(text);
    free(text);
}

static void read_tuning(const uint8_t *bytes, size_t size)
{
    char *text = text_of(bytes, size);
    parse_tuning(text, size);
    free(text);
}

static void read_model(const uint8_t *bytes, size_t size)
{
    load_model(fuzz_trainer(), bytes, size);
}

const struct fuzz_reader fuzz_readers[] = {{"network", read_network, false},
                                           {"tuning", read_tuning, false},
                                           {"model", read_model, false},
                                           {NULL, NULL, false}};
