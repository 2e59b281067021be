/* SPDX-License-Identifier: Apache-2.0 */
/* Terminal output: colour, width, messages and progress on stderr, images. */
#ifndef WEFT_CMD_CORE_TERM_H
#define WEFT_CMD_CORE_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum term_color { TERM_AUTO, TERM_ALWAYS, TERM_NEVER };
#define TERM_COLORS "auto|always|never"

/* Must be called once, first. NO_COLOR and TERM=dumb apply if `color` is auto. */
void term_init(enum term_color color);

enum term_style { TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_WARN, TERM_BAD };

/* Escape sequences of a style on `out`; "" without colour. */
const char *term_style_begin(FILE *out, enum term_style style);
const char *term_style_end(FILE *out);

/* Width of the terminal `out`; if it is none, that of COLUMNS, or 100. */
int term_width(FILE *out);

/* The same, but no limit if it is no terminal and COLUMNS is not set: what a program
 * reads is not cut. */
int term_limit(FILE *out);

/* The width of a text to be read: at most 100. */
int term_prose_limit(FILE *out);

const char *term_plus_minus(void); /* in UTF-8, or "+-" */
const char *term_middle_dot(void); /* a raised dot, or "." */

/* Display width of `text`, excluding escape sequences. */
int term_columns(const char *text);

/* The end of `text` that has at most `columns` columns: it begins with a character. */
const char *term_tail(const char *text, int columns);

/* Writes `text` and a newline, starting at column `column`, wrapped at spaces before
 * column `limit`; continuation lines are indented to `indent`. */
void term_wrap(FILE *out, const char *text, int indent, int column, int limit);

/* A line on stdout, wrapped before term_limit. */
void term_line(int indent, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A message on stderr, one line: control characters are escaped. On a terminal it is
 * wrapped, unless it begins with a space: such lines are meant to be copied. */
void term_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void term_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout. False, with errno of the first failure, if anything was not written. */
bool term_flush_stdout(void);

/* The progress line: redrawn in place at most ten times per second on a terminal, else a
 * plain line at most every thirty seconds. Output through this file or a table clears it;
 * other output must call term_progress_clear first. */
void term_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void term_progress_clear(void);

/* Bracket a call that may take long: after a second, stderr shows the activity. */
void term_wait_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void term_wait_end(void);

/* Seconds by the monotonic clock. */
double term_seconds(void);

/* realloc that exits on failure. */
void *term_realloc_or_exit(void *old, size_t size);

/* The formatted text, allocated; exits on failure. */
char *term_format_or_exit(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An image to draw: height x width x channels bytes. */
struct term_image {
    const uint8_t *pixels;
    int height, width, channels;
    char caption[160];
};

/* Protocols of images. Auto: the first of kitty's and sixels that the terminal knows,
 * else half blocks, or letters without colour. */
enum term_graphics {
    TERM_GRAPHICS_AUTO,
    TERM_GRAPHICS_KITTY,
    TERM_GRAPHICS_SIXEL,
    TERM_GRAPHICS_BLOCKS,
    TERM_GRAPHICS_NONE
};
#define TERM_GRAPHICS_NAMES "auto|kitty|sixel|blocks|none"

/* Chooses the protocol; of auto, the first call of term_graphics asks the terminal. */
void term_graphics_init(enum term_graphics graphics);
enum term_graphics term_graphics(FILE *out);

/* Draws images side by side, as many in a row as fit. */
void term_draw_images(FILE *out, const struct term_image *images, int count);

#endif
