/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and validating saved results. */
#include "results/results.h"

#include "core/paths.h"
#include "core/text_file.h"
#include "os/read_json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 64 << 20, MAX_SAMPLES = 10000, MAX_TEXT = 4096, MAX_LEVELS = 64 };

#define RUN_SCHEMA "weft.bench/2"
#define SET_SCHEMA "weft.bench-set/2"

/* The known fields. */
enum kind { TEXT, REAL, BOOL, OBJECT, LIST };
struct field {
    const char *name;
    enum kind kind;
    bool needed;
};

static const struct field of_run[] = {
    {"schema", TEXT, true},   {"weft", TEXT, true},    {"commit", TEXT, false},
    {"created", TEXT, false}, {"tuning", TEXT, false}, {"data", TEXT, false},
    {"error", TEXT, false},   {"host", OBJECT, false}, {"device", OBJECT, true},
    {"rows", LIST, true},     {"file", TEXT, false},   {"roofline", OBJECT, false}};
static const struct field of_device[] = {
    {"name", TEXT, true},    {"platform", TEXT, true}, {"driver", TEXT, true},
    {"id", TEXT, true},      {"family", TEXT, false},  {"kind", TEXT, false},
    {"version", TEXT, false}};
static const struct field of_host[] = {
    {"processor", TEXT, false}, {"cores", REAL, false}, {"system", TEXT, false}};
static const struct field of_roofline[] = {{"flops_per_second", REAL, false},
                                           {"launch_overhead_s", REAL, false},
                                           {"sync_latency_s", REAL, false},
                                           {"memory", LIST, true}};
static const struct field of_level[] = {{"bytes", REAL, true},
                                        {"read_bytes_per_second", REAL, true},
                                        {"copy_bytes_per_second", REAL, false}};
static const struct field of_row[] = {
    {"workload", TEXT, true},
    {"net", TEXT, false},
    {"shape", TEXT, false},
    {"phase", TEXT, false},
    {"input", TEXT, false},
    {"layer", TEXT, false},
    {"layer_text", TEXT, false},
    {"precision", TEXT, false},
    {"unit", TEXT, true},
    {"bound", TEXT, false},
    {"kernels", TEXT, false},
    {"error", TEXT, false},
    {"backend", TEXT, false},
    {"batch", REAL, false},
    {"median", REAL, false},
    {"min", REAL, false},
    {"max", REAL, false},
    {"p95", REAL, false},
    {"p99", REAL, false},
    {"seconds", REAL, false},
    {"flops", REAL, false},
    {"bytes", REAL, false},
    {"roofline_fraction", REAL, false},
    {"launch_fraction", REAL, false},
    {"first_step_s", REAL, false},
    {"relative_error", REAL, false},
    {"joules_per_1000_images", REAL, false},
    {"accuracy", REAL, false},
    {"accuracy_standard_error", REAL, false},
    {"loss", REAL, false},
    {"steps", REAL, false},
    {"target_accuracy", REAL, false},
    {"passed", BOOL, true},
    {"values", LIST, true},
};
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Location and description of an error in a file. */
struct parse_error {
    char text[300];
};

static bool set_parse_error(struct parse_error *t, const char *where, const char *name,
                            const char *expected)
{
    snprintf(t->text, sizeof(t->text), "%s: \"%s\" must be %s", where, name, expected);
    return false;
}

static bool is_kind(const json_t *value, enum kind kind)
{
    static const json_type plain[] = {
        [TEXT] = JSON_STRING, [OBJECT] = JSON_OBJECT, [LIST] = JSON_ARRAY};
    if (kind == REAL)
        return json_is_number(value) && fabs(json_number_value(value)) < 1e30;
    if (kind == BOOL)
        return json_is_boolean(value);
    return json_typeof(value) == plain[kind] &&
           (kind != TEXT || json_string_length(value) <= MAX_TEXT);
}

