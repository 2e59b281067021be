/* SPDX-License-Identifier: Apache-2.0 */
/* weft explain: the segments of a network's step on a device, their kernels and times;
 * with an image, what a model makes of it (look.c). */
#include "explain/explain.h"

#include "core/preprocess.h"
#include "core/step_timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOP = 100, MOST_COPIES = 10000 };
static const double measuring_time = 0.3;

static const struct args_option options[] = {
    {.name = "layers",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct explain_options, layers),
     .help = "measure the time of each segment of a step and its bound"},
    {.name = "inference",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct explain_options, inference),
     .help = "explain a step of inference instead of training"},
    {.name = "data",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct explain_options, data),
     .value = "SPEC",
     .help = "dataset; default fashion-mnist"},
    {.name = "batch",
     .letter = 'b',
     .kind = ARGS_INT,
     .offset = offsetof(struct explain_options, batch),
     .value = "N",
     .help = "images per step; default: the network's",
     .min = 1,
     .max = 1 << 20},
    {.name = "precision",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct explain_options, app.precision),
     .value = "float32|float16",
     .help = "storage of activations and weights; default float32"},
    {.name = "no-fusion",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct explain_options, no_fusion),
     .help = "disable fusion, for comparison; training only"},
    {.name = "time",
     .kind = ARGS_DURATION,
     .offset = offsetof(struct explain_options, seconds),
     .value = "T",
     .help = "measuring time per segment; default 0.3s"},
    {.name = "class",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct explain_options, class_name),
     .value = "NAME",
     .help = "of an image: the class to explain, or its number; default: the most "
             "likely"},
    {.name = "top",
     .letter = 'k',
     .kind = ARGS_INT,
     .offset = offsetof(struct explain_options, top),
     .value = "K",
     .help = "of an image: classes to print; default 3",
     .min = 1,
     .max = MOST_TOP},
    {.name = "shift",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct explain_options, shift),
     .help = "of an image: how far a shift by one pixel moves each layer and the answer"},
    {.name = "html",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct explain_options, html),
     .value = "FILE",
     .help = "of an image: write a page with the maps of all layers"},
    {.name = "copies",
     .kind = ARGS_INT,
     .offset = offsetof(struct explain_options, copies),
     .value = "N",
     .help = "of an image: noisy copies for SmoothGrad; default 32",
     .min = 1,
     .max = MOST_COPIES},
    {.name = "seed",
     .letter = 's',
     .kind = ARGS_SEED,
     .offset = offsetof(struct explain_options, seed),
     .value = "S",
     .help = "of an image: random seed of that noise; default 1"},
    {.name = "index",
     .kind = ARGS_INT,
     .offset = offsetof(struct explain_options, index),
     .value = "N",
     .help = "which image of an IDX file, from 0 on; default 0",
     .max = INT32_MAX},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,  app_preprocess_options, app_device_options,
    app_output_options, app_graphics_options,   NULL};

static const struct table_column columns[] = {
    {.key = "layer", .title = "Layer", .left = true},
    {.key = "layer_text", .title = "Text", .left = true},
    {.key = "phase", .title = "Phase", .left = true},
    {.key = "launches", .title = "Launches"},
    {.key = "kernels", .title = "Kernels", .left = true},
};
static const struct table_column timed_columns[] = {
    {.key = "layer", .title = "Layer", .left = true},
    {.key = "layer_text", .title = "Text", .left = true},
    {.key = "phase", .title = "Phase", .left = true},
    {.key = "median_ms", .title = "ms"},
    {.key = "min_ms", .title = "Min"},
    {.key = "max_ms", .title = "Max"},
    {.key = "time_fraction", .title = "Time"},
    {.key = "gflops", .title = "GFLOP/s"},
    {.key = "megabytes", .title = "MB"},
    {.key = "roofline_fraction", .title = "Roofline"},
    {.key = "bound", .title = "Bound", .left = true},
    {.key = "launches", .title = "Launches"},
    {.key = "kernels", .title = "Kernels", .left = true},
};
enum {
    COLUMNS = sizeof(columns) / sizeof(*columns),
    TIMED_COLUMNS = sizeof(timed_columns) / sizeof(*timed_columns)
};

struct explanation {
    struct app *app;
    const struct explain_options *options;
    weft_dataset *data;
    weft_net *net;
    struct step_timing timing;
};

