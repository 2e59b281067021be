/* SPDX-License-Identifier: Apache-2.0 */
/* A streaming JSON writer. Numbers are written with nine digits, which a float survives;
 * what is not a number is null. */
#ifndef WEFT_CMD_CORE_JSON_H
#define WEFT_CMD_CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_MAX_DEPTH = 16 };

struct json {
    FILE *out;
    bool lines; /* all on one line */
    int depth;
    bool filled[JSON_MAX_DEPTH + 1]; /* something was written at this depth */
    char closing[JSON_MAX_DEPTH + 1];
};

/* The prefix json_ is jansson's. Everything takes the key first; NULL inside a list,
 * and for the outermost value. */
void emit_object(struct json *json, const char *key);
void emit_list(struct json *json, const char *key);
void emit_end(struct json *json); /* ends the innermost object or list */

void emit_text(struct json *json, const char *key, const char *value); /* NULL: null */
void emit_int(struct json *json, const char *key, int64_t value);
void emit_uint(struct json *json, const char *key, uint64_t value);
void emit_double(struct json *json, const char *key, double value);
void emit_bool(struct json *json, const char *key, bool value);

#endif
