/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the doctor's probes: findings, and files below the root. */
#define _GNU_SOURCE
#include "devices/doctor.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 20 };

void doctor_add_finding(struct doctor *d, enum doctor_severity severity,
                        const char *subject, const char *fix, const char *format, ...)
{
    if (d->count == DOCTOR_MAX_FINDINGS)
        return;
    struct doctor_finding *f = &d->findings[d->count++];
    va_list args;
    f->severity = severity;
    f->area = d->area;
    snprintf(f->subject, sizeof(f->subject), "%s", subject);
    snprintf(f->fix, sizeof(f->fix), "%s", fix);
    va_start(args, format);
    vsnprintf(f->message, sizeof(f->message), format, args);
    va_end(args);
}

bool doctor_resolve_path(const struct doctor *d, const char *path, char out[PATHS_MAX])
{
    return *d->root ? paths_join(out, d->root, path + 1)
                    : snprintf(out, PATHS_MAX, "%s", path) < PATHS_MAX;
}

bool doctor_path_exists(const struct doctor *d, const char *path)
{
    char full[PATHS_MAX];
    return doctor_resolve_path(d, path, full) && paths_exists(full);
}

char *doctor_read_file(const struct doctor *d, const char *path)
{
    char full[PATHS_MAX];
    size_t size;
    return doctor_resolve_path(d, path, full)
               ? paths_read_file(full, MAX_TEXT, &size, NULL)
               : NULL;
}

int doctor_list_folder(const struct doctor *d, const char *folder, const char *begin,
                       char ***names)
{
    char full[PATHS_MAX];
    struct dirent **entries;
    int found = doctor_resolve_path(d, folder, full)
                    ? scandir(full, &entries, NULL, alphasort)
                    : -1,
        count = 0;
    *names =
        term_realloc_or_exit(NULL, (size_t)(found > 0 ? found : 1) * sizeof(**names));
    for (int i = 0; i < found; i++) {
        const char *name = entries[i]->d_name;
        if (*name != '.' && !strncmp(name, begin, strlen(begin))) {
            size_t size = strlen(name) + 1;
            (*names)[count++] = memcpy(term_realloc_or_exit(NULL, size), name, size);
        }
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
    return count;
}

void doctor_list_free(char **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

bool doctor_explains(const struct doctor *d, const char *diagnostic)
{
    for (int i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        size_t length = strlen(f->subject);
        if (f->severity == DOCTOR_ERROR && length &&
            !strncmp(diagnostic, f->subject, length))
            return true;
    }
    return false;
}

void doctor_format_finding(const struct doctor_finding *f, char out[1024])
{
    snprintf(out, 1024, "%s%s%s", f->message, *f->fix ? ": " : "", f->fix);
}
