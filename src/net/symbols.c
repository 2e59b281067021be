/* SPDX-License-Identifier: Apache-2.0 */
/* Names of lines. */
#include "net/symbols.h"

#include <stdio.h>
#include <string.h>

static const char batch[] = "input";

static int find(const struct weft_symbols *symbols, const char *name)
{
    for (int i = 0; i < symbols->count; i++)
        if (!strcmp(symbols->list[i].name, name))
            return i;
    return -1;
}

enum weft_status weft_symbols_add(struct weft_symbols *symbols,
                                  struct weft_line_parser *parser, const char *name,
                                  int node)
{
    if (!*name || strlen(name) >= WEFT_NAME_BYTES)
        return weft_line_parser_fail(parser, "as=%s: a name has 1 to %d letters", name,
                                     WEFT_NAME_BYTES - 1);
    if (!strcmp(name, batch))
        return weft_line_parser_fail(
            parser, "as=%s: this name is the batch's; choose another", name);
    int other = find(symbols, name);
    if (other >= 0)
        return weft_line_parser_fail(parser,
                                     "as=%s: line %d has this name; choose another", name,
                                     symbols->list[other].line);
    snprintf(symbols->list[symbols->count].name, WEFT_NAME_BYTES, "%s", name);
    symbols->list[symbols->count].node = node;
    symbols->list[symbols->count].line = parser->line;
    symbols->list[symbols->count++].read = false;
    return WEFT_OK;
}

enum weft_status weft_symbols_find(struct weft_symbols *symbols,
                                   struct weft_line_parser *parser, const char *name,
                                   int *node)
{
    int index = find(symbols, name);
    *node = WEFT_BATCH;
    if (index < 0 && !strcmp(name, batch))
        return WEFT_OK;
    if (index < 0)
        return weft_line_parser_fail(
            parser,
            "no line above is called \"%s\": put as=%s at the end of "
            "the line that is meant",
            name, name);
    symbols->list[index].read = true;
    *node = symbols->list[index].node;
    return WEFT_OK;
}

enum weft_status weft_symbols_check_all_used(const struct weft_symbols *symbols,
                                             struct weft_line_parser *parser)
{
    for (int i = 0; i < symbols->count; i++)
        if (!symbols->list[i].read) {
            parser->line = symbols->list[i].line;
            return weft_line_parser_fail(
                parser,
                "nothing reads \"%s\": take away as=%s, or read it "
                "below with from=%s or \"add %s\"",
                symbols->list[i].name, symbols->list[i].name, symbols->list[i].name,
                symbols->list[i].name);
        }
    return WEFT_OK;
}
