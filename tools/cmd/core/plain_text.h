/* SPDX-License-Identifier: Apache-2.0 */
/* Text of others (file names, classes, devices, metadata) made safe for every output:
 * control characters, which a terminal may obey, line breaks, bidirectional controls,
 * which reorder what is read, and bytes that are not UTF-8. */
#ifndef WEFT_CMD_CORE_PLAIN_TEXT_H
#define WEFT_CMD_CORE_PLAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the UTF-8 character at `text`; 0 if it is not valid. *control: its code point
 * if it is one of those above, else 0. */
size_t plain_text_character(const char *text, unsigned *control);

/* Bytes of the first `characters` of UTF-8 text. */
size_t plain_text_prefix(const char *text, int characters);

/* The text with these characters as \n, \x1b or \u202e: the text itself if it has none,
 * else a copy that is valid for eight calls. */
const char *plain_text(const char *text);

/* The same, allocated; NULL: out of memory. `keep` returns the length of a sequence that
 * is left as it is, or 0; it may be NULL. */
char *plain_text_copy(const char *text, size_t (*keep)(const char *at));

#endif
