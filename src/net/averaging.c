/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of the weights, as text. */
#include "net/averaging.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>

enum { MOST_STEPS = 1 << 20 };

/* In the order of the enumeration, with the steps where none are given. */
static const struct {
    const char *name;
    int every;
} kinds[] = {{"none", 1}, {"ema", 1}, {"lookahead", 5}};

enum weft_status weft_averaging_parse(struct weft_line_parser *parser,
                                      struct weft_averaging *out)
{
    const char *word = NULL;
    int k = 0;
    WEFT_TRY(weft_line_parser_row(parser, "average", kinds, sizeof(*kinds),
                                  WEFT_ARRAY_SIZE(kinds), &k));
    *out = (struct weft_averaging){.kind = (enum weft_averaging_kind)k,
                                   .every = kinds[k].every};
    if (out->kind == WEFT_AVERAGING_NONE)
        return WEFT_OK;
    WEFT_TRY(weft_line_parser_take(parser, "the decay", &word));
    WEFT_TRY(
        weft_line_parser_float(parser, "the decay", word, 0, 0.999999f, &out->decay));
    const char *every = weft_line_parser_option(parser, "every");
    return every
               ? weft_line_parser_int(parser, "every", every, 1, MOST_STEPS, &out->every)
               : WEFT_OK;
}

enum weft_status weft_averaging_read(weft_context *ctx, const char *text,
                                     struct weft_averaging *out)
{
    struct weft_line_parser parser = {.ctx = ctx, .where = "average"};
    enum weft_status status = weft_line_parser_split(&parser, text, strlen(text));
    if (!status)
        status = weft_averaging_parse(&parser, out);
    if (!status)
        status = weft_line_parser_check_all_used(&parser);
    return status == WEFT_ERR_FORMAT ? WEFT_ERR_ARG : status;
}

void weft_averaging_write(const struct weft_averaging *averaging,
                          char out[WEFT_AVERAGING_TEXT])
{
    char decay[32];
    int used = snprintf(out, WEFT_AVERAGING_TEXT, "%s", kinds[averaging->kind].name);
    if (averaging->kind == WEFT_AVERAGING_NONE)
        return;
    weft_float_write(decay, sizeof(decay), averaging->decay);
    used += snprintf(out + used, WEFT_AVERAGING_TEXT - (size_t)used, " %s", decay);
    if (averaging->every != kinds[averaging->kind].every)
        snprintf(out + used, WEFT_AVERAGING_TEXT - (size_t)used, " every=%d",
                 averaging->every);
}
