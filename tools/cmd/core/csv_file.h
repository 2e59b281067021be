/* SPDX-License-Identifier: Apache-2.0 */
/* CSV files that weft or a spreadsheet wrote, in memory. */
#ifndef WEFT_CMD_CORE_CSV_FILE_H
#define WEFT_CMD_CORE_CSV_FILE_H

#include "core/app.h"

/* Row 0 has the names of the columns. Quotes are removed, and the apostrophe that a table
 * puts before what would be a formula. */
struct csv_file {
    const char *path;
    char *text;
    const char **cells; /* rows x columns */
    int rows, columns;
};

/* Reads a file of commas, or, where the first line has none, semicolons or tabs. Every
 * row must have as many cells as the first; empty lines are skipped. */
enum app_exit csv_file_read(const struct app *app, const char *path,
                            struct csv_file *csv);
void csv_file_free(struct csv_file *csv);

const char *csv_file_cell(const struct csv_file *csv, int row, int column);

/* The column of a name; -1: none. */
int csv_file_column(const struct csv_file *csv, const char *name);
/* The column of the first of some names that there is; NULL ends them. */
int csv_file_column_of(const struct csv_file *csv, const char *const *names);

/* Reads a cell that must be a whole number in a range, or a finite number. */
enum app_exit csv_file_int(const struct app *app, const struct csv_file *csv, int row,
                           int column, int64_t min, int64_t max, int64_t *out);
enum app_exit csv_file_double(const struct app *app, const struct csv_file *csv, int row,
                              int column, double *out);

#endif
