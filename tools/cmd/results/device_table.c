/* SPDX-License-Identifier: Apache-2.0 */
/* A table of runs, one line per device. */
#include "results/device_table.h"

#include "results/comparison_text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const struct table_column columns[] = {
    {.key = "device", .title = "Device", .left = true},
    {.key = "driver", .left = true},
    {.key = "train_images_per_second", .title = "Train img/s"},
    {.key = "train_batch", .title = "at batch"},
    {.key = "inference_images_per_second", .title = "Infer img/s"},
    {.key = "inference_batch", .title = "at batch"},
    {.key = "train_roofline_fraction", .title = "Roofline"},
    {.key = "train_joules_per_1000_images", .title = "J/1,000", .optional = true},
    {.key = "latency_ms", .title = "Latency ms"},
    {.key = "latency_backend", .title = "Latency by", .left = true},
    {.key = "latency_p99_ms", .title = "p99 ms"},
    {.key = "gflops", .title = "GFLOP/s"},
    {.key = "read_gb_s", .title = "GB/s"},
    {.key = "launch_overhead_us", .title = "Launch us"},
    {.key = "accuracy", .title = "Accuracy"},
    {.key = "accuracy_standard_error"},
    {.key = "time_to_accuracy_s", .title = "To target"},
    {.key = "result", .title = "Result", .left = true},
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

const json_t *results_best_row(const json_t *run, const char *workload)
{
    const json_t *rows = json_object_get(run, "rows"), *best = NULL;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double speed = results_number(row, "median"),
               record = results_number(best, "median");
        bool time = results_is_time(row);
        if (!strcmp(results_text(row, "workload"), workload) && results_passed(row) &&
            (!best || (time ? speed < record : speed > record)))
            best = row;
    }
    return best;
}

const char *results_backend_name(const json_t *row)
{
    const char *backend = results_text(row, "backend");
    return !*backend ? "" : strcmp(backend, "host") != 0 ? "OpenCL" : "C code";
}

/* The first rather than the best, to compare devices at the same batch. */
static const json_t *first_convergence_row(const json_t *run)
{
    const json_t *rows = json_object_get(run, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (!strcmp(results_text(row, "workload"), "convergence") && results_passed(row))
            return row;
    }
    return NULL;
}

static void cell(struct table *t, double value, const char *format)
{
    if (value >= 1000)
        table_double(t, value, "%s", table_thousands(value));
    else if (isfinite(value))
        table_double(t, value, format, value);
    else
        table_double(t, value, "-");
}

static void percent_cell(struct table *t, double fraction)
{
    if (isfinite(fraction))
        table_double(t, fraction, "%.0f %%", 100 * fraction);
    else
        table_double(t, fraction, "-");
}

static void accuracy_cells(struct table *t, const json_t *convergence)
{
    double accuracy = results_number(convergence, "accuracy");
    double error = results_number(convergence, "accuracy_standard_error");
    if (isfinite(accuracy) && isfinite(error))
        table_double(t, accuracy, "%.1f %s %.1f %%", 100 * accuracy, term_plus_minus(),
                     100 * error);
    else
        table_double(t, accuracy, "-");
    table_double(t, error, "-");
}

static int wrong_rows(const json_t *run)
{
    int wrong = 0;
    const json_t *rows = json_object_get(run, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++)
        wrong += !results_passed(json_array_get(rows, i));
    return wrong;
}

