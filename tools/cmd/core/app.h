/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands share: their table, exit codes, the context and the device. */
#ifndef WEFT_CMD_CORE_APP_H
#define WEFT_CMD_CORE_APP_H

#include "core/args.h"
#include "core/dataset_prefetch.h"
#include "core/table.h"
#include "core/term.h"

#include <weft/weft.h>

enum app_exit {
    APP_OK = 0,
    APP_FAILED = 1,
    APP_USAGE = 2,
    APP_NO_DEVICE = 3,
    APP_BAD_INPUT = 4,
    APP_VERIFICATION_FAILED = 5,
    APP_INTERRUPTED = 130
};

/* What the command was doing when a call failed: the same status means another exit code
 * for a file that is read than for one that is written. */
enum app_phase { APP_START, APP_DEVICE, APP_INPUT, APP_WORK, APP_PHASE_COUNT };

/* What tuning is used: what is kept, after a quick tuning of what is not, or none. */
enum app_tuning { APP_TUNING_CACHED, APP_TUNING_OFF, APP_TUNING_QUICK };

/* The first field of every subcommand's options. */
struct app_options {
    const char *device;
    int family, gemm; /* enum weft_kernel_family, weft_gemm_provider */
    int tune;         /* enum app_tuning */
    int format;       /* enum table_format */
    int color;
    bool verbose;
};

#define APP_OPTIONS_COLOR(type)                                                 \
    {"color",     0,                                                            \
     ARGS_CHOICE, offsetof(type, app.color),                                    \
     TERM_COLORS, "colours; auto: on a terminal, unless NO_COLOR is set",       \
     0,           0},                                                           \
    {                                                                           \
        "verbose", 'v', ARGS_FLAG, offsetof(type, app.verbose), NULL,           \
            "tell more: every build and every config of kernel on stderr", 0, 0 \
    }
#define APP_OPTIONS_FORMAT(type)                                               \
    {                                                                          \
        "format", 'f', ARGS_CHOICE, offsetof(type, app.format), TABLE_FORMATS, \
            "how results are written to stdout", 0, 0                          \
    }
#define APP_OPTIONS_DEVICE(type)                                                 \
    {"device",                                                                   \
     'd',                                                                        \
     ARGS_TEXT,                                                                  \
     offsetof(type, app.device),                                                 \
     "DEV",                                                                      \
     "a number of `weft devices`, gpu, igpu, cpu (built in), clinfo's P:D or a " \
     "piece of the name; default: $WEFT_DEVICE, else the best",                  \
     0,                                                                          \
     0},                                                                         \
        {"family",                                                               \
         0,                                                                      \
         ARGS_CHOICE,                                                            \
         offsetof(type, app.family),                                             \
         "auto|vec|tile|sg|mma",                                                 \
         "how kernels are written; auto: what suits the device",                 \
         0,                                                                      \
         0},                                                                     \
    {                                                                            \
        "gemm", 0, ARGS_CHOICE, offsetof(type, app.gemm), "native|clblast",      \
            "who multiplies the matrices of dense layers", 0, 0                  \
    }

/* Of commands that may tune before they begin; of those that use what is known. */
#define APP_OPTIONS_TUNING(type)                                                       \
    {                                                                                  \
        "tuning", 0, ARGS_CHOICE, offsetof(type, app.tune), "cached|off|quick",        \
            "cached, the default: kernels as `weft tune` found them, or else as weft " \
            "ships; off: built-in defaults; quick: measure first what is not "         \
            "known, 20 s at most",                                                     \
            0, 0                                                                       \
    }
#define APP_OPTIONS_CACHED_TUNING(type)                                                \
    {                                                                                  \
        "tuning", 0, ARGS_CHOICE, offsetof(type, app.tune), "cached|off",              \
            "cached, the default: kernels as `weft tune` found them, or else as weft " \
            "ships; off: built-in defaults",                                           \
            0, 0                                                                       \
    }

/* The choices are those of enum weft_precision. */
#define APP_OPTION_PRECISION(type, field)                                           \
    {                                                                               \
        "precision", 0, ARGS_CHOICE, offsetof(type, field), "float32|float16|auto", \
            "how the network lies in memory; auto: float16 where it is measured "   \
            "faster and right; default float32",                                    \
            0, 0                                                                    \
    }