static void add_row(struct table *t, const struct explanation *v,
                    const struct step_part *p)
{
    const struct weft_timing *m = &p->t;
    table_text(t, p->layer);
    table_text(t, p->layer_text);
    table_text(t, p->phase);
    if (v->options->layers) {
        double rate = 1e-9 * m->flops / m->median;
        table_double(t, 1e3 * m->median, "%.4f", 1e3 * m->median);
        table_double(t, 1e3 * m->fastest, "%.4f", 1e3 * m->fastest);
        table_double(t, 1e3 * m->slowest, "%.4f", 1e3 * m->slowest);
        table_double(t, m->median / v->timing.seconds, "%.1f %%",
                     100 * m->median / v->timing.seconds);
        table_double(t, rate, m->flops > 0 ? "%.1f" : "-", rate);
        table_double(t, 1e-6 * m->bytes, "%.2f", 1e-6 * m->bytes);
        table_double(t, m->roofline_seconds / m->median, "%.1f %%",
                     100 * m->roofline_seconds / m->median);
        table_text(t, m->memory_bound ? "memory" : "compute");
    }
    table_int(t, m->launches);
    table_text(t, p->kernels);
}

static const char *const roles[WEFT_ROLE_COUNT] = {
    [WEFT_ROLE_WEIGHTS] = "weights",
    [WEFT_ROLE_GRADIENTS] = "gradients",
    [WEFT_ROLE_OPTIMIZER_STATE] = "optimizer_state",
    [WEFT_ROLE_ACTIVATIONS] = "activations",
    [WEFT_ROLE_WORKSPACE] = "workspace",
    [WEFT_ROLE_DATASET] = "dataset",
};

/* Prints the memory plan and totals of the step. */
static void print_step(const struct explanation *v)
{
    enum { INDENT = 8 };
    const struct weft_step_report *s = &v->timing.step;
    double seconds = v->timing.seconds;
    char text[512];
    int at = 0;
    for (int i = 0; i < WEFT_ROLE_COUNT; i++)
        if (s->bytes_by_role[i])
            at += snprintf(text + at, sizeof(text) - (size_t)at, "%s %.*s %.1f",
                           at ? "," : "", (int)strcspn(roles[i], "_"), roles[i],
                           (double)s->bytes_by_role[i] / 1048576);
    putchar('\n');
    term_line(INDENT, "Memory  %.1f MiB planned, %.1f MiB allocated:%s",
              (double)s->bytes_planned / 1048576, (double)s->bytes_allocated / 1048576,
              at ? text : "");
    *text = '\0';
    if (v->options->layers) {
        snprintf(
            text, sizeof(text),
            "; segments take %.3f ms, roofline %.1f %% of that, launch overhead %.1f %%",
            1e3 * seconds, 100 * s->roofline_seconds / seconds,
            100 * s->launches * v->timing.roofline.launch_overhead / seconds);
    }
    term_line(INDENT, "Step    %d images, %d launches, %s MFLOP%s", s->batch, s->launches,
              table_thousands(1e-6 * s->flops), text);
}

static void write_json(const struct explanation *v, const struct table *t)
{
    const struct weft_step_report *s = &v->timing.step;
    struct json j = {.out = stdout};
    struct weft_net_info net;
    weft_net_info(v->net, &net);
    app_json_begin(v->app, &j, "weft.explain/2");
    emit_text(&j, "net", net.name);
    emit_text(&j, "workload", v->options->inference ? "inference" : "train");
    emit_text(&j, "precision", app_precision_names[v->options->app.precision]);
    emit_int(&j, "batch", s->batch);
    emit_int(&j, "launches", s->launches);
    emit_double(&j, "flops", s->flops);
    emit_double(&j, "roofline_s", s->roofline_seconds);
    emit_int(&j, "planned_bytes", (int64_t)s->bytes_planned);
    emit_int(&j, "allocated_bytes", (int64_t)s->bytes_allocated);
    emit_object(&j, "memory");
    for (int i = 0; i < WEFT_ROLE_COUNT; i++)
        emit_int(&j, roles[i], (int64_t)s->bytes_by_role[i]);
    emit_end(&j);
    table_json(t, &j, "segments");
    emit_end(&j);
}

static void write_segments(const struct explanation *v)
{
    const struct explain_options *o = v->options;
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format,
               o->layers ? timed_columns : columns, o->layers ? TIMED_COLUMNS : COLUMNS,
               false);
    for (int i = 0; i < v->timing.count; i++)
        add_row(&t, v, &v->timing.parts[i]);
    table_write(&t);
    if (o->app.format == TABLE_JSON)
        write_json(v, &t);
    if (o->app.format == TABLE_HUMAN)
        print_step(v);
    table_free(&t);
}

