/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a network's text, split into plain words and name=value options. Every
 * function that reads a number checks range and form; error messages name the file and
 * the line. */
#ifndef WEFT_UTIL_LINE_PARSER_H
#define WEFT_UTIL_LINE_PARSER_H

#include "base/context.h"

enum { WEFT_MAX_WORDS = 16, WEFT_MAX_LINE = 256, WEFT_MAX_ASKED = 32 };

struct weft_line_parser {
    weft_context *ctx;
    const char *where;        /* the text's name */
    int line;                 /* counted from 1 */
    char text[WEFT_MAX_LINE]; /* the words point into it */
    char *word[WEFT_MAX_WORDS];
    int count, next;
    struct {
        char *name, *value;
        bool used;
    } option[WEFT_MAX_WORDS];
    int option_count;
    const char *asked[WEFT_MAX_ASKED]; /* names of options that were looked for */
    int asked_count;
};

/* Splits `length` bytes of `line`, up to a # or the end. An empty line has no words. */
enum weft_status weft_line_parser_split(struct weft_line_parser *parser, const char *line,
                                        size_t length);

/* WEFT_ERR_FORMAT; the position is the context's (error_position). */
enum weft_status weft_line_parser_fail(struct weft_line_parser *parser,
                                       const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The next plain word, or NULL; does not take it. */
const char *weft_line_parser_peek(const struct weft_line_parser *parser);

/* Takes the next plain word; `what` names it in the error message. */
enum weft_status weft_line_parser_take(struct weft_line_parser *parser, const char *what,
                                       const char **out);

/* A word, or the value of an option, as a number in a range. A pair is one number or two
 * with x between them, rows first. */
enum weft_status weft_line_parser_int(struct weft_line_parser *parser, const char *what,
                                      const char *text, int min, int max, int *out);
enum weft_status weft_line_parser_float(struct weft_line_parser *parser, const char *what,
                                        const char *text, float min, float max,
                                        float *out);
enum weft_status weft_line_parser_pair(struct weft_line_parser *parser, const char *what,
                                       const char *text, int min, int max, int out[2]);

/* The value of option `name`, marked as used, or NULL. The name is kept by its pointer,
 * for suggestions. */
const char *weft_line_parser_option(struct weft_line_parser *parser, const char *name);

/* Options as numbers; an absent option leaves `out` unchanged. */
enum weft_status weft_line_parser_option_float(struct weft_line_parser *parser,
                                               const char *name, float min, float max,
                                               float *out);
enum weft_status weft_line_parser_option_bool(struct weft_line_parser *parser,
                                              const char *name, bool *out);

/* One of `names`, NULL-terminated, as its index. */
enum weft_status weft_line_parser_option_name(struct weft_line_parser *parser,
                                              const char *name, const char *const *names,
                                              int *out);

/* Takes the next plain word, the name of one of `count` rows of a table whose first
 * member it is, as the row's index; `what` names it in the error message. */
enum weft_status weft_line_parser_row(struct weft_line_parser *parser, const char *what,
                                      const void *rows, size_t row_bytes, int count,
                                      int *out);

/* Fails if a word or an option was not taken; of the options that were looked for, the
 * message has the one that was probably meant. */
enum weft_status weft_line_parser_check_all_used(struct weft_line_parser *parser);

#endif
