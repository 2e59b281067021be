/* SPDX-License-Identifier: Apache-2.0 */
/* The results of `weft bench` as tables. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bench_row *bench_add_row(struct bench *b, enum bench_kind kind,
                                const char *workload, const char *what)
{
    b->rows =
        term_realloc_or_exit(b->rows, ((size_t)b->row_count + 1) * sizeof(*b->rows));
    struct bench_row *r = &b->rows[b->row_count++];
    *r = (struct bench_row){.kind = kind,
                            .workload = workload,
                            .bound = "",
                            .unit = "",
                            .precision = "",
                            .speedup = NAN,
                            .joules = NAN,
                            .median = NAN,
                            .min = NAN,
                            .max = NAN,
                            .p95 = NAN,
                            .p99 = NAN,
                            .seconds = NAN,
                            .flops = NAN,
                            .bytes = NAN,
                            .roof_share = NAN,
                            .launch_share = NAN,
                            .first_step = NAN,
                            .planned_bytes = NAN,
                            .taken_bytes = NAN,
                            .resident_bytes = NAN,
                            .error = NAN,
                            .convergence = {.accuracy = NAN,
                                            .error = NAN,
                                            .loss = NAN,
                                            .target = NAN,
                                            .target_steps = NAN}};
    snprintf(r->what, sizeof(r->what), "%s", what);
    return r;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value that the share `part` of all does not exceed. */
static double percentile(const double *sorted, int count, double part)
{
    int at = (int)ceil(part * count) - 1;
    return sorted[at < 0 ? 0 : at];
}

void bench_row_set_samples(struct bench_row *r, const double *values, int count)
{
    size_t bytes = (size_t)count * sizeof(*values);
    if (count < 1)
        return;
    double *sorted = memcpy(term_realloc_or_exit(NULL, bytes), values, bytes);
    r->values = memcpy(term_realloc_or_exit(NULL, bytes), values, bytes);
    r->count = count;
    qsort(sorted, (size_t)count, sizeof(*sorted), by_value);
    r->median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
    r->min = sorted[0];
    r->max = sorted[count - 1];
    r->p95 = percentile(sorted, count, 0.95);
    r->p99 = percentile(sorted, count, 0.99);
    free(sorted);
}

/* Four digits or so. */
static void number(struct table *t, double value)
{
    if (!isfinite(value))
        table_double(t, value, "-");
    else if (fabs(value) >= 1000)
        table_double(t, value, "%s", table_thousands(value));
    else
        table_double(t, value,
                     fabs(value) >= 100  ? "%.0f"
                     : fabs(value) >= 10 ? "%.1f"
                     : fabs(value) >= 1  ? "%.2f"
                                         : "%.4f",
                     value);
}

static void percent(struct table *t, double share)
{
    if (isfinite(share))
        table_double(t, share, "%.1f %%", 100 * share);
    else
        table_double(t, share, "-");
}

static void mebibytes(struct table *t, double bytes)
{
    if (isfinite(bytes))
        table_double(t, bytes, "%.1f MiB", bytes / 1048576);
    else
        table_double(t, bytes, "-");
}

static void text_kernels(struct table *t, const struct bench *b,
                         const struct bench_row *r)
{
    (void)b;
    table_text(t, r->kernels);
}
static void text_device(struct table *t, const struct bench *b, const struct bench_row *r)
{
    (void)r;
    table_text(t, b->app->info.name);
}
#define CELL(name, write)                                           \
    static void cell_##name(struct table *t, const struct bench *b, \
                            const struct bench_row *r)              \
    {                                                               \
        (void)b;                                                    \
        write;                                                      \
    }
CELL(workload, table_text(t, r->workload))
CELL(what, table_text(t, r->what))
CELL(direction, table_text(t, r->direction))
CELL(image, table_text(t, r->image))
CELL(batch, table_int(t, r->batch))
CELL(precision, table_text(t, r->precision))
CELL(speedup,
     table_double(t, r->speedup, isfinite(r->speedup) ? "%.2f x" : "-", r->speedup))
