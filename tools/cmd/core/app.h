/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the subcommands: exit codes, options, the context and the device. */
#ifndef WEFT_CMD_CORE_APP_H
#define WEFT_CMD_CORE_APP_H

#include "core/args.h"
#include "core/dataset_prefetch.h"
#include "core/paths.h"
#include "core/table.h"
#include "core/term.h"
#include "os/suggest.h"

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

/* The phase in which a call failed: the same status yields one exit code for an input
 * file and another for an output file. */
enum app_phase { APP_START, APP_DEVICE, APP_INPUT, APP_WORK, APP_PHASE_COUNT };

/* Source of tuned kernels: the cache, none, or the cache after tuning what it lacks. */
enum app_tuning { APP_TUNING_CACHED, APP_TUNING_OFF, APP_TUNING_QUICK };

/* The first field of every subcommand's options. */
struct app_options {
    const char *device;
    int family, gemm;      /* enum weft_kernel_family, weft_gemm_provider */
    const char *avoid;     /* kernels; NULL: none */
    int precision;         /* enum weft_precision */
    int tuning;            /* enum app_tuning */
    int format;            /* enum table_format */
    int fit, trim, invert; /* 0: default; else 1 + enum weft_fit, bool, weft_invert */
    int tta;               /* enum tta_kind */
    double tta_below;      /* 0: none */
    int color;
    int graphics;      /* enum term_graphics */
    const char *cache; /* folder of decoded images; "none" */
    bool verbose;
    bool nice;  /* short queues */
    bool force; /* accept damaged models */
};

/* Tables of options that several subcommands share, for args_command.shared. */
extern const struct args_option app_model_options[];     /* --force */
extern const struct args_option app_precision_options[]; /* --precision, with auto */
extern const struct args_option app_tuning_options[];    /* may tune before work begins */
extern const struct args_option app_cached_tuning_options[]; /* only reads the cache */
extern const struct args_option app_device_options[];
extern const struct args_option app_output_options[];
extern const struct args_option app_graphics_options[]; /* --graphics */
extern const struct args_option app_data_options[];     /* --cache */

struct app {
    const char *name; /* of the subcommand */
    char *command;    /* "weft train --net small": to be repeated in a shell */
    const struct app_options *options;
    weft_context *context;
    weft_device *device;
    int device_index;
    struct weft_device_info info; /* of the device */
    struct app_images *images;    /* how image files are read; NULL: as by default */
    /* The network that was read last: a pipe can be read only once. */
    char *net_spec;
    char *net_text; /* NULL: none */
    /* For -d fastest: the model that predicts, or the network that is trained and the
     * size of its input, "28x28x1"; NULL: by the network. */
    const char *model_spec, *train_spec, *train_input;
    struct dataset_prefetch prefetch;
    double start; /* of the command, as term_seconds */
};

struct app_command {
    struct args_command args;
    const void *defaults; /* of the options: a struct whose first is struct app_options */
    size_t options_size;
    /* `options`: the command line on top of the defaults. */
    enum app_exit (*run)(struct app *app, const void *options, int count,
                         char **operands);
};

/* The kernels a device runs: a family, or "C" on the host. `family` as in the options. */
const char *app_kernel_family_name(const struct weft_device_info *device, int family);

extern const struct app_command cmd_devices, cmd_train, cmd_eval, cmd_predict, cmd_show,
    cmd_teach, cmd_calibrate, cmd_audience, cmd_sweep, cmd_verify, cmd_bench, cmd_compare,
    cmd_explain, cmd_filter, cmd_tune, cmd_serve, cmd_embed, cmd_similar, cmd_clean;

/* Runs a subcommand from its arguments to its exit code; argv[0] is its name. Every app_*
 * function that returns an exit code returns APP_OK on success; on failure it has already
 * printed the error. */
enum app_exit app_run(const struct app_command *command, int argc, char **argv);

/* Creates the context; `opencl` false: without loading any driver. `fresh` repeats the
 * smoke test of the drivers. */
enum app_exit app_create_context(struct app *app, bool opencl, bool fresh);

/* The selector of -d or $WEFT_DEVICE, or NULL. */
const char *app_requested_device(const struct app *app);

/* Parameters of the device by the options. */
struct weft_device_params app_device_params(const struct app *app);

/* fastest.c. The device on which the network of app->model_spec or train_spec takes the
 * least time, measured or remembered. */
enum app_exit app_find_fastest(struct app *app, int *index, const char **reason);

/* Creates the context, selects and opens the device, and prints it on stderr, unless one
 * is open. */
enum app_exit app_open_device(struct app *app);

/* Prints the last error of the context and returns its exit code. */
enum app_exit app_report_error(const struct app *app, enum app_phase phase,
                               enum weft_status status);

