/* SPDX-License-Identifier: Apache-2.0 */
/* Programs: a source with its options is built once for each device, or taken from the
 * cache on disk; those that a list requests together are built as one. */
#include "opencl/runtime/program.h"
#include "opencl/runtime/program_bundle.h"
#include "opencl/runtime/quirk.h"

#include "util/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ocl_program {
    struct ocl_program *next;
    const struct ocl_source *source;
    cl_program program; /* NULL: not built yet */
    int bundle_index;   /* suffix of its kernels in a program of several; -1: alone */
    bool from_cache;
    bool unsaved; /* built, with the key that follows, and not in the cache yet */
    uint8_t key[OCL_KEY_BYTES];
    bool requested; /* by a list that is not finalized yet */
    char options[];
};

/* Fused multiply-adds and no other relaxation: NaN propagates, divisions and zeros stay
 * exact. Warnings are off: PoCL reports their number on stderr, and the lint test shows
 * them. */
#define COMMON_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -w"

static const struct ocl_source *source_of(const char *name)
{
    for (size_t i = 0; i < ocl_source_count; i++)
        if (!strcmp(ocl_sources[i].name, name))
            return &ocl_sources[i];
    return NULL;
}

uint64_t ocl_source_hash(const char *name)
{
    const struct ocl_source *source = source_of(name);
    return source ? source->hash : 0;
}

uint64_t ocl_program_hash(const struct ocl_program *p)
{
    return weft_hash_add(p->source->hash, p->options);
}

/* The driver's messages, to be freed; NULL if there are none. */
static char *build_log(const struct ocl_device *d, cl_program program)
{
    size_t bytes = 0;
    char *log = NULL;
    if (clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes) ||
        bytes < 2 || !(log = calloc(1, bytes + 1)))
        return NULL;
    if (clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL)) {
        free(log);
        return NULL;
    }
    return log;
}

/* A build. */
struct build {
    weft_context *context; /* for error messages; NULL: none */
    const char *name;
    const char *text, *options;
    size_t bytes;
    cl_program program;
    bool from_cache;
    uint8_t key[OCL_KEY_BYTES]; /* of a device with a cache */
};

static enum weft_status build_from_source(struct ocl_device *d, struct build *b)
{
    weft_context *ctx = b->context;
    cl_int error;
    b->from_cache = false;
    b->program = clCreateProgramWithSource(d->context, 1, &b->text, &b->bytes, &error);
    WEFT_TRY(ocl_check(ctx, error, b->name));
    error = clBuildProgram(b->program, 1, &d->id, b->options, NULL, NULL);
    if (!error)
        return WEFT_OK;
    char *log = error == CL_OUT_OF_HOST_MEMORY ? NULL : build_log(d, b->program);
    enum weft_status status =
        error == CL_OUT_OF_HOST_MEMORY /* no refusal: the next time it may build */
            ? ocl_check(ctx, error, b->name)
            : weft_fail(
                  ctx, WEFT_ERR_BUILD,
                  "opencl: %s does not build on %s (driver %s): %s, with options %s\n%s",
                  b->name, d->base.info.name, d->base.info.driver, ocl_error_name(error),
                  b->options, log ? log : "(no message from the driver)");
    free(log);
    clReleaseProgram(b->program); /* so that the next attempt reports the same */
    b->program = NULL;
    return status;
}

/* False: there is no entry, it is damaged, or the driver refuses it. */
static bool build_from_cache(struct ocl_device *d, struct build *b)
{
    size_t bytes;
    unsigned char *binary = ocl_cache_read(d->cache_dir, b->key, &bytes);
    if (!binary)
        return false;
    cl_int refused = CL_SUCCESS, error;
    b->program = clCreateProgramWithBinary(
        d->context, 1, &d->id, &bytes, (const unsigned char **)&binary, &refused, &error);
    free(binary);
    if (!error)
        error = refused;
    if (!error)
        error = clBuildProgram(b->program, 1, &d->id, b->options, NULL, NULL);
    b->from_cache = !error;
    d->cache_hits += !error;
    if (error && b->program) {
        clReleaseProgram(b->program);
        b->program = NULL;
    }
    return !error;
}

