/* SPDX-License-Identifier: Apache-2.0 */
/* Names of lines. */
#include "names.h"

#include <stdio.h>
#include <string.h>

static const char batch[] = "input";

static int find(const struct weft_names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (!strcmp(names->list[i].name, name))
            return i;
    return -1;
}

enum weft_status weft_names_add(struct weft_names *names, struct weft_words *words,
                                const char *name, int node)
{
    if (!*name || strlen(name) >= WEFT_NAME_BYTES)
        return weft_words_fail(words, "as=%s: a name has 1 to %d letters", name,
                               WEFT_NAME_BYTES - 1);
    if (!strcmp(name, batch))
        return weft_words_fail(words, "as=%s: this name is the batch's; choose another",
                               name);
    int other = find(names, name);
    if (other >= 0)
        return weft_words_fail(words, "as=%s: line %d has this name; choose another",
                               name, names->list[other].line);
    snprintf(names->list[names->count].name, WEFT_NAME_BYTES, "%s", name);
    names->list[names->count].node = node;
    names->list[names->count].line = words->line;
    names->list[names->count++].read = false;
    return WEFT_OK;
}

enum weft_status weft_names_find(struct weft_names *names, struct weft_words *words,
                                 const char *name, int *node)
{
    int index = find(names, name);
    *node = WEFT_BATCH;
    if (index < 0 && !strcmp(name, batch))
        return WEFT_OK;
    if (index < 0)
        return weft_words_fail(words,
                               "no line above is called \"%s\": put as=%s at the end of "
                               "the line that is meant",
                               name, name);
    names->list[index].read = true;
    *node = names->list[index].node;
    return WEFT_OK;
}

enum weft_status weft_names_end(const struct weft_names *names, struct weft_words *words)
{
    for (int i = 0; i < names->count; i++)
        if (!names->list[i].read) {
            words->line = names->list[i].line;
            return weft_words_fail(words,
                                   "nothing reads \"%s\": take away as=%s, or read it "
                                   "below with from=%s or \"add %s\"",
                                   names->list[i].name, names->list[i].name,
                                   names->list[i].name, names->list[i].name);
        }
    return WEFT_OK;
}
