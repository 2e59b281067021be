/* SPDX-License-Identifier: Apache-2.0 */
/* Results of one device as JSON, with provenance and all samples. results.c reads it. */
#define _GNU_SOURCE
#include "bench/bench.h"

#include "results/provenance.h"
#include "core/fnv1a.h"
#include "core/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a hash of all tuned configurations in use. */
static void hash_tuning(const struct bench *b, char out[20])
{
    uint64_t hash = FNV1A_BEGIN;
    struct weft_tuning_row row;
    int used = 0;
    for (int i = 0; !weft_tuning_row(b->app->device, i, &row); i++)
        if (!row.outdated &&
            (!strcmp(row.state, "best") || !strcmp(row.state, "bundled"))) {
            hash = fnv1a_text(fnv1a_text(hash, row.problem), row.config);
            used++;
        }
    snprintf(out, 20, used ? "%016" PRIx64 : "none", hash);
}

static void write_roofline(const struct bench *b, struct json *j)
{
    emit_object(j, "roofline");
    emit_double(j, "flops_per_second", b->roofline.flops_per_second);
    emit_double(j, "launch_overhead_s", b->roofline.launch_overhead);
    emit_double(j, "sync_latency_s", b->roofline.sync_latency);
    emit_list(j, "memory");
    for (int i = 0; i < WEFT_BANDWIDTH_LEVELS; i++) {
        emit_object(j, NULL);
        emit_int(j, "bytes", (int64_t)b->roofline.level[i].bytes);
        emit_double(j, "read_bytes_per_second", b->roofline.level[i].read);
        emit_double(j, "copy_bytes_per_second", b->roofline.level[i].copy);
        emit_end(j);
    }
    emit_end(j);
    emit_end(j);
}

static void write_row(const struct bench *b, struct json *j, const struct bench_row *r)
{
    emit_object(j, NULL);
    emit_text(j, "workload", r->workload);
    emit_text(j, r->kind & (BENCH_OP | BENCH_ROOFLINE) ? "shape" : "net", r->subject);
    if (r->layer[0])
        emit_text(j, "layer", r->layer);
    if (r->layer_text[0])
        emit_text(j, "layer_text", r->layer_text);
    if (r->phase[0])
        emit_text(j, "phase", r->phase);
    if (r->input[0])
        emit_text(j, "input", r->input);
    if (r->batch)
        emit_int(j, "batch", r->batch);
    emit_text(j, "device", b->app->info.name);
    if (r->kind == BENCH_LATENCY)
        emit_text(j, "backend", r->on_host ? "host" : app_platform_name(&b->app->info));
    if (r->precision[0])
        emit_text(j, "precision", r->precision);
    emit_text(j, "unit", r->unit);
    const struct {
        const char *name;
        double value;
    } reals[] = {{"median", r->median},
                 {"min", r->min},
                 {"max", r->max},
                 {"p95", r->p95},
                 {"p99", r->p99},
                 {"seconds", r->seconds},
                 {"flops", r->flops},
                 {"bytes", r->bytes},
                 {"roofline_fraction", r->roofline_fraction},
                 {"launch_fraction", r->launch_fraction},
                 {"speedup", r->speedup},
                 {"first_step_s", r->first_step},
                 {"planned_bytes", r->planned_bytes},
                 {"allocated_bytes", r->allocated_bytes},
                 {"resident_bytes", r->resident_bytes},
                 {"joules_per_1000_images", r->joules},
                 {"relative_error", r->relative_error},
                 {"verify_seconds", r->verify_seconds},
                 {"accuracy", r->convergence.accuracy},
                 {"accuracy_standard_error", r->convergence.standard_error},
                 {"loss", r->convergence.loss},
                 {"target_accuracy", r->convergence.target_accuracy},
                 {"target_steps", r->convergence.target_steps}};
    for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++)
        if (isfinite(reals[i].value))
            emit_double(j, reals[i].name, reals[i].value);
    if (r->convergence.steps)
        emit_int(j, "steps", r->convergence.steps);
    if (r->launches)
        emit_int(j, "launches", r->launches);
    if (r->bound[0])
        emit_text(j, "bound", r->bound);
    if (r->kernels[0])
        emit_text(j, "kernels", r->kernels);
    emit_bool(j, "passed", !r->error[0]);
    if (r->error[0])
        emit_text(j, "error", r->error);
    emit_int(j, "samples", r->count);
    emit_list(j, "values");
    for (int i = 0; i < r->count; i++)
        emit_double(j, NULL, r->values[i]);
    emit_end(j);
    emit_end(j);
}

void bench_write_json(const struct bench *b, FILE *out)
{
    struct json j = {.out = out};
    struct weft_dataset_info info;
    char text[20];
    app_json_begin(b->app, &j, "weft.bench/2");
    provenance_write_json(&j);
    if (b->app->device) {
        hash_tuning(b, text);
        emit_text(&j, "tuning", text);
    }
    if (b->data) {
        weft_dataset_info(b->data, &info);
        emit_text(&j, "data", info.source);
    }
    if (b->error[0])
        emit_text(&j, "error", b->error);
    if (b->probes)
        write_roofline(b, &j);
    emit_list(&j, "rows");
    for (int i = 0; i < b->row_count; i++)
        write_row(b, &j, &b->rows[i]);
    emit_end(&j);
    emit_end(&j);
}

char *bench_json_text(const struct bench *b, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (out)
        bench_write_json(b, out);
    if (!out || fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

enum app_exit bench_save_json(const struct bench *b)
{
    size_t size;
    const char *path = b->options->json;
    if (!path)
        return APP_OK;
    char *text = bench_json_text(b, &size);
    bool done = text && paths_write(path, text, size);
    int why = errno;
    free(text);
    if (done)
        app_print_written(path);
    return done ? APP_OK
                : app_error(b->app, APP_FAILED, "%s cannot be written: %s", path,
                            strerror(why));
}