static bool check_fields(json_t *object, const struct field *fields, size_t count,
                         const char *where, struct parse_error *t)
{
    static const char *const descriptions[] = {
        [TEXT] = "a text of at most 4096 bytes",
        [REAL] = "a number below 1e30",
        [BOOL] = "true or false",
        [OBJECT] = "an object",
        [LIST] = "a list",
    };
    if (!json_is_object(object)) {
        snprintf(t->text, sizeof(t->text), "%s must be an object", where);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(object, fields[i].name);
        if (value ? !is_kind(value, fields[i].kind) : fields[i].needed)
            return set_parse_error(t, where, fields[i].name,
                                   descriptions[fields[i].kind]);
    }
    return true;
}

/* Replaces control characters, which a terminal would interpret. */
static void strip_control_characters(json_t *object, const struct field *fields,
                                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(object, fields[i].name);
        const char *text = json_string_value(value);
        char copy[MAX_TEXT + 1];
        size_t n = 0;
        if (!text)
            continue;
        for (; text[n]; n++) {
            bool second =
                n && (unsigned char)text[n - 1] == 0xc2 && (unsigned char)text[n] < 0xa0;
            bool bad = (unsigned char)text[n] < 0x20 || text[n] == 0x7f || second;
            copy[n] = bad ? (second ? (char)0xa0 : ' ') : text[n];
        }
        copy[n] = '\0';
        json_string_set(value, copy);
    }
}

static bool check_row(json_t *row, const char *where, struct parse_error *t)
{
    if (!check_fields(row, of_row, COUNT(of_row), where, t))
        return false;
    const json_t *values = json_object_get(row, "values");
    if (json_array_size(values) > MAX_SAMPLES)
        return set_parse_error(t, where, "values", "at most 10000 numbers");
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        if (!is_kind(value, REAL) || json_number_value(value) < 0)
            return set_parse_error(t, where, "values", "non-negative numbers");
    }
    strip_control_characters(row, of_row, COUNT(of_row));
    return true;
}

static bool check_roofline(json_t *roofline, const char *where, struct parse_error *t)
{
    char inner[120];
    snprintf(inner, sizeof(inner), "%s, its roofline", where);
    if (!check_fields(roofline, of_roofline, COUNT(of_roofline), inner, t))
        return false;
    const json_t *levels = json_object_get(roofline, "memory");
    if (json_array_size(levels) > MAX_LEVELS)
        return set_parse_error(t, inner, "memory", "a short list");
    for (size_t i = 0; i < json_array_size(levels); i++)
        if (!check_fields(json_array_get(levels, i), of_level, COUNT(of_level), inner, t))
            return false;
    return true;
}

static bool check_run(json_t *run, const char *where, struct parse_error *t)
{
    char inner[120];
    if (!check_fields(run, of_run, COUNT(of_run), where, t))
        return false;
    if (strcmp(results_text(run, "schema"), RUN_SCHEMA))
        return set_parse_error(t, where, "schema", "\"" RUN_SCHEMA "\"");
    json_t *device = json_object_get(run, "device"), *host = json_object_get(run, "host");
    json_t *roofline = json_object_get(run, "roofline"),
           *rows = json_object_get(run, "rows");
    snprintf(inner, sizeof(inner), "%s, its device", where);
    if (!check_fields(device, of_device, COUNT(of_device), inner, t))
        return false;
    snprintf(inner, sizeof(inner), "%s, its host", where);
    if (host && !check_fields(host, of_host, COUNT(of_host), inner, t))
        return false;
    if (roofline && !check_roofline(roofline, where, t))
        return false;
    if (json_array_size(rows) > RESULTS_MAX_ROWS)
        return set_parse_error(t, where, "rows", "at most 4096 rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        snprintf(inner, sizeof(inner), "%s, row %zu", where, i + 1);
        if (!check_row(json_array_get(rows, i), inner, t))
            return false;
    }
    strip_control_characters(run, of_run, COUNT(of_run));
    strip_control_characters(device, of_device, COUNT(of_device));
    if (host)
        strip_control_characters(host, of_host, COUNT(of_host));
    return true;
}

