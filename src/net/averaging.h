/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of the weights: the line `average` of a network (weft/net.h). */
#ifndef WEFT_NET_AVERAGING_H
#define WEFT_NET_AVERAGING_H

#include "util/line_parser.h"

enum weft_averaging_kind {
    WEFT_AVERAGING_NONE,
    WEFT_AVERAGING_EMA,
    WEFT_AVERAGING_LOOKAHEAD
};

struct weft_averaging {
    enum weft_averaging_kind kind;
    float decay;
    int every; /* steps */
};

/* Takes the words and options after `average`. */
enum weft_status weft_averaging_parse(struct weft_line_parser *parser,
                                      struct weft_averaging *out);

/* The same from params; WEFT_ERR_ARG. */
enum weft_status weft_averaging_read(weft_context *ctx, const char *text,
                                     struct weft_averaging *out);

enum { WEFT_AVERAGING_TEXT = 64 };

/* The words and options after `average`, without defaults; "none". */
void weft_averaging_write(const struct weft_averaging *averaging,
                          char out[WEFT_AVERAGING_TEXT]);

#endif
