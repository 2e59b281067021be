/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the kernels' sources becomes another, in every program that has it. The
 * directives #line, which the sources have for the compilers' messages, tell where. */
#define _POSIX_C_SOURCE 200809L
#include "layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_icd_dispatch next;
static struct {
    char file[64];
    int line;
    const char *text;
} mutant;

/* "#line 12 "act.cl"" */
static bool read_directive(const char *line, int *number, char file[64])
{
    return sscanf(line, "#line %d \"%63[^\"]\"", number, file) == 2;
}

/* The text with its line exchanged, to be freed; NULL: it has no such line. */
static char *mutate(const char *text, size_t bytes, size_t *told)
{
    char *out = NULL, file[64] = "";
    int number = 0, planted = 0;
    FILE *to = open_memstream(&out, told);
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
            fprintf(to, "%s\n", mutant.text);
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

static cl_program CL_API_CALL with_source(cl_context context, cl_uint count,
                                          const char **texts, const size_t *sizes,
                                          cl_int *error)
{
    size_t bytes = count == 1 ? (sizes && sizes[0] ? sizes[0] : strlen(texts[0])) : 0;
    char *other = mutate(texts[0], bytes, &bytes);
    if (!other)
        return next.clCreateProgramWithSource(context, count, texts, sizes, error);
    layer_tell();
    const char *to = other;
    cl_program program = next.clCreateProgramWithSource(context, 1, &to, &bytes, error);
    free(other);
    return program;
}

void layer_mutant(cl_icd_dispatch *table, const char *word)
{
    int used = 0;
    if (sscanf(word, "%63[^:]:%d:%n", mutant.file, &mutant.line, &used) != 2 || !used)
        layer_refuse("no FILE:LINE:TEXT", word);
    mutant.text = word + used;
    next = *table;
    table->clCreateProgramWithSource = with_source;
}