static enum weft_status build(struct ocl_device *d, struct build *b, bool use_cache)
{
    d->builds++;
    if (d->cache_dir)
        ocl_cache_key(d, b->text, b->bytes, b->options, b->key);
    if (d->cache_dir && use_cache && build_from_cache(d, b))
        return WEFT_OK;
    return build_from_source(d, b);
}

static void save(struct ocl_device *d, struct ocl_program *p)
{
    size_t bytes = 0;
    unsigned char *binary = NULL;
    p->unsaved = false;
    if (clGetProgramInfo(p->program, CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes,
                         NULL) ||
        !bytes || !(binary = malloc(bytes)))
        return;
    if (!clGetProgramInfo(p->program, CL_PROGRAM_BINARIES, sizeof(binary), &binary, NULL))
        ocl_cache_write(d->cache_dir, p->key, binary, bytes);
    free(binary);
}

void ocl_programs_save(struct ocl_device *d)
{
    for (struct ocl_program *p = d->programs; p; p = p->next)
        if (p->unsaved)
            save(d, p);
}

/* Takes over b's reference to the program. */
static void attach_build(struct ocl_device *d, struct ocl_program *p,
                         const struct build *b, int bundle_index)
{
    p->program = b->program;
    p->from_cache = b->from_cache;
    p->unsaved = d->cache_dir && !b->from_cache && bundle_index <= 0;
    memcpy(p->key, b->key, sizeof(p->key));
    p->bundle_index = bundle_index;
    weft_log_message(d->base.context, WEFT_LOG_DEBUG,
                     "opencl: %s %s, " COMMON_OPTIONS " %s %s", p->source->name,
                     b->from_cache ? "from the cache" : "built", d->build_options,
                     p->options);
}

static enum weft_status build_alone(struct ocl_device *d, struct ocl_program *p,
                                    bool use_cache)
{
    const char *const format = COMMON_OPTIONS " %s %s";
    int length = snprintf(NULL, 0, format, d->build_options, p->options);
    char *options = malloc((size_t)length + 1);
    if (!options)
        return weft_out_of_memory(d->base.context, "opencl: program", (size_t)length);
    snprintf(options, (size_t)length + 1, format, d->build_options, p->options);
    struct build b = {.context = d->base.context,
                      .name = p->source->name,
                      .text = (const char *)p->source->text,
                      .bytes = p->source->bytes,
                      .options = options};
    enum weft_status status = build(d, &b, use_cache);
    if (!status)
        attach_build(d, p, &b, -1);
    free(options);
    return status;
}

enum weft_status ocl_program_request(struct ocl_device *d, const char *name,
                                     const char *options, struct ocl_program **out)
{
    static const char *const format = "-DDEVICE_CPU=%d %s";
    const struct ocl_source *source = source_of(name);
    if (!source)
        return weft_fail(d->base.context, WEFT_ERR_BUILD,
                         "opencl: %s is not among the kernels of this build", name);
    int length = snprintf(NULL, 0, format, d->is_cpu, options);
    struct ocl_program *p = calloc(1, sizeof(*p) + (size_t)length + 1);
    struct ocl_program **end = &d->programs;
    if (!p)
        return weft_out_of_memory(d->base.context, "opencl: program", (size_t)length);
    p->source = source;
    snprintf(p->options, (size_t)length + 1, format, d->is_cpu, options);
    while (*end && ((*end)->source != source || strcmp((*end)->options, p->options) != 0))
        end = &(*end)->next;
    if (*end)
        free(p);
    else
        *end = p;
    *out = *end;
    (*out)->requested = !(*out)->program;
    return WEFT_OK;
}

/* Builds all requested programs as one. Those of a bundle that does not build, for any
 * reason, are built when their kernels are made. */
