/* SPDX-License-Identifier: Apache-2.0 */
/* Several kernels, or one with several options, as the text of one program. Drivers that
 * parse the declarations of all builtins for every program (PoCL 3.1: 40 ms for cached
 * programs, 250 otherwise) then do so once.
 *
 * Each entry is its source between macros: options become definitions, declarations at
 * file scope get the number of the entry as a suffix, and all macros are undefined at the
 * end. */
#define _POSIX_C_SOURCE 200809L
#include "opencl/runtime/program_bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "-DNAME=VALUE -DNAME=VALUE" as directives: `define` or else `undef`. */
static void write_options(FILE *to, const char *options, bool define)
{
    for (const char *at = options; (at = strstr(at, "-D")); at++) {
        int name = (int)strcspn(at + 2, "= "), all = (int)strcspn(at + 2, " ");
        const char *value = at[2 + name] == '=' ? at + 3 + name : "1";
        if (define)
            fprintf(to, "#define %.*s %.*s\n", name, at + 2,
                    at[2 + name] == '=' ? all - name - 1 : 1, value);
        else
            fprintf(to, "#undef %.*s\n", name, at + 2);
    }
}

static void write_entry(FILE *to, const struct ocl_bundle_entry *entry, int number)
{
    const char *const *name;
    write_options(to, entry->options, true);
    for (name = entry->source->names; **name; name++)
        fprintf(to, "#define %s %s_%d\n", *name, *name, number);
    fwrite(entry->source->text, 1, entry->source->bytes, to);
    for (name = entry->source->names; **name; name++)
        fprintf(to, "#undef %s\n", *name);
    for (name = entry->source->macros; **name; name++)
        fprintf(to, "#undef %s\n", *name);
    write_options(to, entry->options, false);
}

char *ocl_bundle_sources(const struct ocl_bundle_entry *entries, int count, size_t *bytes)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, bytes);
    if (!to)
        return NULL;
    for (int i = 0; i < count; i++)
        write_entry(to, &entries[i], i);
    bool bad = ferror(to);
    if (fclose(to) || bad) {
        free(text);
        return NULL;
    }
    return text;
}