/* Prints an error of the command itself. Returns `code`. */
enum app_exit app_error(const struct app *app, enum app_exit code, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* Announces a dataset for app_open_dataset: it is read on a separate thread while drivers
 * are loaded. Must precede app_open_device; `spec` must stay valid. */
void app_prefetch_dataset(struct app *app, const char *spec, enum weft_split split);

/* Preprocessing and cache of the image files of a dataset (images.c). */
struct app_images {
    struct weft_preprocess_params preprocess;
    struct weft_dataset_open_params params;
    char cache[PATHS_MAX];
};

/* Image files become images of the given params, of the size of `input` ("64x64x3"), or
 * of the input line of the network `net`, the first that is not NULL, changed by the
 * options of preprocessing. Of no size: as weft_dataset_open chooses. */
enum app_exit app_choose_images(struct app *app, struct app_images *images,
                                const struct weft_preprocess_params *given,
                                const char *input, const char *net);

/* True for a file that has no parts for training and test, as all but NPZ. */
bool app_is_single_file(const char *spec);

/* weft_dataset_open with progress and notes on stderr. */
enum app_exit app_open_dataset(struct app *app, const char *spec, enum weft_split split,
                               weft_dataset **out);

/* The same without the notes, and the notes: what was decided when it was read. */
enum app_exit app_read_dataset(struct app *app, const char *spec, enum weft_split split,
                               weft_dataset **out);
void app_print_notes(const weft_dataset *data);
/* Prints the number of image files that were decoded, and the rate. */
void app_print_decoding(const weft_dataset *data);

/* Rejects data that a model names but that is not there. */
enum app_exit app_require_saved_data(const struct app *app, const char *spec,
                                     const char *model);

/* Reads --input, "28x28x1", into the extents of `shape`. */
enum app_exit app_parse_input(const struct app *app, const char *text,
                              struct weft_dataset_info *shape);

/* The text of a built-in network, as `resnet20`, or `resnet20-x2` with the line
 * "width-multiplier 2"; NULL: `spec` is none. Caller frees it. */
char *app_builtin_net(const char *spec);

/* The text of a network, `spec` being a built-in name or a file. Caller frees it. */
enum app_exit app_load_net_text(struct app *app, const char *spec, char **out);

/* The network of a built-in name or a file, for images of `shape`; NULL: the input of its
 * text, or 28x28x1 if the text has none. */
enum app_exit app_load_net(struct app *app, const char *spec,
                           const struct weft_dataset_info *shape, weft_net **out);

/* True for the train and test splits of one known dataset: the names differ only after
 * the last comma. */
bool app_same_dataset(const char *a, const char *b);

/* The fraction of `test` that is also in `train`; above 1 % a prominent warning. */
enum app_exit app_train_test_overlap(struct app *app, const weft_dataset *train,
                                     const weft_dataset *test, double *overlap);

/* Begins a result object: schema, weft's version and, once a device is open, the
 * device. */
void app_json_begin(const struct app *app, struct json *json, const char *schema);

/* A learning rate, a float, as it was typed: 0.1 for 0.100000001. Text in a static
 * buffer. */
const char *app_rate_text(double rate);
double app_rate(double rate);

/* A loss as text: "0.1234", "33.50", "4.92e+03", "not finite". In a static buffer. */
const char *app_loss_text(double loss);

/* Reports images whose outputs are not numbers: APP_FAILED if there are any. */
enum app_exit app_report_nonfinite(const struct app *app, int64_t count, int64_t images,
                                   enum weft_precision precision);

/* model_file.c. An operand that names a model is its file, or the folder of a run: then
 * its best model, or the last one. In a static buffer. */
const char *app_model_path(const char *operand);
bool app_is_model(const char *operand);
enum app_exit app_load_model(struct app *app, const char *operand, weft_model **out);
/* The network of a model, without its weights. */
enum app_exit app_load_model_net(struct app *app, const char *operand, weft_net **out);

/* Prints on stderr that a file was written. */
void app_print_written(const char *path);

/* Flushes a result to stdout and reports write errors. */
enum app_exit app_flush_stdout(const struct app *app);

/* device_name.c. A short platform name for the well-known ones. */
const char *app_platform_name(const struct weft_device_info *info);

/* precision.c. */
extern const char *const app_precision_names[]; /* weft_precision; NULL-terminated */
/* The weft_precision of a word of `length` letters, or -1. */
int app_parse_precision(const char *word, size_t length);
/* Prints on stderr what `auto` selected; nothing for other requests. */
void app_print_precision(const weft_predictor *predictor, int requested);
/* Adds a predictor's precision and memory to a result. */
void app_json_precision(const weft_predictor *predictor, struct json *json);

extern const char *const app_device_kind_names[];   /* of enum weft_device_kind: "GPU" */
extern const char *const app_kernel_family_names[]; /* of enum weft_kernel_family */
extern const char *const app_gemm_provider_names[]; /* of enum weft_gemm_provider */

#endif
