/* SPDX-License-Identifier: Apache-2.0 */
/* Saved results as a self-contained HTML page without scripts, fonts or external images.
 *
 * report.c writes the page from the sections of the other files, which share
 * report_common.c. */
#ifndef WEFT_CMD_REPORT_REPORT_H
#define WEFT_CMD_REPORT_REPORT_H

#include "results/results.h"

/* Writes the page atomically; nothing if `path` is NULL. */
enum app_exit report_save(const struct app *app, const struct results *results,
                          const char *path);

/* report_common.c */
const json_t *report_rows(const struct results *results, int run);
/* True if `row` is the first passed row of its workload in all runs. */
bool report_is_first_with(const struct results *results, int run, const json_t *row);
/* Writes letter and device of a run. */
void report_write_label(FILE *out, const struct results *results, int run);
/* A line with letters and devices of all runs. */
void report_write_keys(FILE *out, const struct results *results);
/* The 95 % interval of a row's median; false and NaN: too few samples. */
bool report_interval(const json_t *row, double bounds[2]);
void report_write_interval(FILE *out, const json_t *row);
void report_write_percent(FILE *out, double fraction);

/* The CSS class of a run's colour. */
static inline int report_color(int run)
{
    return run % 6;
}

/* Sections; empty ones write nothing. report_bars.c, report_plots.c, report_tables.c */
void report_write_bars(FILE *out, const struct results *results);
void report_write_curves(FILE *out, const struct results *results);
void report_write_rooflines(FILE *out, const struct results *results);
void report_write_layers(FILE *out, const struct results *results);
void report_write_convergence(FILE *out, const struct results *results);
void report_write_numbers(FILE *out, const struct results *results);

#endif
