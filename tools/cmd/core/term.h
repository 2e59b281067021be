/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal: colour, width, the progress line on stderr, images. */
#ifndef WEFT_CMD_CORE_TERM_H
#define WEFT_CMD_CORE_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum term_color { TERM_AUTO, TERM_ALWAYS, TERM_NEVER };
#define TERM_COLORS "auto|always|never"

/* To be called once, before the others. NO_COLOR and TERM=dumb count where `color` is
 * auto. */
void term_init(enum term_color color);

enum term_style { TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_WARN, TERM_BAD };

/* What begins and ends a style on `out`; "" where there is no colour. */
const char *term_style_begin(FILE *out, enum term_style style);
const char *term_style_end(FILE *out);

/* Columns of the terminal that `out` is; 100 where it is none. */
int term_width(FILE *out);

const char *term_plus_minus(void); /* in UTF-8, or "+-" */
const char *term_middle_dot(void); /* a raised dot, or "." */

/* Columns that `text` takes; what sets colours takes none. */
int term_columns(const char *text);

/* Writes `text` and ends the line. It begins at column `column`; before column `limit` it
 * is broken at a space, and goes on at column `indent`. */
void term_wrap(FILE *out, const char *text, int indent, int column, int limit);

/* A line of talk on stderr. A terminal's width breaks it, unless it begins with a
 * space: then it is to be copied whole. */
void term_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void term_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The progress line: redrawn in place at most ten times a second on a terminal, else a
 * plain line at most every thirty seconds. Cleared by whatever is written next through
 * this file or a table; by others with term_progress_clear. */
void term_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void term_progress_clear(void);

/* Around a call that may take long: after a second stderr tells what is being done. */
void term_wait_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void term_wait_end(void);

/* Seconds by the monotonic clock. */
double term_seconds(void);

/* realloc that ends the program when there is no memory. */
void *term_realloc_or_exit(void *old, size_t size);

/* An image to be drawn: height x width x channels bytes. */
struct term_image {
    const uint8_t *pixels;
    int height, width, channels;
    char caption[64];
};

/* Draws images side by side, as many in a row as fit. */
void term_draw_images(FILE *out, const struct term_image *images, int count);

#endif