static enum app_exit explain(struct explanation *v, const char *spec)
{
    const struct explain_options *o = v->options;
    const struct weft_step_params how =
        *weft_step_params(.batch = o->batch, .training = !o->inference,
                          .no_fusion = o->no_fusion,
                          .precision = (enum weft_precision)o->app.precision);
    struct weft_dataset_info info;
    bool model = app_is_model(spec);
    enum app_exit code = app_open_device(v->app);
    if (!code && model)
        code = app_load_model_net(v->app, spec, &v->net);
    /* The data of a model may be elsewhere: NULL measures without. */
    if (!code && !(model && !o->data))
        code = app_open_dataset(v->app, o->data ? o->data : "fashion-mnist",
                                WEFT_SPLIT_TRAIN, &v->data);
    if (code)
        return code;
    if (v->data)
        weft_dataset_info(v->data, &info);
    if (!model && (code = app_load_net(v->app, spec, &info, &v->net)))
        return code;
    term_wait_begin(o->layers ? "Measuring" : "Compiling kernels");
    double seconds = !o->layers ? -1 : o->seconds > 0 ? o->seconds : measuring_time;
    enum weft_status status =
        step_timing_measure(v->app, v->net, v->data, &how, seconds, &v->timing);
    term_wait_end();
    if (status)
        return app_report_error(v->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK,
                                status);
    write_segments(v);
    return app_flush_stdout(v->app);
}

/* The first option that is not for an image, or not for a network; NULL: none. */
static const char *misplaced(const struct explain_options *o, bool image)
{
    const struct {
        const char *name;
        bool given, of_image;
    } used[] = {
        {"layers", o->layers, false},
        {"inference", o->inference, false},
        {"data", o->data, false},
        {"batch", o->batch, false},
        {"precision", o->app.precision, false},
        {"no-fusion", o->no_fusion, false},
        {"time", o->seconds > 0, false},
        {"class", o->class_name, true},
        {"shift", o->shift, true},
        {"html", o->html, true},
        {"index", o->index, true},
        {"top", o->top, true},
        {"copies", o->copies, true},
        {"seed", o->seed != ARGS_SEED_UNSET, true},
        {"fit", o->app.fit, true},
        {"trim", o->app.trim, true},
        {"invert", o->app.invert, true},
    };
    for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
        if (used[i].given && used[i].of_image != image)
            return used[i].name;
    return NULL;
}

static enum app_exit explain_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct explain_options *o = given;
    const char *wrong = misplaced(o, count == 2);
    if (wrong)
        return app_error(app, APP_USAGE,
                         count == 2 ? "--%s is for a network without an image"
                                    : "--%s needs a model and an image: weft explain "
                                      "MODEL IMAGE",
                         wrong);
    if (count == 2)
        return look_main(app, o, operands[0], operands[1]);
    struct explanation v = {.app = app, .options = o};
    enum app_exit code = explain(&v, count ? operands[0] : "small");
    step_timing_free(&v.timing);
    weft_net_destroy(&v.net);
    weft_dataset_destroy(&v.data);
    return code;
}

const struct app_command cmd_explain = {
    .args =
        {
            .name = "explain",
            .operands = "[NET|MODEL [IMAGE]]",
            .summary = "what a model sees in an image; how a network runs on a device",
            .examples = "  weft explain runs/a shoe.jpg --html shoe.html\n"
                        "  weft explain runs/a shoe.jpg --shift\n"
                        "  weft explain small\n"
                        "  weft explain medium --layers -b 256",
            .about =
                "MODEL is a model file or the folder of a run. With an image: the input "
                "that is made of it, the classes, what each layer makes of it, and which "
                "part of it decides, by covering parts, Grad-CAM and SmoothGrad. "
                "Without: NET is a built-in network or a file, default small. Lists the "
                "segments "
                "of a "
                "step in execution order: fused layers, launches, algorithm and kernels, "
                "then the memory plan. With --layers each segment is timed on the "
                "network's own buffers, interleaved with probes of the roofline: "
                "min(peak, intensity x bandwidth).",
            .options = options,
            .shared = shared_options,
            .operands_max = 2,
        },
    .defaults = &(const struct explain_options){.seed = ARGS_SEED_UNSET},
    .options_size = sizeof(struct explain_options),
    .run = explain_main,
};
