/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the subcommands. */
#define _GNU_SOURCE
#include "core/app.h"

#include "core/crash_handler.h"
#include "core/driver_smoke_test.h"

#include <math.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const app_device_kind_names[] = {
    [WEFT_DEVICE_DISCRETE] = "GPU",      [WEFT_DEVICE_INTEGRATED] = "iGPU",
    [WEFT_DEVICE_ACCELERATOR] = "accel", [WEFT_DEVICE_CPU] = "CPU",
    [WEFT_DEVICE_HOST] = "host",
};

const char *const app_kernel_family_names[] = {
    [WEFT_FAMILY_AUTO] = "auto",   [WEFT_FAMILY_VEC] = "vec", [WEFT_FAMILY_TILE] = "tile",
    [WEFT_FAMILY_SUBGROUP] = "sg", [WEFT_FAMILY_MMA] = "mma",
};

const char *const app_gemm_provider_names[] = {
    [WEFT_GEMM_NATIVE] = "native",
    [WEFT_GEMM_CLBLAST] = "clblast",
};

#define APP_OPTION(type, field) \
    .kind = (type), .offset = offsetof(struct app_options, field)

const struct args_option app_model_options[] = {
    {.name = "force",
     APP_OPTION(ARGS_FLAG, force),
     .help = "load a model in spite of a checksum that does not match"},
    {0},
};

const struct args_option app_precision_options[] = {
    {.name = "precision",
     APP_OPTION(ARGS_CHOICE, precision),
     .value = "float32|float16|auto",
     .help =
         "storage of activations and weights; auto: float16 where it is measured faster "
         "and accurate enough; default float32"},
    {0},
};

const struct args_option app_tuning_options[] = {
    {.name = "tuning",
     APP_OPTION(ARGS_CHOICE, tuning),
     .value = "cached|off|quick",
     .help = "cached, the default: kernels found by `weft tune`, else those bundled with "
             "weft; off: built-in defaults; quick: first tune what is not cached, for at "
             "most 20 s"},
    {0},
};

const struct args_option app_cached_tuning_options[] = {
    {.name = "tuning",
     APP_OPTION(ARGS_CHOICE, tuning),
     .value = "cached|off",
     .help = "cached, the default: kernels found by `weft tune`, else those bundled with "
             "weft; off: built-in defaults"},
    {0},
};

const struct args_option app_device_options[] = {
    {.name = "device",
     .letter = 'd',
     APP_OPTION(ARGS_TEXT, device),
     .value = "DEV",
     .help =
         "an index of `weft devices`, gpu, igpu, cpu (the host backend), fastest (with "
         "this network), clinfo's P:D or part of the name; default: $WEFT_DEVICE, "
         "else the best"},
    {.name = "family",
     APP_OPTION(ARGS_CHOICE, family),
     .value = "auto|vec|tile|sg|mma",
     .help = "kernel family; auto: selected by the device class"},
    {.name = "gemm",
     APP_OPTION(ARGS_CHOICE, gemm),
     .value = "native|clblast",
     .help = "matrix multiplication of dense layers; default native"},
    {.name = "avoid",
     APP_OPTION(ARGS_TEXT, avoid),
     .value = "KERNEL",
     .help = "do not use this kernel, a name of `weft explain` such as winograd-4, or "
             "several, separated by commas"},
    {.name = "nice",
     APP_OPTION(ARGS_FLAG, nice),
     .help = "give the device at most 12 ms of work at a time, so that a GPU also draws "
             "the desktop smoothly"},
    {0},
};

const struct args_option app_output_options[] = {
    {.name = "format",
     .letter = 'f',
     APP_OPTION(ARGS_CHOICE, format),
     .value = TABLE_FORMATS,
     .help = "format of the results on stdout; default human, which has at most the "
             "columns of the terminal or of COLUMNS"},
    {.name = "color",
     APP_OPTION(ARGS_CHOICE, color),
     .value = TERM_COLORS,
     .help = "colours; auto: on a terminal, unless NO_COLOR is set"},
    {.name = "verbose",
     .letter = 'v',
     APP_OPTION(ARGS_FLAG, verbose),
     .help = "log every kernel build and selection on stderr"},
    {0},
};

const struct args_option app_graphics_options[] = {
    {.name = "graphics",
     APP_OPTION(ARGS_CHOICE, graphics),
     .value = TERM_GRAPHICS_NAMES,
     .help = "how images are drawn; auto: to the pixel if the terminal answers that it "
             "can, else by half blocks, or by letters without colour"},
    {0},
};