/* False with --quick, which skips the comparison with the reference. */
static bool has_verified_rows(const json_t *run)
{
    const json_t *rows = json_object_get(run, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (isfinite(results_number(json_array_get(rows, i), "relative_error")))
            return true;
    return false;
}

static void add_row(struct table *t, const struct results *r, int index)
{
    const json_t *run = results_run(r, index), *train = results_best_row(run, "train");
    const json_t *infer = results_best_row(run, "inference");
    const json_t *latency = results_best_row(run, "latency");
    const json_t *convergence = first_convergence_row(run);
    const json_t *levels = json_object_get(json_object_get(run, "roofline"), "memory");
    size_t count = json_array_size(levels);
    const json_t *memory = count ? json_array_get(levels, count - 1) : NULL;
    char label[RESULTS_LABEL_BYTES];
    results_label(r, index, label);
    table_text(t, label);
    table_text(t, results_text(run, "device.driver"));
    cell(t, results_number(train, "median"), "%.1f");
    cell(t, results_number(train, "batch"), "%.0f");
    cell(t, results_number(infer, "median"), "%.1f");
    cell(t, results_number(infer, "batch"), "%.0f");
    percent_cell(t, results_number(train, "roofline_fraction"));
    cell(t, results_number(train, "joules_per_1000_images"), "%.3g");
    cell(t, results_number(latency, "median"), "%.3f");
    table_text(t, results_backend_name(latency));
    cell(t, results_number(latency, "p99"), "%.3f");
    cell(t, 1e-9 * results_number(run, "roofline.flops_per_second"), "%.1f");
    cell(t, 1e-9 * results_number(memory, "read_bytes_per_second"), "%.1f");
    cell(t, 1e6 * results_number(run, "roofline.launch_overhead_s"), "%.2f");
    accuracy_cells(t, convergence);
    cell(t, results_number(convergence, "median"), "%.2f s");
    table_text(t, wrong_rows(run)               ? "MISMATCH"
                  : *results_text(run, "error") ? train || infer ? "incomplete" : "FAILED"
                  : has_verified_rows(run)      ? "ok"
                                                : "not verified");
}

/* Prints the errors of a run on stderr; true if it failed. */
static bool print_errors(const struct results *r, int index)
{
    const json_t *run = results_run(r, index), *rows = json_object_get(run, "rows");
    char label[RESULTS_LABEL_BYTES], key[RESULTS_LABEL_BYTES];
    const char *error = results_text(run, "error");
    results_label(r, index, label);
    if (*error)
        term_print("%s%s:%s %s", term_style_begin(stderr, TERM_BAD), label,
                   term_style_end(stderr), error);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        results_workload_key(row, key);
        if (!results_passed(row))
            term_print("%s%s, %s:%s %s", term_style_begin(stderr, TERM_BAD), label, key,
                       term_style_end(stderr), results_text(row, "error"));
    }
    return wrong_rows(run) || (*error && !json_array_size(rows));
}

const json_t *results_matching_convergence(const json_t *run, const json_t *convergence)
{
    const json_t *rows = json_object_get(run, "rows");
    char mine[RESULTS_LABEL_BYTES], other[RESULTS_LABEL_BYTES];
    results_workload_key(convergence, mine);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        results_workload_key(row, other);
        if (!strcmp(mine, other) && results_passed(row) &&
            results_number(row, "steps") == results_number(convergence, "steps"))
            return row;
    }
    return NULL;
}

/* Warns of accuracies that differ significantly from the first run's: equal initial
 * weights and steps should leave only rounding differences. */
static void print_accuracy_parity(const struct results *r)
{
    const json_t *first = first_convergence_row(results_run(r, 0));
    for (int i = 1; first && i < results_count(r); i++) {
        const json_t *convergence =
            results_matching_convergence(results_run(r, i), first);
        double points = 100 * (results_number(convergence, "accuracy") -
                               results_number(first, "accuracy"));
        double error = 100 * results_number(first, "accuracy_standard_error");
        char label[RESULTS_LABEL_BYTES];
        results_label(r, i, label);
        if (isfinite(points) && fabs(points) > 3 * error)
            term_warn(
                "the accuracy of %s is %+.1f points from that of the first device after "
                "the same steps, more than three standard errors",
                label, points);
    }
}

