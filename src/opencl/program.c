/* SPDX-License-Identifier: Apache-2.0 */
/* Programs: built once a device for each source and options, from the cache on disk where
 * it has them. */
#include "runtime.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ocl_program {
    struct ocl_program *next;
    const struct ocl_source *source;
    cl_program program;
    bool from_cache;
    char options[]; /* as the driver got them */
};

/* mad allowed, nothing else is: NaN stays visible, divisions and zeros stay exact. No
 * warnings: PoCL counts them on the user's stderr, and the lint test shows them. */
#define COMMON_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -w"

static const struct ocl_source *source_of(const char *name)
{
    for (size_t i = 0; i < ocl_source_count; i++)
        if (!strcmp(ocl_sources[i].name, name))
            return &ocl_sources[i];
    return NULL;
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

static enum weft_status build_from_source(struct ocl_device *d, struct ocl_program *p)
{
    weft_context *ctx = d->base.context;
    const char *text = (const char *)p->source->text;
    cl_int error;
    p->from_cache = false;
    p->program =
        clCreateProgramWithSource(d->context, 1, &text, &p->source->bytes, &error);
    WEFT_TRY(ocl_check(ctx, error, p->source->name));
    error = clBuildProgram(p->program, 1, &d->id, p->options, NULL, NULL);
    if (!error)
        return WEFT_OK;
    char *log = build_log(d, p->program);
    enum weft_status status = weft_fail(
        ctx, WEFT_ERR_BUILD,
        "opencl: %s does not build on %s (driver %s): %s, with options %s\n%s",
        p->source->name, d->base.info.name, d->base.info.driver, ocl_error_name(error),
        p->options, log ? log : "(the driver says no more)");
    free(log);
    clReleaseProgram(p->program); /* so that who asks again is told the same */
    p->program = NULL;
    return status;
}

/* False: there is no entry, it is damaged, or the driver refuses it. */
static bool build_from_cache(struct ocl_device *d, struct ocl_program *p,
                             const uint8_t key[OCL_KEY_BYTES])
{
    size_t bytes;
    unsigned char *binary = ocl_cache_read(d->cache_dir, key, &bytes);
    if (!binary)
        return false;
    cl_int refused = CL_SUCCESS, error;
    p->program = clCreateProgramWithBinary(
        d->context, 1, &d->id, &bytes, (const unsigned char **)&binary, &refused, &error);
    free(binary);
    if (!error)
        error = refused;
    if (!error)
        error = clBuildProgram(p->program, 1, &d->id, p->options, NULL, NULL);
    p->from_cache = !error;
    if (error && p->program) {
        clReleaseProgram(p->program);
        p->program = NULL;
    }
    return !error;
}

static void store(struct ocl_device *d, const struct ocl_program *p,
                  const uint8_t key[OCL_KEY_BYTES])
{
    size_t bytes = 0;
    unsigned char *binary = NULL;
    if (clGetProgramInfo(p->program, CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes,
                         NULL) ||
        !bytes || !(binary = malloc(bytes)))
        return;
    if (!clGetProgramInfo(p->program, CL_PROGRAM_BINARIES, sizeof(binary), &binary, NULL))
        ocl_cache_write(d->cache_dir, key, binary, bytes);
    free(binary);
}

static enum weft_status build(struct ocl_device *d, struct ocl_program *p, bool use_cache)
{
    uint8_t key[OCL_KEY_BYTES];
    if (d->cache_dir)
        ocl_cache_key(d, p->source->text, p->source->bytes, p->options, key);
    if (d->cache_dir && use_cache && build_from_cache(d, p, key)) {
        weft_say(d->base.context, WEFT_LOG_DEBUG, "opencl: %s from the cache, %s",
                 p->source->name, p->options);
        return WEFT_OK;
    }
    WEFT_TRY(build_from_source(d, p));
    weft_say(d->base.context, WEFT_LOG_DEBUG, "opencl: %s built, %s", p->source->name,
             p->options);
    if (d->cache_dir)
        store(d, p, key);
    return WEFT_OK;
}

/* The program of this source and these options; a new one is still to be built. */
static enum weft_status entry_of(struct ocl_device *d, const char *name,
                                 const char *options, struct ocl_program **out)
{
    static const char *const format = COMMON_OPTIONS " -DDEVICE_CPU=%d%s%s %s";
    const char *space = d->build_options[0] ? " " : "";
    const struct ocl_source *source = source_of(name);
    if (!source)
        return weft_fail(d->base.context, WEFT_ERR_BUILD,
                         "opencl: %s is not among the kernels of this build", name);
    int length = snprintf(NULL, 0, format, d->is_cpu, space, d->build_options, options);
    struct ocl_program *p = calloc(1, sizeof(*p) + (size_t)length + 1);
    if (!p)
        return weft_out_of_memory(d->base.context, "opencl: program", (size_t)length);
    p->source = source;
    snprintf(p->options, (size_t)length + 1, format, d->is_cpu, space, d->build_options,
             options);
    for (*out = d->programs; *out; *out = (*out)->next)
        if ((*out)->source == source && !strcmp((*out)->options, p->options)) {
            free(p);
            return WEFT_OK;
        }
    p->next = d->programs;
    *out = d->programs = p;
    return WEFT_OK;
}

enum weft_status ocl_program_kernel(struct ocl_device *d, const char *source,
                                    const char *kernel, const char *options,
                                    cl_kernel *out)
{
    struct ocl_program *p = NULL;
    cl_int error;
    WEFT_TRY(entry_of(d, source, options ? options : "", &p));
    if (!p->program)
        WEFT_TRY(build(d, p, true));
    *out = clCreateKernel(p->program, kernel, &error);
    if (error && p->from_cache) {
        clReleaseProgram(p->program);
        p->program = NULL;
        WEFT_TRY(build(d, p, false));
        *out = clCreateKernel(p->program, kernel, &error);
    }
    if (!error)
        return WEFT_OK;
    *out = NULL;
    return weft_fail(d->base.context, WEFT_ERR_BUILD,
                     "opencl: no kernel %s in %s as built on %s with options %s: %s",
                     kernel, source, d->base.info.name, p->options,
                     ocl_error_name(error));
}

void ocl_programs_destroy(struct ocl_device *d)
{
    while (d->programs) {
        struct ocl_program *p = d->programs;
        d->programs = p->next;
        if (p->program)
            clReleaseProgram(p->program);
        free(p);
    }
}
