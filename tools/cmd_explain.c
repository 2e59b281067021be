/* SPDX-License-Identifier: Apache-2.0 */
/* weft explain: what one network becomes on a device, and where its time goes. */
#include "app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARTS = 2048 };

struct options {
    struct app_options app;
    const char *net, *data;
    int batch, precision;
    double seconds;
    bool layers, infer, plain;
};

static const struct args_option options[] = {
    {"layers", 0, ARGS_FLAG, offsetof(struct options, layers), NULL,
     "measure: the time of each part of a step, and what bounds it", 0, 0},
    {"infer", 0, ARGS_FLAG, offsetof(struct options, infer), NULL,
     "a step of inference; else one of training", 0, 0},
    {"data", 0, ARGS_TEXT, offsetof(struct options, data), "SPEC",
     "default fashion-mnist", 0, 0},
    {"batch", 'b', ARGS_INT, offsetof(struct options, batch), "N",
     "pictures a step; default: what the network says", 1, 1 << 20},
    {"precision", 0, ARGS_CHOICE, offsetof(struct options, precision), "float32|float16",
     "how the network lies in memory; default float32", 0, 0},
    {"plain", 0, ARGS_FLAG, offsetof(struct options, plain), NULL,
     "without fusion, to compare; training only", 0, 0},
    {"seconds", 0, ARGS_TIME, offsetof(struct options, seconds), "T",
     "of measuring for each part; default 0.3s", 0, 0},
    APP_OPTIONS_DEVICE(struct options),
    APP_OPTIONS_OUTPUT(struct options),
    APP_OPTIONS_COLOR(struct options),
    {0},
};

static const struct table_column columns[] = {
    {"layer", "Layer", true, 0},     {"text", "What", true, 0},
    {"part", "Part", true, 0},       {"launches", "Launches", false, 0},
    {"kernels", "Kernels", true, 0},
};
static const struct table_column timed_columns[] = {
    {"layer", "Layer", true, 0},     {"text", "What", true, 0},
    {"part", "Part", true, 0},       {"median_ms", "ms", false, 0},
    {"min_ms", "Min", false, 0},     {"max_ms", "Max", false, 0},
    {"share", "Share", false, 0},    {"gflops", "GFLOP/s", false, 0},
    {"megabytes", "MB", false, 0},   {"roof_share", "Of roof", false, 0},
    {"bound", "Bound by", true, 0},  {"launches", "Launches", false, 0},
    {"kernels", "Kernels", true, 0},
};
enum {
    COLUMNS = sizeof(columns) / sizeof(*columns),
    TIMED_COLUMNS = sizeof(timed_columns) / sizeof(*timed_columns)
};

struct part {
    char layer[32], text[160], what[32], kernels[512];
    struct weft_timing t; /* pointers of it are not valid any more */
};

struct view {
    struct app *app;
    const struct options *options;
    weft_data *data;
    weft_net *net;
    weft_bench *probes;
    struct part *parts;
    int count;
    double seconds; /* all medians */
};

static void take(void *priv, const struct weft_timing *t)
{
    struct view *v = priv;
    if (v->count == MOST_PARTS)
        return;
    struct part *p = &v->parts[v->count++];
    p->t = *t;
    snprintf(p->layer, sizeof(p->layer), "%s", t->name);
    snprintf(p->text, sizeof(p->text), "%s", t->text);
    snprintf(p->what, sizeof(p->what), "%s", t->what);
    snprintf(p->kernels, sizeof(p->kernels), "%s", t->kernels);
    v->seconds += t->count ? t->median : 0;
    term_progress("%s %s", p->layer, p->what);
}

static void add_row(struct table *t, const struct view *v, const struct part *p)
{
    const struct weft_timing *m = &p->t;
    table_text(t, p->layer);
    table_text(t, p->text);
    table_text(t, p->what);
    if (v->options->layers) {
        double rate = 1e-9 * m->flops / m->median;
        table_real(t, 1e3 * m->median, "%.4f", 1e3 * m->median);
        table_real(t, 1e3 * m->fastest, "%.4f", 1e3 * m->fastest);
        table_real(t, 1e3 * m->slowest, "%.4f", 1e3 * m->slowest);
        table_real(t, m->median / v->seconds, "%.1f %%", 100 * m->median / v->seconds);
        table_real(t, rate, m->flops > 0 ? "%.1f" : "-", rate);
        table_real(t, 1e-6 * m->bytes, "%.2f", 1e-6 * m->bytes);
        table_real(t, m->roof / m->median, "%.1f %%", 100 * m->roof / m->median);
        table_text(t, m->memory_bound ? "memory" : "multiply");
    }
    table_int(t, m->launches);
    table_text(t, p->kernels);
}

static const char *const roles[WEFT_ROLE_COUNT] = {
    [WEFT_ROLE_WEIGHTS] = "weights", [WEFT_ROLE_GRADIENTS] = "gradients",
    [WEFT_ROLE_MOMENTS] = "moments", [WEFT_ROLE_ACTIVATIONS] = "activations",
    [WEFT_ROLE_SCRATCH] = "scratch", [WEFT_ROLE_PICTURES] = "pictures",
};

