/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of words in one text, "pad|crop". */
#ifndef WEFT_OS_WORDS_H
#define WEFT_OS_WORDS_H

#include <stddef.h>
#include <string.h>

/* The word at `index`, of *length bytes; NULL: the list has fewer. */
static inline const char *weft_word_at(const char *words, int index, size_t *length)
{
    for (; *words; words += *length + (words[*length] == '|')) {
        *length = strcspn(words, "|");
        if (!index--)
            return words;
    }
    return NULL;
}

#endif
