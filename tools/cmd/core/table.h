/* SPDX-License-Identifier: Apache-2.0 */
/* Result tables: aligned text, Markdown, CSV and rows of a JSON document. */
#ifndef WEFT_CMD_CORE_TABLE_H
#define WEFT_CMD_CORE_TABLE_H

#include "core/json.h"

enum table_format { TABLE_HUMAN, TABLE_MD, TABLE_CSV, TABLE_JSON };
#define TABLE_FORMATS "human|md|csv|json"

struct table_column {
    const char *key;   /* in CSV and JSON; NULL: in text and Markdown only */
    const char *title; /* in text and Markdown; NULL: in CSV and JSON only */
    bool left;         /* left-aligned */
    int width;         /* minimum; the exact width of a streaming table */
    bool optional;     /* hidden in text unless some row has a number in it */
};

struct table_cell;

struct table {
    FILE *out;
    enum table_format format;
    const struct table_column *columns;
    int column_count;
    bool stream;    /* write each row as soon as it is complete */
    bool keep_rows; /* of a streaming table, for table_json; set in that format */
    struct table_cell *cells;
    int cell_count, capacity, written_rows;
    bool titled;
};

void table_init(struct table *table, FILE *out, enum table_format format,
                const struct table_column *columns, int column_count, bool stream);
void table_free(struct table *table); /* frees */

/* Add the cells of a row from left to right. `format` is for text and Markdown. */
void table_text(struct table *table, const char *value);
void table_int(struct table *table, int64_t value); /* 12,345 in text */
void table_double(struct table *table, double value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_bool(struct table *table, bool value, const char *shown);

/* The text of a cell, row -1 being the titles; NULL: absent or hidden. */
const char *table_cell_text(const struct table *table, int row, int column);

/* True for a visible column with a cell other than "-". */
bool table_column_has_data(const struct table *table, int column);

/* The width of the text table; and a transposed form for a narrow terminal: each row is a
 * column below `letter`, explained by the first column. */
int table_width(const struct table *table);
void table_write_transposed(const struct table *table, const char *(*letter)(int row));

/* Writes the rows not written yet; nothing for JSON. */
void table_write(struct table *table);

/* Writes a line beside a table, escaped like its cells. */
void table_line(FILE *out, enum table_format format, const char *text);

/* Writes the rows as a list of objects. */
void table_json(const struct table *table, struct json *json, const char *key);

/* "12,345" in a static buffer valid for eight calls. */
const char *table_thousands(double value);

#endif