/* A line of talk: the plan of the memory, and the step as a whole. */
static void tell_step(const struct view *v, const struct weft_step *s)
{
    struct weft_roofs roofs = {0};
    printf("\nMemory  %.1f MiB planned, %.1f MiB taken:",
           (double)s->bytes_planned / 1048576, (double)s->bytes_taken / 1048576);
    for (int i = 0; i < WEFT_ROLE_COUNT; i++)
        if (s->bytes_by_role[i])
            printf("%s %s %.1f", i ? "," : "", roles[i],
                   (double)s->bytes_by_role[i] / 1048576);
    printf("\nStep    %d pictures, %d launches, %s MFLOP", s->batch, s->launches,
           table_thousands(1e-6 * s->flops));
    if (v->options->layers) {
        weft_bench_roofs(v->probes, &roofs);
        printf("; its parts take %.3f ms, their roofs %.1f %% of that, launching %.1f %%",
               1e3 * v->seconds, 100 * s->roof / v->seconds,
               100 * s->launches * roofs.launch / v->seconds);
    }
    putchar('\n');
}

static void write_json(const struct view *v, const struct table *t,
                       const struct weft_step *s)
{
    struct json j = {.out = stdout};
    struct weft_net_info net;
    weft_net_info(v->net, &net);
    app_json_begin(v->app, &j, "weft.explain/1");
    emit_text(&j, "net", net.name);
    emit_text(&j, "step", v->options->infer ? "infer" : "train");
    emit_text(&j, "precision", app_precisions[v->options->precision]);
    emit_int(&j, "batch", s->batch);
    emit_int(&j, "launches", s->launches);
    emit_real(&j, "flops", s->flops);
    emit_real(&j, "roof_s", s->roof);
    emit_int(&j, "planned_bytes", (int64_t)s->bytes_planned);
    emit_int(&j, "taken_bytes", (int64_t)s->bytes_taken);
    emit_object(&j, "memory");
    for (int i = 0; i < WEFT_ROLE_COUNT; i++)
        emit_int(&j, roles[i], (int64_t)s->bytes_by_role[i]);
    emit_end(&j);
    table_json(t, &j, "parts");
    emit_end(&j);
}

static void write_parts(const struct view *v, const struct weft_step *step)
{
    const struct options *o = v->options;
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format,
               o->layers ? timed_columns : columns, o->layers ? TIMED_COLUMNS : COLUMNS,
               false);
    for (int i = 0; i < v->count; i++)
        add_row(&t, v, &v->parts[i]);
    term_progress_clear();
    table_write(&t);
    if (o->app.format == TABLE_JSON)
        write_json(v, &t, step);
    if (o->app.format == TABLE_HUMAN)
        tell_step(v, step);
    table_finish(&t);
}

static enum app_exit explain(struct view *v, const char *spec)
{
    const struct options *o = v->options;
    const struct weft_bench_params params = {.seconds = o->layers ? o->seconds : -1,
                                             .seed = 1};
    const struct weft_step_params how = {.batch = o->batch,
                                         .training = !o->infer,
                                         .plain = o->plain,
                                         .precision = (enum weft_precision)o->precision};
    struct weft_data_info info;
    struct weft_step step;
    enum app_exit code = app_open_device(v->app);
    if (code || (code = app_data(v->app, o->data ? o->data : "fashion-mnist",
                                 WEFT_DATA_TRAIN, &v->data)))
        return code;
    weft_data_info(v->data, &info);
    if ((code = app_net(v->app, spec, &info, &v->net)))
        return code;
    term_wait_begin(o->layers ? "Measuring" : "Compiling kernels");
    enum weft_status status = weft_bench_create(v->app->device, &params, &v->probes);
    if (!status)
        status = weft_bench_step(v->probes, v->net, v->data, &how, take, v, &step);
    term_wait_end();
    if (status)
        return app_fail(v->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status);
    write_parts(v, &step);
    return app_flush(v->app);
}

static enum app_exit run(struct app *app, const void *given, int count, char **operands)
{
    const struct options *o = given;
    struct view v = {.app = app, .options = o};
    v.parts = term_alloc(NULL, MOST_PARTS * sizeof(*v.parts));
    enum app_exit code = explain(&v, count ? operands[0] : "seed");
    free(v.parts);
    weft_bench_destroy(&v.probes);
    weft_net_destroy(&v.net);
    weft_data_destroy(&v.data);
    return code;
}

const struct app_command cmd_explain = {
    .args =
        {
            .name = "explain",
            .operands = "[NET]",
            .summary = "what a network becomes on a device, and where its time goes",
            .examples = "  weft explain seed\n"
                        "  weft explain accurate --layers -b 256",
            .about = "NET is a built-in network or a file, default seed. Lists the parts "
                     "of a step in the order they run: which layers were fused, how many "
                     "launches each part is, by which algorithm and kernels; then the "
                     "plan of the memory. With --layers each part is timed on the "
                     "network's own buffers, by turns with a probe of what limits it: "
                     "the roof is min(peak, intensity x bandwidth).",
            .options = options,
            .operands_max = 1,
        },
    .defaults = &(const struct options){.seconds = 0.3},
    .options_size = sizeof(struct options),
    .run = run,
};