static void format_number(double value, char out[32])
{
    if (value < 1000)
        snprintf(out, 32, "%.3g", value);
    else
        snprintf(out, 32, "%s", table_thousands(value));
}

bool device_table_noise(const json_t *run, char out[DEVICE_TABLE_NOISE_BYTES])
{
    double bounds[2];
    char key[RESULTS_LABEL_BYTES], low[32], high[32];
    const json_t *row = results_noisiest_row(run, bounds);
    if (!row)
        return false;
    results_workload_key(row, key);
    format_number(bounds[0], low);
    format_number(bounds[1], high);
    snprintf(out, DEVICE_TABLE_NOISE_BYTES,
             "the machine was busy: %s has a 95 %% interval of %s to %s %.20s; end other "
             "programs and measure again",
             key, low, high, results_text(row, "unit"));
    return true;
}

static void warn_of_noise(const struct results *r, int index)
{
    char label[RESULTS_LABEL_BYTES], noise[DEVICE_TABLE_NOISE_BYTES];
    results_label(r, index, label);
    if (device_table_noise(results_run(r, index), noise))
        term_warn("%s: %s", label, noise);
}

void device_table_build(struct table *t, const struct results *r,
                        enum table_format format)
{
    table_init(t, stdout, format, columns, COLUMNS, false);
    for (int i = 0; i < results_count(r); i++)
        add_row(t, r, i);
}

void device_table_legend(const struct results *r, char out[DEVICE_TABLE_LEGEND_BYTES])
{
    const json_t *convergence = NULL;
    bool energy = false;
    for (int i = 0; i < results_count(r); i++) {
        const json_t *run = results_run(r, i), *train = results_best_row(run, "train");
        energy = energy || isfinite(results_number(train, "joules_per_1000_images"));
        convergence = convergence ? convergence : first_convergence_row(run);
    }
    int at = snprintf(out, DEVICE_TABLE_LEGEND_BYTES,
                      "Train, Infer: throughput at the batch where it is best. Latency "
                      "by: what answered fastest, OpenCL or weft's C code on the "
                      "processor. Roofline: fraction of "
                      "the roofline in training. %sGB/s: read bandwidth of the largest "
                      "memory level.",
                      energy ? "J/1,000: joules of the whole machine per 1,000 training "
                               "images. "
                             : "");
    if (convergence)
        snprintf(out + at, DEVICE_TABLE_LEGEND_BYTES - (size_t)at,
                 " Accuracy: after %.0f steps of batch %.0f. To target: training time to "
                 "%.3g %%.",
                 results_number(convergence, "steps"),
                 results_number(convergence, "batch"),
                 100 * results_number(convergence, "target_accuracy"));
}

int device_table_write(const struct results *r, enum table_format format)
{
    struct table t;
    int failed = 0;
    device_table_build(&t, r, format);
    if (format == TABLE_HUMAN && table_width(&t) > term_width(stdout))
        table_write_transposed(&t, results_letter);
    else
        table_write(&t);
    table_free(&t);
    if (format == TABLE_HUMAN) {
        char about[DEVICE_TABLE_LEGEND_BYTES];
        device_table_legend(r, about);
        putchar('\n');
        term_wrap(stdout, about, 0, 0, term_prose_limit(stdout));
    }
    if (format == TABLE_JSON)
        results_write(r, stdout);
    if (format == TABLE_HUMAN || format == TABLE_MD) {
        putchar('\n');
        comparison_print(r, format);
        term_flush_stdout();
    }
    for (int i = 0; i < results_count(r); i++) {
        failed += print_errors(r, i);
        warn_of_noise(r, i);
    }
    print_accuracy_parity(r);
    return failed;
}

enum app_exit results_save_if_named(const struct app *app, const struct results *r,
                                    const char *path)
{
    if (path && !results_save(r, path))
        return app_error(app, APP_FAILED, "%s cannot be written: %s", path,
                         errno ? strerror(errno) : "out of memory");
    return APP_OK;
}