CELL(layer, table_text(t, r->layer))
CELL(text, table_text(t, r->text))
CELL(steps, table_int(t, r->convergence.steps))
CELL(accuracy, percent(t, r->convergence.accuracy))
CELL(accuracy_error, percent(t, r->convergence.error))
CELL(target, percent(t, r->convergence.target))
CELL(target_steps, number(t, r->convergence.target_steps))
CELL(unit, table_text(t, r->unit))
CELL(median, number(t, r->median))
CELL(min, number(t, r->min))
CELL(max, number(t, r->max))
CELL(p95, number(t, r->p95))
CELL(p99, number(t, r->p99))
CELL(samples, table_int(t, r->count))
CELL(first, table_double(t, r->first_step, isfinite(r->first_step) ? "%.2f s" : "-",
                         r->first_step))
CELL(server, table_text(t, r->builtin ? "weft's C" : app_platform_name(&b->app->info)))
CELL(seconds, number(t, 1e3 * r->seconds))
CELL(flops, number(t, 1e-6 * r->flops))
CELL(bytes, number(t, 1e-6 * r->bytes))
CELL(roof, percent(t, r->roof_share))
CELL(bound, table_text(t, r->bound))
CELL(launches, table_int(t, r->launches))
CELL(share, percent(t, r->launch_share))
CELL(planned, mebibytes(t, r->planned_bytes))
CELL(taken, mebibytes(t, r->taken_bytes))
CELL(resident, mebibytes(t, r->resident_bytes))
CELL(joules, table_double(t, r->joules, isfinite(r->joules) ? "%.3g" : "-", r->joules))
CELL(passed, table_bool(t, !r->fault[0],
                        r->fault[0]          ? "WRONG"
                        : isfinite(r->error) ? "right"
                                             : "not checked"))

enum {
    BENCH_NETS = BENCH_THROUGHPUT | BENCH_LATENCY | BENCH_LAYER | BENCH_CONVERGENCE,
    BENCH_WITH_ROOFLINE = BENCH_OP | BENCH_LAYER | BENCH_THROUGHPUT
};