/* Other failures yield APP_FAILED; the first matching row applies. */
static const struct {
    enum app_phase phase; /* APP_PHASE_COUNT: any */
    enum weft_status status;
    enum app_exit code;
} exits[] = {
    {APP_PHASE_COUNT, WEFT_OK, APP_OK},
    {APP_PHASE_COUNT, WEFT_ERR_NO_DEVICE, APP_NO_DEVICE},
    {APP_PHASE_COUNT, WEFT_ERR_MISMATCH, APP_VERIFICATION_FAILED},
    {APP_DEVICE, WEFT_ERR_ARG, APP_NO_DEVICE},
    {APP_INPUT, WEFT_ERR_ARG, APP_BAD_INPUT},
    {APP_INPUT, WEFT_ERR_FILE, APP_BAD_INPUT},
    {APP_INPUT, WEFT_ERR_FORMAT, APP_BAD_INPUT},
};

static enum app_exit exit_code_of(enum app_phase phase, enum weft_status status)
{
    for (size_t i = 0; i < sizeof(exits) / sizeof(*exits); i++)
        if (exits[i].status == status &&
            (exits[i].phase == phase || exits[i].phase == APP_PHASE_COUNT))
            return exits[i].code;
    return APP_FAILED;
}

/* The log of a compiler has lines, unlike names in other messages. */
static void print_lines(const char *text)
{
    while (*text) {
        int span = (int)strcspn(text, "\n");
        term_print("%s%.*s%s", term_style_begin(stderr, TERM_DIM), span, text,
                   term_style_end(stderr));
        text += span + (text[span] == '\n');
    }
}

static void log_line(void *priv, enum weft_log_level level, const char *message)
{
    (void)priv;
    if (level == WEFT_LOG_WARN)
        term_warn("%s", message);
    else if (level != WEFT_LOG_ERROR) /* app_report_error prints errors */
        print_lines(message);
}

enum app_exit app_error(const struct app *app, enum app_exit code, const char *format,
                        ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    term_flush_stdout();
    term_progress_clear();
    term_print("%sweft %s:%s %s", term_style_begin(stderr, TERM_BAD), app->name,
               term_style_end(stderr), n < 0 ? "out of memory" : text);
    if (n >= 0)
        free(text);
    return code;
}

enum app_exit app_report_error(const struct app *app, enum app_phase phase,
                               enum weft_status status)
{
    const char *why = app->context ? weft_error(app->context) : weft_status_name(status);
    size_t span = status == WEFT_ERR_BUILD ? strcspn(why, "\n") : strlen(why);
    app_error(app, APP_FAILED, "%.*s", (int)span, why);
    print_lines(why + span);
    return exit_code_of(phase, status);
}

enum app_exit app_create_context(struct app *app, bool opencl, bool fresh)
{
    if (app->context)
        return APP_OK;
    char cache[PATHS_MAX], state[PATHS_MAX], tuning[PATHS_MAX];
    const char *folder = opencl ? smoke_test_drivers(fresh) : NULL;
    bool cached = paths_cache(cache);
    bool tuned = paths_state(state) && paths_join(tuning, state, "tuning");
    struct weft_context_params params =
        *weft_context_params(.log = log_line,
                             .log_level =
                                 app->options->verbose ? WEFT_LOG_DEBUG : WEFT_LOG_WARN,
                             .cache_dir = cached ? cache : NULL,
                             .tuning_dir = tuned ? tuning : NULL, .icd_dir = folder,
                             .accept_damaged = app->options->force, .no_opencl = !folder);
    if (folder)
        crash_handler_install(app->name);
    dataset_prefetch_start(&app->prefetch); /* after the smoke test, which forks */
    enum weft_status status = weft_context_create(&app->context, &params);
    return status ? app_report_error(app, APP_START, status) : APP_OK;
}

const char *app_requested_device(const struct app *app)
{
    const char *selector = app->options->device;
    return selector ? selector : getenv("WEFT_DEVICE");
}

const char *app_kernel_family_name(const struct weft_device_info *device, int family)
{
    return device->kind == WEFT_DEVICE_HOST
               ? "C"
               : app_kernel_family_names[family ? family : (int)device->family];
}

