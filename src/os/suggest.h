/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": for commands, options, networks, ops and the words of a network. */
#ifndef WEFT_OS_SUGGEST_H
#define WEFT_OS_SUGGEST_H

/* The one of `count` names that `word` was probably meant to be, or NULL. */
const char *weft_suggest(const char *word, const char *const *names, int count);

#endif
