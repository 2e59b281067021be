/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning a network on the open device. */
#define _GNU_SOURCE
#include "core/tuning.h"

#include "core/paths.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* Shortens a problem to one progress line: "forward n=64 in=14x14x32 out=14x14x64". */
static void shorten(const char *problem, char *out, size_t size)
{
    const char *from = strchr(problem, ' '), *window = strstr(problem, " window=");
    from = from ? from + 1 : problem;
    size_t length = window > from ? (size_t)(window - from) : strlen(from);
    snprintf(out, size, "%.*s", (int)length, from);
}

static bool report(void *priv, const struct weft_tune_progress *p)
{
    const bool *full = priv;
    char problem[96];
    shorten(p->problem, problem, sizeof(problem));
    double left = p->time_limit - p->seconds;
    double rate = p->seconds > 0 ? p->tried / p->seconds : 0;
    term_progress(
        "Tuning: problem %d of %d, %d configurations tried (%.1f/s), %d improved, "
        "at most %.0f s left%s: %s",
        p->done + 1, p->problems, p->tried, rate, p->improved, left > 0 ? left : 0,
        *full ? "" : " (Ctrl-C skips)", problem);
    return !interrupted;
}

/* The command line of the worker process that tries kernels on the same device. False:
 * this program's path is unknown. */
static bool worker_command(const struct app *app, char path[PATHS_MAX], char index[16],
                           const char *words[14])
{
    ssize_t length = readlink("/proc/self/exe", path, PATHS_MAX - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    snprintf(index, 16, "%d", app->device_index);
    const char *const command[] = {path,
                                   "tune",
                                   "--internal-worker",
                                   "--device",
                                   index,
                                   "--family",
                                   app_kernel_family_names[app->options->family],
                                   "--gemm",
                                   app_gemm_provider_names[app->options->gemm],
                                   app->options->avoid ? "--avoid" : NULL,
                                   app->options->avoid,
                                   NULL};
    memcpy(words, command, sizeof(command));
    return true;
}

enum app_exit tuning_run(struct app *app, const weft_net *net,
                         struct weft_tune_params *params, struct weft_tune_result *result,
                         bool *stopped)
{
    char path[PATHS_MAX], index[16];
    const char *words[14];
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    bool full = params->full;
    if (worker_command(app, path, index, words))
        params->worker = words;
    params->report = report;
    params->priv = &full;
    interrupted = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &old);
    enum weft_status status = weft_tune(app->device, net, params, result);
    sigaction(SIGINT, &old, NULL);
    term_progress_clear();
    *stopped = interrupted;
    params->worker = NULL;
    return status ? app_report_error(app, APP_WORK, status) : APP_OK;
}

void tuning_print_summary(const struct weft_tune_result *r)
{
    char gain[64] = "";
    if (r->best > 0)
        snprintf(gain, sizeof(gain),
                 "; the tuned kernels take %.2f ms per step, before %.2f", r->best * 1e3,
                 r->baseline * 1e3);
    term_print("%sTuned%s   %d of %d problems were cached; %d configurations tried, %d "
               "rejected, %d faster than the default%s",
               term_style_begin(stderr, TERM_BOLD), term_style_end(stderr), r->cached,
               r->problems, r->tried, r->rejected, r->improved, gain);
}

enum app_exit tuning_quick(struct app *app, const weft_net *net, int training,
                           int inference)
{
    struct weft_net_info info;
    struct weft_tune_result result = {0};
    bool stopped;
    if (app->options->tuning != APP_TUNING_QUICK || app->info.kind == WEFT_DEVICE_HOST)
        return APP_OK;
    weft_net_info(net, &info);
    training = training ? training : info.batch ? info.batch : 128;
    inference = inference ? inference : info.batch ? info.batch : 128;
    struct weft_tune_params params =
        *weft_tune_params(.training = &training, .inference = &inference,
                          .training_count = training > 0,
                          .inference_count = inference > 0);
    enum app_exit code = tuning_run(app, net, &params, &result, &stopped);
    if (!code && result.tried)
        tuning_print_summary(&result);
    return code;
}
