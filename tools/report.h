/* SPDX-License-Identifier: Apache-2.0 */
/* Saved results as one page of HTML that needs nothing else: no scripts, no fonts, no
 * pictures from elsewhere. */
#ifndef WEFT_TOOLS_REPORT_H
#define WEFT_TOOLS_REPORT_H

#include "results.h"

/* Written aside and renamed; NULL: nowhere. */
enum app_exit report_save(const struct app *app, const struct results *results,
                          const char *path);

/* report_plots.c */
void report_roofline(FILE *out, const struct results *results);
void report_curves(FILE *out, const struct results *results);

/* The class that gives a run its colour. */
static inline int report_color(int run)
{
    return run % 6;
}

/* report_plots.c. The letter that names a run where a label is too long or a colour not
 * enough; in a static buffer. */
const char *report_letter(int run);

#endif
