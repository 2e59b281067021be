/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of log.jsonl. */
#include "core/run_log.h"

#include "core/paths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LOG_BYTES = 1 << 28 };
static const double most_steps = 1e18; /* an int64_t has them */

json_t *run_log_load(const char *path, char **why)
{
    size_t size;
    const char *fault;
    *why = NULL;
    char *text = paths_read_file(path, MAX_LOG_BYTES, &size, &fault);
    if (!text)
        *why = term_format_or_exit("%s: %s", path, fault);
    else if (strlen(text) < size)
        *why = term_format_or_exit("%s: is damaged: it has zero bytes", path);
    json_t *lines = json_array();
    int number = 0;
    for (char *line = text, *end; !*why && *line; line = end) {
        end = line + strcspn(line, "\n");
        json_t *entry = json_loadb(line, (size_t)(end - line), 0, NULL);
        end += *end == '\n';
        number++;
        if (!json_is_object(entry))
            *why = term_format_or_exit("%s, line %d: is no line of the log of a run",
                                       path, number);
        else
            json_array_append(lines, entry);
        json_decref(entry);
    }
    free(text);
    if (!*why)
        return lines;
    json_decref(lines);
    return NULL;
}

double run_log_number(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *run_log_text(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

bool run_log_is_epoch(const json_t *line)
{
    double epoch = run_log_number(line, "epoch"), step = run_log_number(line, "step");
    return epoch >= 0 && epoch <= INT32_MAX && step >= 0 && step <= most_steps;
}
