/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: fields of a line and roles of the columns. */
#ifndef WEFT_DATASET_CSV_H
#define WEFT_DATASET_CSV_H

#include "dataset/format.h"

enum { WEFT_CSV_MAX_LABEL = WEFT_MAX_CLASSES - 1 };

/* The position of the reader; line and column are counted from 1, for messages. */
struct weft_csv {
    struct weft_reading *reading;
    const char *name;
    const char *at, *end; /* text, which ends in a zero byte behind `end` */
    const char *rows;     /* the first row, behind the header */
    size_t line;
    char delimiter;
};

/* A field without quotes and the spaces around it. */
struct weft_csv_field {
    const char *text;
    size_t length;
};

/* Takes the field at *at of a line that ends at `end`, and its delimiter. */
struct weft_csv_field weft_csv_field_take(const struct weft_csv *in, const char **at,
                                          const char *end);

/* Fields of the line at `at`. */
size_t weft_csv_field_count(const struct weft_csv *in, const char *at);

/* Behind the spaces at `at` that do not separate fields. */
const char *weft_csv_skip_spaces(const struct weft_csv *in, const char *at,
                                 const char *end);

/* The field as a number; false: it is not one. In the locale of numbers
 * (util/text.h). */
bool weft_csv_number(const struct weft_csv_field *field, double *out);

/* True if it has letters and is no number: the name of a class, not a damaged number. */
bool weft_csv_is_word(const struct weft_csv_field *field);

/* The ending of a field is that of the name of an image file. */
bool weft_csv_is_image_file(const struct weft_csv_field *field);

/* End of the line at `at`, without its line feed. */
const char *weft_csv_line_end(const struct weft_csv *in, const char *at);

enum weft_status weft_csv_fail_no_rows(const struct weft_csv *in);

enum weft_csv_role { WEFT_CSV_PIXEL, WEFT_CSV_LABEL, WEFT_CSV_SKIPPED };

struct weft_csv_columns {
    size_t count, label; /* label: an index */
    size_t pixels;
    uint8_t *roles; /* count */
    bool lists_files;
    size_t file; /* index of the column of their paths */
};

/* Decides what the columns are, by the header if there is one, which is skipped, else by
 * the numbers. Notes what is not label,pixel1,... WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_csv_columns_find(struct weft_csv *in, struct weft_csv_columns *out);

/* Indices of the label column and of the first data column of a file without names. */
enum weft_status weft_csv_columns_guess(const struct weft_csv *in, size_t count,
                                        size_t *label, size_t *skipped);

/* Where a row goes. Floats are kept until all of them decide the scale. */
struct weft_csv_row {
    uint8_t *pixels;
    float *floats; /* NULL: all pixels so far are integers */
    struct weft_pixel_range *range;
    int32_t *label;
};

/* Contents that are read in another way, from the first row on. */
enum weft_csv_other { WEFT_CSV_NOTHING, WEFT_CSV_FLOATS, WEFT_CSV_NAMES };

/* Reads a row of pixels. If *found is set, its rest is unread. */
enum weft_status weft_csv_row_read(struct weft_csv *in, const struct weft_csv_columns *c,
                                   const struct weft_csv_row *row,
                                   enum weft_csv_other *found);

/* Reads a label that is a number: it may be written as 5 or as 5.0. */
enum weft_status weft_csv_label_read(struct weft_csv *in, size_t column, int32_t *label);

enum weft_status weft_csv_fail_few_columns(const struct weft_csv *in, size_t has,
                                           size_t columns);

/* The number of lines from in->at on. WEFT_ERR_FORMAT if there are too many. */
enum weft_status weft_csv_count_rows(const struct weft_csv *in, size_t *out);

/* True if the labels are names: a quarter of them at least is not numbers but words. */
bool weft_csv_has_names(const struct weft_csv *in, const struct weft_csv_columns *c);

/* Reads the labels of all rows from in->at on; names are sorted and numbered.
 * WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_csv_labels_read(struct weft_csv *in,
                                      const struct weft_csv_columns *c,
                                      struct weft_labels *out);

/* Reads a list of image files with their labels, and the files. */
enum weft_status weft_csv_files_read(struct weft_csv *in,
                                     const struct weft_csv_columns *c,
                                     struct weft_raw_images *out);

/* True if N pixels are a square image, in gray or RGB. */
bool weft_csv_is_square(size_t pixels);
size_t weft_integer_sqrt(size_t square); /* 0: not a square */

#endif
