/* SPDX-License-Identifier: Apache-2.0 */
/* A table of devices. */
#include "results/device_table.h"

#include "results/comparison_text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const struct table_column columns[] = {
    {"device", "Device", true, 0},
    {"driver", NULL, true, 0},
    {"train", "Trains /s", false, 0},
    {"inference", "Infers /s", false, 0},
    {"train_roof_share", "Of roof", false, 0},
    {"train_joules_per_1000", "J/1,000", false, 0, true},
    {"latency_ms", "Latency ms", false, 0},
    {"latency_p99_ms", "p99 ms", false, 0},
    {"gflops", "GFLOP/s", false, 0},
    {"read_gb_s", "GB/s", false, 0},
    {"launch_us", "Launch us", false, 0},
    {"accuracy", "Accuracy", false, 0},
    {"accuracy_error", NULL, false, 0},
    {"target_s", "Learnt in", false, 0},
    {"result", "Result", true, 0},
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

/* The first, and not the best, so that devices are compared at the same batch. */
static const json_t *first_convergence_row(const json_t *run)
{
    const json_t *rows = json_object_get(run, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (!strcmp(results_text(row, "workload"), "learn") && results_passed(row))
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

static void share_cell(struct table *t, double share)
{
    if (isfinite(share))
        table_double(t, share, "%.0f %%", 100 * share);
    else
        table_double(t, share, "-");
}

static void accuracy_cells(struct table *t, const json_t *learnt)
{
    double accuracy = results_number(learnt, "accuracy");
    double error = results_number(learnt, "accuracy_error");
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

/* Whether anything was compared with the reference: not with --quick. */
static bool has_verified_rows(const json_t *run)
{
    const json_t *rows = json_object_get(run, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (isfinite(results_number(json_array_get(rows, i), "error")))
            return true;
    return false;
}

static void add_row(struct table *t, const struct results *r, int index)
{
    const json_t *run = results_run(r, index), *train = results_best_row(run, "train");
    const json_t *infer = results_best_row(run, "inference");
    const json_t *latency = results_best_row(run, "latency");
    const json_t *learnt = first_convergence_row(run);
    const json_t *levels = json_object_get(json_object_get(run, "roofs"), "memory");
    size_t count = json_array_size(levels);
    const json_t *memory = count ? json_array_get(levels, count - 1) : NULL;
    char label[RESULTS_LABEL_BYTES];
    results_label(r, index, label);
    table_text(t, label);
    table_text(t, results_text(run, "device.driver"));
    cell(t, results_number(train, "median"), "%.1f");
    cell(t, results_number(infer, "median"), "%.1f");
    share_cell(t, results_number(train, "roof_share"));
    cell(t, results_number(train, "joules_per_1000"), "%.3g");
    cell(t, results_number(latency, "median"), "%.3f");
    cell(t, results_number(latency, "p99"), "%.3f");
    cell(t, 1e-9 * results_number(run, "roofs.flops"), "%.1f");
    cell(t, 1e-9 * results_number(memory, "read"), "%.1f");
    cell(t, 1e6 * results_number(run, "roofs.launch_s"), "%.2f");
    accuracy_cells(t, learnt);
    cell(t, results_number(learnt, "median"), "%.2f s");
    table_text(t, wrong_rows(run)               ? "WRONG"
                  : *results_text(run, "fault") ? train || infer ? "incomplete" : "FAILED"
                  : has_verified_rows(run)      ? "right"
                                                : "not checked");
}

/* What people must know of a run; whether it is bad. */
static bool print_faults(const struct results *r, int index)
{
    const json_t *run = results_run(r, index), *rows = json_object_get(run, "rows");
    char label[RESULTS_LABEL_BYTES], key[RESULTS_LABEL_BYTES];
    const char *fault = results_text(run, "fault");
    results_label(r, index, label);
    if (*fault)
        term_print("%s%s:%s %s", term_style_begin(stderr, TERM_BAD), label,
                   term_style_end(stderr), fault);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        results_workload_key(row, key);
        if (!results_passed(row))
            term_print("%s%s, %s:%s %s", term_style_begin(stderr, TERM_BAD), label, key,
                       term_style_end(stderr), results_text(row, "fault"));
    }
    return wrong_rows(run) || (*fault && !json_array_size(rows));
}

const json_t *results_matching_convergence(const json_t *run, const json_t *learnt)
{
    const json_t *rows = json_object_get(run, "rows");
    char mine[RESULTS_LABEL_BYTES], other[RESULTS_LABEL_BYTES];
    results_workload_key(learnt, mine);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        results_workload_key(row, other);
        if (!strcmp(mine, other) && results_passed(row) &&
            results_number(row, "steps") == results_number(learnt, "steps"))
            return row;
    }
    return NULL;
}

/* Accuracies that differ from the first run's by more than chance: after the same steps
 * from the same weights only rounding differs. */
static void print_accuracy_parity(const struct results *r)
{
    const json_t *first = first_convergence_row(results_run(r, 0));
    for (int i = 1; first && i < results_count(r); i++) {
        const json_t *learnt = results_matching_convergence(results_run(r, i), first);
        double points = 100 * (results_number(learnt, "accuracy") -
                               results_number(first, "accuracy"));
        double error = 100 * results_number(first, "accuracy_error");
        char label[RESULTS_LABEL_BYTES];
        results_label(r, i, label);
        if (isfinite(points) && fabs(points) > 3 * error)
            term_warn("%s is %+.1f points of accuracy from the first device after the "
                      "same steps, more than three standard errors",
                      label, points);
    }
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
    const json_t *learnt = NULL;
    bool energy = false;
    for (int i = 0; i < results_count(r); i++) {
        const json_t *run = results_run(r, i), *train = results_best_row(run, "train");
        energy = energy || isfinite(results_number(train, "joules_per_1000"));
        learnt = learnt ? learnt : first_convergence_row(run);
    }
    int at = snprintf(out, DEVICE_TABLE_LEGEND_BYTES,
                      "Trains, infers: images a second at the best batch. Of roof: of "
                      "what the device could do at best, in training. %sGB/s: read from "
                      "the largest memory.",
                      energy ? "J/1,000: joules of the whole machine for 1,000 images "
                               "trained. "
                             : "");
    if (learnt)
        snprintf(out + at, DEVICE_TABLE_LEGEND_BYTES - (size_t)at,
                 " Accuracy: after %.0f steps of batch %.0f. Learnt in: training until "
                 "%.3g %%.",
                 results_number(learnt, "steps"), results_number(learnt, "batch"),
                 100 * results_number(learnt, "target"));
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
        term_wrap(stdout, about, 0, 0, 90);
    }
    if (format == TABLE_JSON)
        results_write(r, stdout);
    if (format == TABLE_HUMAN || format == TABLE_MD) {
        putchar('\n');
        comparison_print(r);
        fflush(stdout);
    }
    for (int i = 0; i < results_count(r); i++)
        failed += print_faults(r, i);
    print_accuracy_parity(r);
    return failed;
}

enum app_exit results_save_if_named(const struct app *app, const struct results *r,
                                    const char *save)
{
    if (save && !results_save(r, save))
        return app_error(app, APP_FAILED, "%s cannot be written: %s", save,
                         errno ? strerror(errno) : "out of memory");
    return APP_OK;
}