static void print_device(const struct app *app, const char *reason)
{
    const struct weft_device_info *d = &app->info;
    const char *on = term_style_begin(stderr, TERM_BOLD), *off = term_style_end(stderr);
    if (d->kind == WEFT_DEVICE_HOST)
        term_print("%sDevice%s  %d  %s, host backend  [%s]", on, off, app->device_index,
                   d->name, reason);
    else
        term_print("%sDevice%s  %d  %s (%s), %s kernels  [%s]", on, off,
                   app->device_index, d->name, app_platform_name(d),
                   app_kernel_family_name(d, app->options->family), reason);
    if (d->kind == WEFT_DEVICE_HOST && !app_requested_device(app))
        term_warn("no OpenCL device found, using the slow host backend; `weft devices "
                  "--doctor` explains why");
}

/* $WEFT_DEVICE_TIMEOUT in seconds; 0: the library's. */
static double device_timeout(void)
{
    const char *text = getenv("WEFT_DEVICE_TIMEOUT");
    double seconds = text ? atof(text) : 0;
    return isfinite(seconds) && seconds > 0 ? seconds : 0;
}

struct weft_device_params app_device_params(const struct app *app)
{
    return *weft_device_params(.family = (enum weft_kernel_family)app->options->family,
                               .gemm = (enum weft_gemm_provider)app->options->gemm,
                               .avoid = app->options->avoid,
                               .no_tuning = app->options->tuning == APP_TUNING_OFF,
                               .queue_seconds = app->options->nice ? 0.012 : 0,
                               .timeout = device_timeout());
}

enum app_exit app_open_device(struct app *app)
{
    const char *selector = app_requested_device(app), *reason = "";
    bool host = selector && !strcasecmp(selector, "cpu");
    enum app_exit code = app_create_context(app, !host, false);
    if (code || app->device)
        return code;
    enum weft_status status = WEFT_OK;
    if (selector && !strcasecmp(selector, "fastest"))
        code = app_find_fastest(app, &app->device_index, &reason);
    else
        status = weft_device_find(app->context, selector, &app->device_index, &reason);
    if (code)
        return code;
    if (!status)
        status = weft_device_info(app->context, app->device_index, &app->info);
    if (status)
        return app_report_error(app, APP_DEVICE, status);
    print_device(app, reason);
    if (app->info.kind != WEFT_DEVICE_HOST)
        crash_handler_set_device(&app->info);
    struct weft_device_params params = app_device_params(app);
    term_wait_begin("Opening the device");
    status = weft_device_open(app->context, app->device_index, &params, &app->device);
    term_wait_end();
    return status ? app_report_error(app, APP_DEVICE, status) : APP_OK;
}

void app_prefetch_dataset(struct app *app, const char *spec, enum weft_split split)
{
    app->prefetch.spec = spec;
    app->prefetch.split = split;
    app->prefetch.params = app->images ? &app->images->params : NULL;
}

void app_print_notes(const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    for (const char *line = info.notes; *line;) {
        int length = (int)strcspn(line, "\n");
        term_print("Note: %.*s", length, line);
        line += length + (line[length] == '\n');
    }
}

enum app_exit app_read_dataset(struct app *app, const char *spec, enum weft_split split,
                               weft_dataset **out)
{
    enum weft_status status = WEFT_OK;
    term_wait_begin("Reading %s", spec);
    if (!dataset_prefetch_take(&app->prefetch, spec, split, out))
        status = weft_dataset_open(app->context, spec, split,
                                   app->images ? &app->images->params : NULL, out);
    term_wait_end();
    const char *known[] = {"fashion-mnist"}, *close = weft_suggest(spec, known, 1);
    if (status && close && !paths_exists(spec))
        return app_error(app, APP_BAD_INPUT, "%s; did you mean %s?",
                         weft_error(app->context), close);
    if (!status)
        app_print_decoding(*out);
    return status ? app_report_error(app, APP_INPUT, status) : APP_OK;
}

enum app_exit app_open_dataset(struct app *app, const char *spec, enum weft_split split,
                               weft_dataset **out)
{
    enum app_exit code = app_read_dataset(app, spec, split, out);
    if (!code)
        app_print_notes(*out);
    return code;
}

enum app_exit app_require_saved_data(const struct app *app, const char *spec,
                                     const char *model)
{
    if (spec[0] != '/' || paths_exists(spec))
        return APP_OK;
    return app_error(
        app, APP_BAD_INPUT,
        "%s: no such file or folder: %s was trained on it; name its new place "
        "with --data",
        spec, model);
}

