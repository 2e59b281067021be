/* SPDX-License-Identifier: Apache-2.0 */
/* Saved results as one page of HTML that needs nothing else: no scripts, no fonts, no
 * images from elsewhere. */
#ifndef WEFT_CMD_REPORT_REPORT_H
#define WEFT_CMD_REPORT_REPORT_H

#include "results/results.h"

/* Written aside and renamed; NULL: nowhere. */
enum app_exit report_save(const struct app *app, const struct results *results,
                          const char *path);

/* What the files of a report share. */

const json_t *report_rows(const struct results *results, int run);

/* Whether it is the first row, of all runs, in which this was measured and right. */
bool report_is_first_with(const struct results *results, int run, const json_t *row);

/* The class that gives a run its colour. */
static inline int report_color(int run)
{
    return run % 6;
}

/* The letter and the device. */
void report_write_label(FILE *out, const struct results *results, int run);

/* report_write_bars.c. Of a row the interval of its median, if it has enough samples. */
void report_write_bars(FILE *out, const struct results *results);
void report_write_interval(FILE *out, const json_t *row);

/* report_plots.c */
void report_write_curves(FILE *out, const struct results *results);
void report_write_rooflines(FILE *out, const struct results *results);

#endif