static const struct {
    struct table_column column;
    unsigned kinds; /* of rows whose people see it */
    void (*write)(struct table *t, const struct bench *b, const struct bench_row *r);
} columns[] = {
    {{"workload", "Workload", true, 0}, BENCH_ALL, cell_workload},
    {{"net", "What", true, 0}, BENCH_ALL, cell_what},
    {{"layer", "Layer", true, 0}, BENCH_LAYER, cell_layer},
    {{"text", "", true, 0}, BENCH_LAYER, cell_text},
    {{"direction", "Direction", true, 0}, BENCH_OP | BENCH_LAYER, cell_direction},
    {{"image", "Image", true, 0}, BENCH_NETS, cell_image},
    {{"batch", "Batch", false, 0}, BENCH_NETS, cell_batch},
    {{"precision", "Precision", true, 0},
     BENCH_THROUGHPUT | BENCH_LATENCY,
     cell_precision},
    {{"device", "Device", true, 0}, 0, text_device},
    {{"median", "Median", false, 0}, BENCH_ALL, cell_median},
    {{"min", "Min", false, 0}, BENCH_ALL, cell_min},
    {{"max", "Max", false, 0}, BENCH_ALL, cell_max},
    {{"p95", "p95", false, 0}, BENCH_LATENCY, cell_p95},
    {{"p99", "p99", false, 0}, BENCH_LATENCY, cell_p99},
    {{"unit", "", true, 0}, BENCH_ALL, cell_unit},
    {{"speedup", "Of float32", false, 0}, BENCH_THROUGHPUT | BENCH_LATENCY, cell_speedup},
    {{"samples", "Samples", false, 0}, BENCH_THROUGHPUT | BENCH_LATENCY, cell_samples},
    {{"served_by", "Served by", true, 0}, BENCH_LATENCY, cell_server},
    {{"time_ms", "ms", false, 0}, BENCH_OP | BENCH_LAYER, cell_seconds},
    {{"mflop", "MFLOP", false, 0}, BENCH_OP, cell_flops},
    {{"megabytes", "MB", false, 0}, BENCH_OP, cell_bytes},
    {{"roof_share", "Of roof", false, 0}, BENCH_WITH_ROOFLINE, cell_roof},
    {{"bound", "Bound by", true, 0}, BENCH_OP | BENCH_LAYER, cell_bound},
    {{"launches", "Launches", false, 0}, BENCH_WITH_ROOFLINE, cell_launches},
    {{"launch_share", "Their share", false, 0}, BENCH_THROUGHPUT, cell_share},
    {{"first_step_s", "First step", false, 0}, BENCH_THROUGHPUT, cell_first},
    {{"planned_bytes", "Planned", false, 0}, BENCH_THROUGHPUT, cell_planned},
    {{"taken_bytes", "Taken", false, 0}, BENCH_THROUGHPUT, cell_taken},
    {{"resident_bytes", "Resident", false, 0}, BENCH_THROUGHPUT, cell_resident},
    {{"joules_per_1000", "J/1,000", false, 0, true}, BENCH_THROUGHPUT, cell_joules},
    {{"steps", "After steps", false, 0}, BENCH_CONVERGENCE, cell_steps},
    {{"accuracy", "Accuracy", false, 0}, BENCH_CONVERGENCE, cell_accuracy},
    {{"accuracy_error", "+-", false, 0}, BENCH_CONVERGENCE, cell_accuracy_error},
    {{"target", "Time is to", false, 0}, BENCH_CONVERGENCE, cell_target},
    {{"target_steps", "Steps", false, 0}, BENCH_CONVERGENCE, cell_target_steps},
    {{"passed", "Result", true, 0}, 7 | BENCH_LAYER, cell_passed},
    {{"kernels", "Kernels", true, 0}, BENCH_OP | BENCH_LAYER, text_kernels},
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* Columns that only those see who asked for precisions. */
static bool is_empty(const struct bench *b, int column)
{
    return (columns[column].write == cell_precision ||
            columns[column].write == cell_speedup) &&
           !b->options->precisions;
}

/* One table of the rows of `kinds`, with the columns that people then want. */
static void write_table(const struct bench *b, unsigned kinds, bool first)
{
    struct table_column shown[COLUMNS];
    struct table t;
    int rows = 0;
    for (int i = 0; i < COLUMNS; i++) {
        shown[i] = columns[i].column;
        if (!(columns[i].kinds & kinds) || is_empty(b, i))
            shown[i].title = NULL;
    }
    table_init(&t, stdout, (enum table_format)b->options->app.format, shown, COLUMNS,
               false);
    for (int i = 0; i < b->row_count; i++)
        if (b->rows[i].kind & kinds) {
            for (int c = 0; c < COLUMNS; c++)
                columns[c].write(&t, b, &b->rows[i]);
            rows++;
        }
    if (rows && !first)
        fputc('\n', stdout);
    table_write(&t);
    table_free(&t);
}

int bench_print_rows(struct bench *b)
{
    static const unsigned kinds[] = {BENCH_THROUGHPUT, BENCH_LATENCY, BENCH_CONVERGENCE,
                                     BENCH_ROOFLINE,   BENCH_OP,      BENCH_LAYER};
    int failed = 0;
    bool first = true;
    term_progress_clear();
    if (b->options->app.format == TABLE_JSON)
        bench_write_json(b, stdout);
    else if (b->options->app.format == TABLE_CSV)
        write_table(b, BENCH_ALL, true);
    else
        for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
            int rows = 0;
            for (int i = 0; i < b->row_count; i++)
                rows += (b->rows[i].kind & kinds[k]) != 0;
            if (rows)
                write_table(b, kinds[k], first);
            first = first && !rows;
        }
    for (int i = 0; i < b->row_count; i++)
        if (b->rows[i].fault[0]) {
            failed++;
            term_print("%s%s %s %s:%s %s", term_style_begin(stderr, TERM_BAD),
                       b->rows[i].workload, b->rows[i].what, b->rows[i].direction,
                       term_style_end(stderr), b->rows[i].fault);
        }
    return failed;
}

void bench_rows_free(struct bench *b)
{
    for (int i = 0; i < b->row_count; i++)
        free(b->rows[i].values);
    free(b->rows);
}