struct app {
    const char *name; /* of the subcommand */
    const struct app_options *options;
    weft_context *context;
    weft_device *device;
    int device_index;
    struct weft_device_info info; /* of the device */
    struct dataset_prefetch prefetch;
    double start; /* of the command, as term_seconds */
};

struct app_command {
    struct args_command args;
    const void *defaults; /* of the options: a struct whose first is struct app_options */
    size_t options_size;
    /* `options`: what was given, on top of the defaults. */
    enum app_exit (*run)(struct app *app, const void *options, int count,
                         char **operands);
};

/* What kernels are written as there: a family, or "C". `family` as in the options. */
const char *app_kernel_family_name(const struct weft_device_info *device, int family);

extern const struct app_command cmd_devices, cmd_train, cmd_eval, cmd_predict, cmd_show,
    cmd_verify, cmd_bench, cmd_compare, cmd_explain, cmd_tune;

/* Runs a subcommand from its words to its exit code; argv[0] is its name. Every app_*
 * function that returns an exit code returns APP_OK if all went well, and has told the
 * user otherwise. */
enum app_exit app_run(const struct app_command *command, int argc, char **argv);

/* Makes the context; `opencl` false: without touching any driver. `fresh` probes the
 * drivers again. */
enum app_exit app_create_context(struct app *app, bool opencl, bool fresh);

/* What -d or $WEFT_DEVICE says; NULL: nothing. */
const char *app_requested_device(const struct app *app);

/* Makes the context, finds and opens the device, and tells on stderr which and why. */
enum app_exit app_open_device(struct app *app);

/* Tells the last error of the context, and returns the exit code for it. */
enum app_exit app_report_error(const struct app *app, enum app_phase phase,
                               enum weft_status status);

/* A sentence of the command's own. Returns `code`. */
enum app_exit app_error(const struct app *app, enum app_exit code, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* Data that app_open_dataset will be asked for: read on a thread of its own while drivers
 * are loaded. To be called before app_open_device; `spec` is kept. */
void app_prefetch_dataset(struct app *app, const char *spec, enum weft_split split);

/* weft_dataset_open, with a word on what takes long. */
enum app_exit app_open_dataset(struct app *app, const char *spec, enum weft_split split,
                               weft_dataset **out);

/* The text of the network that `spec` means, a built-in name or a file, to be freed. */
enum app_exit app_load_net_text(struct app *app, const char *spec, char **out);

/* The network that `spec` means, a built-in name or a file, for images like `shape`;
 * NULL: as its text says, and where that is silent 28x28x1. */
enum app_exit app_load_net(struct app *app, const char *spec,
                           const struct weft_dataset_info *shape, weft_net **out);

/* Whether two releases are the two parts of one: they differ after the last comma. */
bool app_same_dataset(const char *a, const char *b);

/* How many of `test` are in `train` too; more than 1 % is told loudly. */
enum app_exit app_train_test_overlap(struct app *app, const weft_dataset *train,
                                     const weft_dataset *test, double *share);

/* Begins an object on stdout with what every result tells: its schema, weft's version,
 * and, once a device is open, on which it was made. */
void app_json_begin(const struct app *app, struct json *json, const char *schema);

/* Ends a result on stdout: false if it could not be written. */
enum app_exit app_flush_stdout(const struct app *app);

/* The platform, briefly where it is a well-known one. */
const char *app_platform_name(const struct weft_device_info *info);

/* precision.c. Their names; the one of a word of so many letters, -1: none. What came of
 * asking for `auto`, on stderr; and what a predictor works in and takes, in a result. */
extern const char
    *const app_precision_names[]; /* of enum weft_precision; NULL-terminated */
int app_parse_precision(const char *word, size_t length);
void app_print_precision(const weft_predictor *predictor, int asked);
void app_json_precision(const weft_predictor *predictor, struct json *json);

extern const char *const app_device_kind_names[];   /* of enum weft_device_kind: "GPU" */
extern const char *const app_kernel_family_names[]; /* of enum weft_kernel_family */

#endif
