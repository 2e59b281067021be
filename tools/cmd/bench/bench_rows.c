/* SPDX-License-Identifier: Apache-2.0 */
/* Results of `weft bench` as tables. */
#include "bench/bench.h"
#include "core/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bench_row *bench_add_row(struct bench *b, enum bench_kind kind,
                                const char *workload, const char *subject)
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
                            .roofline_fraction = NAN,
                            .launch_fraction = NAN,
                            .first_step = NAN,
                            .planned_bytes = NAN,
                            .allocated_bytes = NAN,
                            .resident_bytes = NAN,
                            .relative_error = NAN,
                            .verify_seconds = NAN,
                            .convergence = {.accuracy = NAN,
                                            .standard_error = NAN,
                                            .loss = NAN,
                                            .target_accuracy = NAN,
                                            .target_steps = NAN}};
    snprintf(r->subject, sizeof(r->subject), "%s", subject);
    return r;
}

void bench_row_set_samples(struct bench_row *r, const double *values, int count)
{
    size_t bytes = (size_t)count * sizeof(*values);
    if (count < 1)
        return;
    r->values = memcpy(term_realloc_or_exit(NULL, bytes), values, bytes);
    r->count = count;
    struct statistics_summary summary = statistics_summarize(values, count);
    r->median = summary.median;
    r->min = summary.min;
    r->max = summary.max;
    r->p95 = summary.p95;
    r->p99 = summary.p99;
}

/* About four digits. */
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

#define CELL(name, write)                                           \
    static void cell_##name(struct table *t, const struct bench *b, \
                            const struct bench_row *r)              \
    {                                                               \
        (void)b, (void)r;                                           \
        write;                                                      \
    }
CELL(kernels, table_text(t, r->kernels))
CELL(device, table_text(t, b->app->info.name))
CELL(workload, table_text(t, r->workload))
CELL(subject, table_text(t, r->subject))
CELL(phase, table_text(t, r->phase))
CELL(input, table_text(t, r->input))
CELL(batch, table_int(t, r->batch))
CELL(precision, table_text(t, r->precision))
CELL(speedup,
     table_double(t, r->speedup, isfinite(r->speedup) ? "%.2f x" : "-", r->speedup))
CELL(layer, table_text(t, r->layer))
CELL(layer_text, table_text(t, r->layer_text))
CELL(steps, table_int(t, r->convergence.steps))
CELL(accuracy, percent(t, r->convergence.accuracy))
CELL(accuracy_error, percent(t, r->convergence.standard_error))
CELL(target, percent(t, r->convergence.target_accuracy))
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
CELL(backend, table_text(t, r->on_host ? "host" : app_platform_name(&b->app->info)))
CELL(seconds, number(t, 1e3 * r->seconds))
CELL(flops, number(t, r->flops > 0 ? 1e-6 * r->flops : NAN))
CELL(bytes, number(t, 1e-6 * r->bytes))
CELL(roofline, percent(t, r->roofline_fraction))
CELL(bound, table_text(t, r->bound))
CELL(launches, table_int(t, r->launches))
CELL(launch_fraction, percent(t, r->launch_fraction))
CELL(planned, mebibytes(t, r->planned_bytes))
CELL(allocated, mebibytes(t, r->allocated_bytes))
CELL(resident, mebibytes(t, r->resident_bytes))
CELL(joules, table_double(t, r->joules, isfinite(r->joules) ? "%.3g" : "-", r->joules))
CELL(passed, table_bool(t, !r->error[0],
                        r->error[0]                   ? "MISMATCH"
                        : isfinite(r->relative_error) ? "ok"
                                                      : "not verified"))

enum {
    BENCH_NETS = BENCH_THROUGHPUT | BENCH_LATENCY | BENCH_LAYER | BENCH_CONVERGENCE,
    BENCH_TIMED_NETS = BENCH_THROUGHPUT | BENCH_LATENCY,
    BENCH_WITH_ROOFLINE = BENCH_OP | BENCH_LAYER | BENCH_THROUGHPUT,
    BENCH_VERIFIED = BENCH_TIMED_NETS | BENCH_OP | BENCH_LAYER
};

