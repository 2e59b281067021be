/* SPDX-License-Identifier: Apache-2.0 */
/* Queries on validated results, and writing them. */
#define _GNU_SOURCE
#include "results/results.h"

#include "core/device_name.h"
#include "core/paths.h"
#include "core/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool results_write(const struct results *r, FILE *out)
{
    json_t *set = json_pack("{s:s, s:s, s:O}", "schema", "weft.bench-set/2", "weft",
                            weft_version(), "runs", r->runs);
    errno = 0;
    bool done = set && !json_dumpf(set, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) &&
                fputc('\n', out) != EOF;
    json_decref(set);
    return done;
}

bool results_save(const struct results *r, const char *path)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    bool done = out && results_write(r, out);
    if (out)
        done = !fclose(out) && done;
    done = done && paths_write(path, text, size);
    int why = errno;
    free(text);
    errno = why;
    return done;
}

int results_count(const struct results *r)
{
    return (int)json_array_size(r->runs);
}

json_t *results_run(const struct results *r, int index)
{
    return json_array_get(r->runs, (size_t)index);
}

static const json_t *find(const json_t *object, const char *path)
{
    const char *dot;
    while ((dot = strchr(path, '.'))) {
        char name[32];
        snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
        object = json_object_get(object, name);
        path = dot + 1;
    }
    return json_object_get(object, path);
}

const char *results_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(find(object, path));
    return text ? text : "";
}

double results_number(const json_t *object, const char *path)
{
    const json_t *value = find(object, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

bool results_passed(const json_t *row)
{
    return json_is_true(json_object_get(row, "passed"));
}

int results_samples(const json_t *row, double **out)
{
    const json_t *values = json_object_get(row, "values");
    size_t count = json_array_size(values);
    *out = term_realloc_or_exit(NULL, (count + 1) * sizeof(**out));
    for (size_t i = 0; i < count; i++)
        (*out)[i] = json_number_value(json_array_get(values, i));
    return (int)count;
}

void results_device_name(const json_t *run, char out[RESULTS_LABEL_BYTES])
{
    struct weft_device_info d;
    snprintf(d.platform, sizeof(d.platform), "%s", results_text(run, "device.platform"));
    snprintf(d.name, sizeof(d.name), "%s", results_text(run, "device.name"));
    device_short_name(&d, out);
}

static bool same_before(const struct results *r, int a, int b, const char *path)
{
    return !strcmp(results_text(results_run(r, a), path),
                   results_text(results_run(r, b), path));
}

/* Appends the fields that distinguish runs of the same device. */
void results_label(const struct results *r, int index, char out[RESULTS_LABEL_BYTES])
{
    static const char *const fields[] = {"file", "device.driver", "device.family",
                                         "created"};
    char mine[RESULTS_LABEL_BYTES], other[RESULTS_LABEL_BYTES];
    results_device_name(results_run(r, index), mine);
    snprintf(out, RESULTS_LABEL_BYTES, "%s", mine);
    for (size_t f = 0; f < sizeof(fields) / sizeof(*fields); f++) {
        bool differs = false, alike = false;
        for (int i = 0; i < results_count(r); i++) {
            results_device_name(results_run(r, i), other);
            if (i == index || strcmp(mine, other))
                continue;
            differs = differs || !same_before(r, i, index, fields[f]);
            alike = alike || same_before(r, i, index, fields[f]);
        }
        size_t at = strlen(out);
        if (differs)
            snprintf(out + at, RESULTS_LABEL_BYTES - at, ", %.40s",
                     results_text(results_run(r, index), fields[f]));
        if (differs && !alike)
            return;
    }
}

const char *results_letter(int index)
{
    static char text[3];
    snprintf(text, sizeof(text), "%c%c", index < 26 ? 'A' + index : 'A' + index / 26 - 1,
             index < 26 ? '\0' : 'A' + index % 26);
    return text;
}

void results_workload_key(const json_t *row, char out[RESULTS_LABEL_BYTES])
{
    static const char *const fields[] = {"workload", "net",   "shape",    "input",
                                         "layer",    "phase", "precision"};
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        const char *text = results_text(row, fields[i]);
        bool implied = !strcmp(text, "float32");
        if (*text && !implied && at + 64 < RESULTS_LABEL_BYTES)
            at += (size_t)snprintf(out + at, RESULTS_LABEL_BYTES - at, "%s%.60s",
                                   at ? " " : "", text);
    }
    double batch = results_number(row, "batch");
    if (batch > 0 && at + 32 < RESULTS_LABEL_BYTES)
        snprintf(out + at, RESULTS_LABEL_BYTES - at, " batch %.0f", batch);
}

bool results_is_time(const json_t *row)
{
    const char *unit = results_text(row, "unit");
    return !strcmp(unit, "ms") || !strcmp(unit, "us") || !strcmp(unit, "s");
}

const json_t *results_find_same(const json_t *run, const json_t *row)
{
    char mine[RESULTS_LABEL_BYTES], other[RESULTS_LABEL_BYTES];
    const json_t *rows = json_object_get(run, "rows");
    results_workload_key(row, mine);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *candidate = json_array_get(rows, i);
        results_workload_key(candidate, other);
        if (!strcmp(mine, other) && results_passed(candidate) &&
            !strcmp(results_text(row, "unit"), results_text(candidate, "unit")) &&
            json_array_size(json_object_get(candidate, "values")))
            return candidate;
    }
    return NULL;
}

const json_t *results_noisiest_row(const json_t *run, double out[2])
{
    static const char *const workloads[] = {"train", "inference", "latency"};
    const json_t *rows = json_object_get(run, "rows"), *worst = NULL;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double *values, bounds[2];
        bool timed = false;
        for (size_t k = 0; k < sizeof(workloads) / sizeof(*workloads); k++)
            timed = timed || !strcmp(results_text(row, "workload"), workloads[k]);
        if (!timed || !results_passed(row))
            continue;
        int count = results_samples(row, &values);
        bool known = statistics_interval(values, count, bounds);
        free(values);
        if (!known || !statistics_is_noisy(bounds) ||
            (worst && bounds[1] * out[0] <= out[1] * bounds[0]))
            continue;
        worst = row;
        memcpy(out, bounds, sizeof(bounds));
    }
    return worst;
}