static void build_bundle(struct ocl_device *d, struct ocl_program *const *requested,
                         const struct ocl_bundle_entry *entries, int count)
{
    char options[256];
    struct build b = {.name = "kernels as one program", .options = options};
    int length =
        snprintf(options, sizeof(options), COMMON_OPTIONS " %s", d->build_options);
    char *text = ocl_bundle_sources(entries, count, &b.bytes);
    b.text = text;
    bool good = text && length < (int)sizeof(options) && !build(d, &b, true);
    free(text);
    if (good)
        weft_log_message(d->base.context, WEFT_LOG_DEBUG,
                         "opencl: %d kernels as one program", count);
    else
        weft_log_message(d->base.context, WEFT_LOG_WARN,
                         "%d kernels do not build as one program on %s (driver %s), so "
                         "each is built alone, which takes longer",
                         count, d->base.info.name, d->base.info.driver);
    for (int i = 0; good && i < count; i++) {
        if (i)
            clRetainProgram(b.program);
        attach_build(d, requested[i], &b, i);
    }
}

enum weft_status ocl_programs_build(struct ocl_device *d)
{
    int count = 0, n = 0;
    for (struct ocl_program *p = d->programs; p; p = p->next)
        count += p->requested;
    struct ocl_program **requested = calloc((size_t)count + 1, sizeof(*requested));
    struct ocl_bundle_entry *entries = calloc((size_t)count + 1, sizeof(*entries));
    enum weft_status status = WEFT_OK;
    if (!requested || !entries) {
        status = weft_out_of_memory(d->base.context, "opencl: programs",
                                    (size_t)count * sizeof(*entries));
        goto done;
    }
    for (struct ocl_program *p = d->programs; p; p = p->next)
        if (p->requested) {
            entries[n] = (struct ocl_bundle_entry){p->source, p->options};
            requested[n++] = p;
            p->requested = false;
        }
    if (count > 1)
        build_bundle(d, requested, entries, count);
done:
    free(requested);
    free(entries);
    return status;
}

static cl_kernel make_kernel(const struct ocl_program *p, const char *name, cl_int *error)
{
    char numbered[128];
    int length = snprintf(numbered, sizeof(numbered),
                          p->bundle_index < 0 ? "%s" : "%s_%d", name, p->bundle_index);
    *error = CL_INVALID_KERNEL_NAME;
    return length < (int)sizeof(numbered) ? clCreateKernel(p->program, numbered, error)
                                          : NULL;
}

enum weft_status ocl_program_kernel(struct ocl_device *d, struct ocl_program *p,
                                    const char *kernel, cl_kernel *out)
{
    cl_int error;
    if (!p->program)
        WEFT_TRY(build_alone(d, p, true));
    *out = make_kernel(p, kernel, &error);
    if (error && p->from_cache) {
        clReleaseProgram(p->program);
        p->program = NULL;
        WEFT_TRY(build_alone(d, p, false));
        *out = make_kernel(p, kernel, &error);
    }
    if (!error)
        return WEFT_OK;
    *out = NULL;
    return weft_fail(d->base.context, WEFT_ERR_BUILD,
                     "opencl: no kernel %s in %s as built on %s with options %s: %s",
                     kernel, p->source->name, d->base.info.name, p->options,
                     ocl_error_name(error));
}

static void log_cache(const struct ocl_device *d)
{
    if (d->builds && d->cache_dir)
        weft_log_message(d->base.context, WEFT_LOG_INFO,
                         "opencl: %d of %d programs were in the cache, %s", d->cache_hits,
                         d->builds, d->cache_dir);
    else if (d->builds)
        weft_log_message(
            d->base.context, WEFT_LOG_INFO, "opencl: %d programs; %s", d->builds,
            d->quirks & OCL_QUIRK_HAS_OWN_CACHE ? "the driver has a cache of its own"
                                                : "they are not cached");
}

void ocl_programs_destroy(struct ocl_device *d)
{
    log_cache(d);
    while (d->programs) {
        struct ocl_program *p = d->programs;
        d->programs = p->next;
        if (p->program)
            clReleaseProgram(p->program);
        free(p);
    }
}
