/* SPDX-License-Identifier: Apache-2.0 */
/* The names that lines of a network's text give to their outputs (as=NAME), for the lines
 * below that read them. */
#ifndef WEFT_NET_SYMBOLS_H
#define WEFT_NET_SYMBOLS_H

#include "net/graph.h"

enum { WEFT_NAME_BYTES = 32 };

struct weft_symbols {
    struct {
        char name[WEFT_NAME_BYTES];
        int node, line;
        bool read;
    } list[WEFT_MAX_NODES];
    int count;
};

/* Names the output of `node`; the name must be new. */
enum weft_status weft_symbols_add(struct weft_symbols *symbols,
                                  struct weft_line_parser *parser, const char *name,
                                  int node);

/* The node called `name`, which is read now; WEFT_BATCH for "input". */
enum weft_status weft_symbols_find(struct weft_symbols *symbols,
                                   struct weft_line_parser *parser, const char *name,
                                   int *node);

/* Fails if a name was never read. */
enum weft_status weft_symbols_check_all_used(const struct weft_symbols *symbols,
                                             struct weft_line_parser *parser);

#endif
