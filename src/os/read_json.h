/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, read so that a lack of memory is not taken for invalid contents. */
#ifndef WEFT_OS_READ_JSON_H
#define WEFT_OS_READ_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* As json_loadb; duplicate keys are rejected. NULL on failure, with *no_memory if memory,
 * not the text, is the cause. */
json_t *weft_read_json(const char *text, size_t size, json_error_t *error,
                       bool *no_memory);

#endif
