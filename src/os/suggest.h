/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": for commands, options, networks, ops and the words of a network. */
#ifndef WEFT_OS_SUGGEST_H
#define WEFT_OS_SUGGEST_H

/* The one of `count` names that `word` was probably meant to be, or NULL. */
const char *weft_suggest(const char *word, const char *const *names, int count);

/* "; did you mean NAME?", or "": the end of a sentence. Returns `out`. */
enum { WEFT_SUGGESTION = 96 };
const char *weft_suggestion(const char *word, const char *const *names, int count,
                            char out[WEFT_SUGGESTION]);

#endif
