/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces one line of the sources of kernels in every program that compiles it. The
 * line is found by the #line directives of the sources. */
#define _POSIX_C_SOURCE 200809L
#include "opencl_layer/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_icd_dispatch next;
static struct {
    char file[64];
    int line;
    const char *text;
} mutant;

/* The replacement of the requested program; `trial` has an #error at the line,
 * and builds only where the line is left out. */
struct pair {
    cl_program right, trial, wrong;
    bool is_wrong;
};
enum { MAX_PAIRS = 16384 };
static struct pair *pairs;
static size_t pair_count;

/* "#line 12 "act.cl"" */
static bool read_directive(const char *line, int *number, char file[64])
{
    return sscanf(line, "#line %d \"%63[^\"]\"", number, file) == 2;
}

/* The text with its line exchanged, to be freed; NULL: it has no such line. */
static char *mutate(const char *text, size_t bytes, const char *instead, size_t *size_ret)
{
    char *out = NULL, file[64] = "";
    int number = 0, planted = 0;
    FILE *to = open_memstream(&out, size_ret);
    for (const char *at = text, *end = text + bytes; to && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop + 1 : end;
        char head[96] = "";
        size_t length = (size_t)(stop - at);
        memcpy(head, at, length < sizeof(head) ? length : sizeof(head) - 1);
        bool is_here = number == mutant.line && !strcmp(file, mutant.file);
        if (read_directive(head, &number, file))
            number--;
        else if (is_here)
            planted++;
        if (is_here)
            fprintf(to, "%s\n", instead);
        else
            fwrite(at, 1, length, to);
        number++;
        at = stop;
    }
    if (!to || fclose(to) || !planted) {
        free(out);
        return NULL;
    }
    return out;
}

static cl_program mutated(cl_context context, const char *text, size_t bytes,
                          const char *instead)
{
    cl_int error;
    char *other = mutate(text, bytes, instead, &bytes);
    const char *to = other;
    cl_program program =
        other ? next.clCreateProgramWithSource(context, 1, &to, &bytes, &error) : NULL;
    free(other);
    return program;
}

static cl_program CL_API_CALL with_source(cl_context context, cl_uint count,
                                          const char **texts, const size_t *sizes,
                                          cl_int *error)
{
    size_t bytes = sizes && sizes[0] ? sizes[0] : strlen(texts[0]);
    cl_program program =
        next.clCreateProgramWithSource(context, count, texts, sizes, error);
    if (!pairs)
        pairs = calloc(MAX_PAIRS, sizeof(*pairs));
    /* A handle may come again. */
    for (size_t i = 0; i < pair_count; i++)
        if (pairs[i].right == program)
            pairs[i].right = NULL;
    if (!program || count != 1 || !pairs || pair_count == MAX_PAIRS)
        return program;
    struct pair *p = &pairs[pair_count];
    *p = (struct pair){.right = program,
                       .trial = mutated(context, texts[0], bytes, "#error compiled"),
                       .wrong = mutated(context, texts[0], bytes, mutant.text)};
    pair_count += p->trial && p->wrong;
    return program;
}

static struct pair *find_pair(cl_program program)
{
    for (size_t i = 0; i < pair_count; i++)
        if (pairs[i].right == program)
            return &pairs[i];
    return NULL;
}

static cl_program replace_program(cl_program program)
{
    struct pair *p = find_pair(program);
    return p && p->is_wrong ? p->wrong : program;
}

/* True for several sources as one program, whose names have the numbers of the sources:
 * "#define act_forward act_forward_0". */
static bool is_bundle(cl_program program)
{
    size_t bytes = 0;
    char *text = NULL, name[64], numbered[72];
    bool found = false;
    if (!next.clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &bytes))
        text = calloc(1, bytes + 1);
    if (text)
        next.clGetProgramInfo(program, CL_PROGRAM_SOURCE, bytes, text, NULL);
    for (const char *at = text; at && !found; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (*at != '#')
            break;
        if (sscanf(at, "#define %63s %71s", name, numbered) == 2) {
            size_t length = strlen(name);
            found = !strncmp(name, numbered, length) && !strcmp(numbered + length, "_0");
        }
    }
    free(text);
    return found;
}

static cl_int CL_API_CALL build(cl_program program, cl_uint count,
                                const cl_device_id *ids, const char *options,
                                void(CL_CALLBACK *done)(cl_program, void *), void *data)
{
    struct pair *p = find_pair(program);
    /* Sources alone: those without the line are in the driver's cache. */
    if (is_bundle(program))
        return CL_BUILD_PROGRAM_FAILURE;
    if (p && next.clBuildProgram(p->trial, count, ids, options, NULL, NULL)) {
        layer_report_triggered();
        p->is_wrong = true;
    }
    return next.clBuildProgram(replace_program(program), count, ids, options, done, data);
}

static cl_int CL_API_CALL build_info(cl_program program, cl_device_id id,
                                     cl_program_build_info what, size_t size, void *value,
                                     size_t *size_ret)
{
    return next.clGetProgramBuildInfo(replace_program(program), id, what, size, value,
                                      size_ret);
}

static cl_kernel CL_API_CALL create_kernel(cl_program program, const char *name,
                                           cl_int *error)
{
    return next.clCreateKernel(replace_program(program), name, error);
}

void layer_mutant(cl_icd_dispatch *table, const char *word)
{
    int used = 0;
    if (sscanf(word, "%63[^:]:%d:%n", mutant.file, &mutant.line, &used) != 2 || !used)
        layer_exit_with_error("no FILE:LINE:TEXT", word);
    mutant.text = word + used;
    next = *table;
    table->clCreateProgramWithSource = with_source;
    table->clBuildProgram = build;
    table->clGetProgramBuildInfo = build_info;
    table->clCreateKernel = create_kernel;
}
