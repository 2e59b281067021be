/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor: runs its probes and prints the findings. */
#include "devices/doctor.h"

#include <string.h>

static const struct {
    const char *area;
    void (*run)(struct doctor *doctor);
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
        probes[i].run(d);
    }
}

static const struct {
    const char *name, *mark;
    enum term_style style;
} severities[] = {[DOCTOR_OK] = {"ok", "ok", TERM_GOOD},
                  [DOCTOR_INFO] = {"info", "- ", TERM_DIM},
                  [DOCTOR_ERROR] = {"error", "! ", TERM_WARN}};

static void print_text(const struct doctor *d)
{
    FILE *out = stdout;
    const char *area = "";
    char text[1024];
    for (int i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        doctor_format_finding(f, text);
        fprintf(out, "%s%-8s%s  %s%s%s ", term_style_begin(out, TERM_BOLD),
                strcmp(area, f->area) ? f->area : "", term_style_end(out),
                term_style_begin(out, severities[f->severity].style),
                severities[f->severity].mark, term_style_end(out));
        term_wrap(out, text, 13, 13, term_prose_limit(out));
        area = f->area;
    }
}

static const struct table_column columns[] = {
    {.key = "area", .title = "Area", .left = true},
    {.key = "severity", .title = "Severity", .left = true},
    {.key = "subject", .left = true},
    {.key = "message", .title = "Finding", .left = true},
    {.key = "fix", .title = "Fix", .left = true},
};

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
        table_text(&t, severities[d->findings[i].severity].name);
        table_text(&t, d->findings[i].subject);
        table_text(&t, d->findings[i].message);
        table_text(&t, d->findings[i].fix);
    }
    table_write(&t);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.doctor/2");
        table_json(&t, &j, "findings");
        emit_end(&j);
    }
    table_free(&t);
    return app_flush_stdout(app);
}