static bool add_run(struct results *r, json_t *run, const char *where, const char *name,
                    struct parse_error *t)
{
    if (!check_run(run, where, t))
        return false;
    if (!r->runs)
        r->runs = json_array();
    if (json_array_size(r->runs) >= RESULTS_MAX_RUNS) {
        snprintf(t->text, sizeof(t->text), "the files contain more than %d runs",
                 RESULTS_MAX_RUNS);
        return false;
    }
    if (!json_object_get(run, "file"))
        json_object_set_new(run, "file", json_string(paths_basename(name)));
    return !json_array_append(r->runs, run);
}

static bool add_document(struct results *r, json_t *document, const char *name,
                         struct parse_error *t)
{
    const char *schema = json_is_object(document) ? results_text(document, "schema") : "";
    char where[40];
    if (!strcmp(schema, RUN_SCHEMA))
        return add_run(r, document, "the run", name, t);
    if (!strcmp(schema, "weft.bench/1") || !strcmp(schema, "weft.bench-set/1")) {
        snprintf(t->text, sizeof(t->text),
                 "written by an older weft (schema %s); measure again with weft bench "
                 "--json",
                 schema);
        return false;
    }
    const json_t *runs = json_object_get(document, "runs");
    if (strcmp(schema, SET_SCHEMA) || !json_is_array(runs)) {
        snprintf(t->text, sizeof(t->text),
                 "not results of weft bench --json, which have the schema " RUN_SCHEMA
                 " or " SET_SCHEMA);
        return false;
    }
    for (size_t i = 0; i < json_array_size(runs); i++) {
        snprintf(where, sizeof(where), "run %zu", i + 1);
        if (!add_run(r, json_array_get(runs, i), where, name, t))
            return false;
    }
    return true;
}

enum app_exit results_parse(const struct app *app, struct results *r, const char *name,
                            const char *text, size_t size)
{
    json_error_t error;
    struct parse_error t = {""};
    bool no_memory;
    json_t *document = weft_read_json(text, size, &error, &no_memory);
    if (no_memory)
        return app_error(app, APP_FAILED, "%s: no memory for its %zu bytes", name, size);
    if (!document) {
        char why[JSON_ERROR_TEXT_LENGTH];
        snprintf(why, sizeof(why), "%s", error.text);
        for (char *at = why; *at; at++)
            *at = isprint((unsigned char)*at) ? *at : '?';
        return app_error(app, APP_BAD_INPUT, "%s: line %d is not JSON: %s", name,
                         error.line, why);
    }
    bool done = add_document(r, document, name, &t);
    json_decref(document);
    return done ? APP_OK : app_error(app, APP_BAD_INPUT, "%s: %s", name, t.text);
}

enum app_exit results_read(const struct app *app, struct results *r, const char *path)
{
    size_t size;
    const char *why;
    char *text = text_file_read(path, MAX_BYTES, &size, &why);
    if (!text)
        return app_error(app, APP_BAD_INPUT, "%s: %s", path, why);
    enum app_exit code = results_parse(app, r, path, text, size);
    free(text);
    return code;
}

void results_free(struct results *r)
{
    json_decref(r->runs);
    r->runs = NULL;
}

/* Texts of drivers may not be UTF-8. */
static json_t *make_string(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("?");
}

void results_add_failed_run(struct results *r, const struct weft_device_info *d,
                            const char *error)
{
    if (!r->runs)
        r->runs = json_array();
    json_t *run =
        json_pack("{s:s, s:s, s:o, s:{s:o, s:o, s:o, s:o}, s:[]}", "schema", RUN_SCHEMA,
                  "weft", weft_version(), "error", make_string(error), "device", "name",
                  make_string(d->name), "platform", make_string(d->platform), "driver",
                  make_string(d->driver), "id", make_string(d->id), "rows");
    json_array_append_new(r->runs, run);
}

void results_set_error(json_t *run, const char *error)
{
    json_object_set_new(run, "error", make_string(error));
}
