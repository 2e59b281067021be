/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor: its probes, what they share, and telling what they found. */
#define _GNU_SOURCE
#include "devices/doctor.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 20, MAX_WIDTH = 100 };

static const struct {
    const char *area;
    void (*look)(struct doctor *doctor);
} probes[] = {
    {"Loader", doctor_check_loader},      {"Settings", doctor_check_environment},
    {"Drivers", doctor_check_drivers},    {"GPUs", doctor_check_pci},
    {"Files", doctor_check_device_files}, {"System", doctor_check_system},
};

void doctor_run(struct doctor *d, const weft_context *context, const char *root)
{
    d->root = root ? root : "";
    d->context = context;
    d->count = 0;
    for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
        d->area = probes[i].area;
        probes[i].look(d);
    }
}

void doctor_add_finding(struct doctor *d, enum doctor_severity severity,
                        const char *about, const char *fix, const char *format, ...)
{
    if (d->count == DOCTOR_MAX_FINDINGS)
        return;
    struct doctor_finding *f = &d->findings[d->count++];
    va_list args;
    f->severity = severity;
    f->area = d->area;
    snprintf(f->about, sizeof(f->about), "%s", about);
    snprintf(f->fix, sizeof(f->fix), "%s", fix);
    va_start(args, format);
    vsnprintf(f->what, sizeof(f->what), format, args);
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
    return doctor_resolve_path(d, path, full) ? paths_read_file(full, MAX_TEXT, &size)
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

bool doctor_explains(const struct doctor *d, const char *note)
{
    for (int i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        size_t length = strlen(f->about);
        if (f->severity == DOCTOR_ERROR && length && !strncmp(note, f->about, length))
            return true;
    }
    return false;
}

void doctor_format_finding(const struct doctor_finding *f, char out[1024])
{
    snprintf(out, 1024, "%s%s%s", f->what, *f->fix ? ": " : "", f->fix);
}

static const struct {
    const char *name, *mark;
    enum term_style style;
} grades[] = {[DOCTOR_OK] = {"fine", "ok", TERM_GOOD},
              [DOCTOR_INFO] = {"told", "- ", TERM_DIM},
              [DOCTOR_ERROR] = {"wrong", "! ", TERM_WARN}};

static void print_text(const struct doctor *d)
{
    FILE *out = stdout;
    int width = term_width(out) < MAX_WIDTH ? term_width(out) : MAX_WIDTH;
    const char *area = "";
    char text[1024];
    for (int i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        doctor_format_finding(f, text);
        fprintf(out, "%s%-8s%s  %s%s%s ", term_style_begin(out, TERM_BOLD),
                strcmp(area, f->area) ? f->area : "", term_style_end(out),
                term_style_begin(out, grades[f->severity].style),
                grades[f->severity].mark, term_style_end(out));
        term_wrap(out, text, 13, 13, width);
        area = f->area;
    }
}

static const struct table_column columns[] = {{"area", "Area", true, 0},
                                              {"grade", "Grade", true, 0},
                                              {"about", NULL, true, 0},
                                              {"what", "What", true, 0},
                                              {"fix", "Mend", true, 0}};

enum app_exit doctor_print(struct app *app, const struct doctor *d)
{
    enum table_format format = (enum table_format)app->options->format;
    struct table t;
    if (format == TABLE_HUMAN) {
        print_text(d);
        return app_flush_stdout(app);
    }
    table_init(&t, stdout, format, columns, sizeof(columns) / sizeof(*columns), false);
    for (int i = 0; i < d->count; i++) {
        table_text(&t, d->findings[i].area);
        table_text(&t, grades[d->findings[i].severity].name);
        table_text(&t, d->findings[i].about);
        table_text(&t, d->findings[i].what);
        table_text(&t, d->findings[i].fix);
    }
    table_write(&t);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.doctor/1");
        table_json(&t, &j, "findings");
        emit_end(&j);
    }
    table_free(&t);
    return app_flush_stdout(app);
}
