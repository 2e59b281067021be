/* SPDX-License-Identifier: Apache-2.0 */
/* A model of initial weights, for measuring inference. */
#define _GNU_SOURCE
#include "bench/bench.h"

#include "core/temporary_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t held_signal;

static void hold_signal(int number)
{
    held_signal = number;
}

/* Writes the trainer's model to a temporary file and reads it back. Signals are held
 * until the file is removed. */
static enum app_exit through_file(struct app *app, weft_trainer *trainer,
                                  weft_model **out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    enum { COUNT = sizeof(signals) / sizeof(*signals) };
    struct sigaction action = {.sa_handler = hold_signal, .sa_flags = SA_RESTART},
                     old[COUNT];
    enum weft_status status = WEFT_OK;
    const char *place = temporary_folder_place();
    char path[PATHS_MAX];
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < COUNT; i++) {
        sigaction(signals[i], NULL, &old[i]);
        if (old[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    int file = paths_join(path, place, "weft-XXXXXX") ? mkostemp(path, O_CLOEXEC) : -1;
    int why = errno;
    if (file >= 0) {
        close(file);
        status = weft_trainer_save_checkpoint(trainer, path, NULL);
        if (!status)
            status = weft_model_load(app->context, path, out);
        unlink(path);
    }
    for (int i = 0; i < COUNT; i++)
        sigaction(signals[i], &old[i], NULL);
    if (held_signal)
        raise(held_signal);
    if (file < 0)
        return app_error(app, APP_FAILED,
                         "no file can be created in %s: %s; set TMPDIR to another folder",
                         place, strerror(why));
    return status ? app_report_error(app, APP_WORK, status) : APP_OK;
}

/* Predictors need a model, and models are loaded from files: a trainer of the host
 * backend writes one. Initial weights are equal on all
 * devices. */
enum app_exit bench_fresh_model(struct app *app, const weft_net *net,
                                const weft_dataset *data, uint64_t seed, weft_model **out)
{
    struct weft_train_params params =
        *weft_train_params(.batch = 1, .epochs = 1, .seed = seed);
    weft_device *host = NULL;
    weft_trainer *trainer = NULL;
    enum weft_status status =
        weft_device_open(app->context, WEFT_HOST_DEVICE, NULL, &host);
    if (!status)
        status = weft_trainer_create(host, net, data, &params, &trainer);
    enum app_exit code =
        status
            ? app_report_error(app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
            : through_file(app, trainer, out);
    weft_trainer_destroy(&trainer);
    weft_device_close(&host);
    return code;
}