static const struct {
    struct table_column column;
    unsigned kinds; /* rows that show it in text */
    void (*write)(struct table *t, const struct bench *b, const struct bench_row *r);
} columns[] = {
    {{.key = "workload", .title = "Workload", .left = true}, BENCH_ALL, cell_workload},
    {{.key = "net", .title = "Subject", .left = true}, BENCH_ALL, cell_subject},
    {{.key = "layer", .title = "Layer", .left = true}, BENCH_LAYER, cell_layer},
    {{.key = "layer_text", .title = "", .left = true}, BENCH_LAYER, cell_layer_text},
    {{.key = "phase", .title = "Phase", .left = true},
     BENCH_OP | BENCH_LAYER,
     cell_phase},
    {{.key = "input", .title = "Input", .left = true}, BENCH_NETS, cell_input},
    {{.key = "batch", .title = "Batch"}, BENCH_NETS, cell_batch},
    {{.key = "precision", .title = "Precision", .left = true},
     BENCH_TIMED_NETS,
     cell_precision},
    {{.key = "device", .title = "Device", .left = true}, 0, cell_device},
    {{.key = "median", .title = "Median"}, BENCH_ALL, cell_median},
    {{.key = "min", .title = "Min"}, BENCH_ALL, cell_min},
    {{.key = "max", .title = "Max"}, BENCH_ALL, cell_max},
    {{.key = "p95", .title = "p95"}, BENCH_LATENCY, cell_p95},
    {{.key = "p99", .title = "p99"}, BENCH_LATENCY, cell_p99},
    {{.key = "unit", .title = "", .left = true}, BENCH_ALL, cell_unit},
    {{.key = "speedup", .title = "vs float32"}, BENCH_TIMED_NETS, cell_speedup},
    {{.key = "samples", .title = "Samples"}, BENCH_TIMED_NETS, cell_samples},
    {{.key = "backend", .title = "Backend", .left = true}, BENCH_LATENCY, cell_backend},
    {{.key = "time_ms", .title = "ms"}, BENCH_OP | BENCH_LAYER, cell_seconds},
    {{.key = "mflop", .title = "MFLOP"}, BENCH_OP, cell_flops},
    {{.key = "megabytes", .title = "MB"}, BENCH_OP, cell_bytes},
    {{.key = "roofline_fraction", .title = "Roofline"},
     BENCH_WITH_ROOFLINE,
     cell_roofline},
    {{.key = "bound", .title = "Bound", .left = true},
     BENCH_OP | BENCH_LAYER,
     cell_bound},
    {{.key = "launches", .title = "Launches"}, BENCH_WITH_ROOFLINE, cell_launches},
    {{.key = "launch_fraction", .title = "Launch time"},
     BENCH_THROUGHPUT,
     cell_launch_fraction},
    {{.key = "first_step_s", .title = "First step"}, BENCH_THROUGHPUT, cell_first},
    {{.key = "planned_bytes", .title = "Planned"}, BENCH_THROUGHPUT, cell_planned},
    {{.key = "allocated_bytes", .title = "Allocated"}, BENCH_THROUGHPUT, cell_allocated},
    {{.key = "resident_bytes", .title = "Resident"}, BENCH_THROUGHPUT, cell_resident},
    {{.key = "joules_per_1000_images", .title = "J/1,000", .optional = true},
     BENCH_THROUGHPUT,
     cell_joules},
    {{.key = "steps", .title = "Steps"}, BENCH_CONVERGENCE, cell_steps},
    {{.key = "accuracy", .title = "Accuracy"}, BENCH_CONVERGENCE, cell_accuracy},
    {{.key = "accuracy_standard_error", .title = "+-"},
     BENCH_CONVERGENCE,
     cell_accuracy_error},
    {{.key = "target_accuracy", .title = "Target"}, BENCH_CONVERGENCE, cell_target},
    {{.key = "target_steps", .title = "Target steps"},
     BENCH_CONVERGENCE,
     cell_target_steps},
    {{.key = "passed", .title = "Result", .left = true}, BENCH_VERIFIED, cell_passed},
    {{.key = "kernels", .title = "Kernels", .left = true},
     BENCH_OP | BENCH_LAYER,
     cell_kernels},
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* Columns of precision are shown only with --precision. */
static bool is_hidden(const struct bench *b, int column)
{
    return (columns[column].write == cell_precision ||
            columns[column].write == cell_speedup) &&
           !b->options->precisions;
}

/* Writes one table of the rows of `kinds`. */
static void write_table(const struct bench *b, unsigned kinds, bool first)
{
    struct table_column shown[COLUMNS];
    struct table t;
    int rows = 0;
    for (int i = 0; i < COLUMNS; i++) {
        shown[i] = columns[i].column;
        if (!(columns[i].kinds & kinds) || is_hidden(b, i))
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
        if (b->rows[i].error[0]) {
            failed++;
            term_print("%s%s %s %s:%s %s", term_style_begin(stderr, TERM_BAD),
                       b->rows[i].workload, b->rows[i].subject, b->rows[i].phase,
                       term_style_end(stderr), b->rows[i].error);
        }
    return failed;
}

void bench_rows_free(struct bench *b)
{
    for (int i = 0; i < b->row_count; i++)
        free(b->rows[i].values);
    free(b->rows);
}