enum app_exit app_parse_input(const struct app *app, const char *text,
                              struct weft_dataset_info *shape)
{
    enum { MAX_EXTENT = 4096 };
    char rest;
    int n = sscanf(text, "%dx%dx%d%c", &shape->height, &shape->width, &shape->channels,
                   &rest);
    if (n == 3 && shape->height > 0 && shape->height <= MAX_EXTENT && shape->width > 0 &&
        shape->width <= MAX_EXTENT && shape->channels > 0 &&
        shape->channels <= WEFT_MAX_CHANNELS)
        return APP_OK;
    return app_error(app, APP_USAGE, "--input is '%s', but must be HxWxC, like 28x28x1",
                     text);
}

bool app_same_dataset(const char *a, const char *b)
{
    const char *end_a = strrchr(a, ','), *end_b = strrchr(b, ',');
    return strcmp(a, b) && end_a && end_b && end_a - a == end_b - b &&
           !strncmp(a, b, (size_t)(end_a - a));
}

enum app_exit app_train_test_overlap(struct app *app, const weft_dataset *train,
                                     const weft_dataset *test, double *overlap)
{
    int common = 0;
    struct weft_dataset_info info, from;
    weft_dataset_info(test, &info);
    weft_dataset_info(train, &from);
    if (app_same_dataset(from.known_as, info.known_as))
        return APP_OK;
    enum weft_status status = weft_dataset_overlap(train, test, &common);
    if (status)
        return app_report_error(app, APP_WORK, status);
    *overlap = (double)common / info.count;
    if (*overlap <= 0.01)
        return APP_OK;
    const char *on = term_style_begin(stderr, TERM_BAD), *off = term_style_end(stderr);
    term_print(
        "%s*** LEAK: %s of the %s test images (%.0f %%) are also training images.%s", on,
        table_thousands(common), table_thousands(info.count), *overlap * 100, off);
    term_print("%s*** The test accuracy does not predict accuracy on new images.%s Test "
               "data: %s.",
               on, off, *info.known_as ? info.known_as : info.source);
    term_print("    Use train and test data from one release of the dataset.");
    return APP_OK;
}

void app_json_begin(const struct app *app, struct json *j, const char *schema)
{
    const struct weft_device_info *d = &app->info;
    emit_object(j, NULL);
    emit_text(j, "schema", schema);
    emit_text(j, "weft", weft_version());
    if (!app->device)
        return;
    emit_object(j, "device");
    emit_int(j, "index", app->device_index);
    emit_text(j, "name", d->name);
    emit_text(j, "platform", d->platform);
    emit_text(j, "driver", d->driver);
    emit_text(j, "id", d->id);
    emit_text(j, "family", app_kernel_family_name(d, app->options->family));
    emit_text(j, "kind", app_device_kind_names[d->kind]);
    emit_text(j, "version", d->version);
    emit_int(j, "compute_units", d->compute_units);
    emit_end(j);
}

enum app_exit app_flush_stdout(const struct app *app)
{
    if (!term_flush_stdout())
        return app_error(app, APP_FAILED, "writing to stdout: %s", strerror(errno));
    return APP_OK;
}

/* Its words as a shell reads them. */
static char *command_text(int argc, char **argv)
{
    char *text = term_format_or_exit("weft");
    for (int i = 0; i < argc; i++) {
        char *longer = term_format_or_exit("%s %s", text, paths_shell_quoted(argv[i]));
        free(text);
        text = longer;
    }
    return text;
}

enum app_exit app_run(const struct app_command *command, int argc, char **argv)
{
    int first;
    char *text = command_text(argc, argv);
    void *options = term_realloc_or_exit(NULL, command->options_size);
    memcpy(options, command->defaults, command->options_size);
    enum args_result parsed = args_parse(&command->args, argc, argv, options, &first);
    enum app_exit code = parsed == ARGS_HELP_SHOWN ? APP_OK : APP_USAGE;
    if (parsed == ARGS_OK) {
        struct app app = {.name = command->args.name,
                          .command = text,
                          .options = options,
                          .start = term_seconds()};
        term_init((enum term_color)app.options->color);
        term_graphics_init((enum term_graphics)app.options->graphics);
        code = command->run(&app, options, argc - first, argv + first);
        term_progress_clear();
        weft_device_close(&app.device);
        weft_context_destroy(&app.context);
        dataset_prefetch_finish(&app.prefetch);
        free(app.net_spec);
        free(app.net_text);
    }
    free(options);
    free(text);
    return code;
}
