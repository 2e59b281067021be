/* SPDX-License-Identifier: Apache-2.0 */
/* A streaming JSON writer. Numbers have nine digits, enough for a float; non-finite ones
 * are null. */
#ifndef WEFT_CMD_CORE_JSON_H
#define WEFT_CMD_CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_MAX_DEPTH = 16 };

struct json {
    FILE *out;
    bool lines; /* one line per document */
    int depth;
    bool filled[JSON_MAX_DEPTH + 1]; /* the container at this depth is not empty */
    char closing[JSON_MAX_DEPTH + 1];
};

/* The prefix is emit_ because json_ belongs to jansson. `key` is NULL inside a list and
 * for the outermost value. */
void emit_object(struct json *json, const char *key);
void emit_list(struct json *json, const char *key);
void emit_end(struct json *json); /* ends the innermost object or list */

void emit_text(struct json *json, const char *key, const char *value); /* NULL: null */
void emit_int(struct json *json, const char *key, int64_t value);
void emit_uint(struct json *json, const char *key, uint64_t value);
void emit_double(struct json *json, const char *key, double value);
void emit_bool(struct json *json, const char *key, bool value);

#endif
