/* SPDX-License-Identifier: Apache-2.0 */
/* weft devices: lists devices, the default one, and diagnostics. */
#include "devices/devices.h"
#include "devices/doctor.h"

#include "core/driver_smoke_test.h"
#include "core/plain_text.h"

#include <stdlib.h>
#include <string.h>

struct devices_options {
    struct app_options app;
    bool test, internal_test, doctor;
    double time_limit;
    const char *root;
};

static const struct args_option options[] = {
    {.name = "device",
     .letter = 'd',
     .kind = ARGS_TEXT,
     .offset = offsetof(struct devices_options, app.device),
     .value = "DEV",
     .help = "mark the device of this selector instead of the default"},
    {.name = "test",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct devices_options, test),
     .help =
         "compare a convolution and a matrix product with the host backend on each "
         "device, or that of -d; print their speed and check the timer; exit code 5 on "
         "failure"},
    {.name = "internal-test",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct devices_options, internal_test)},
    {.name = "doctor",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct devices_options, doctor),
     .help =
         "instead, diagnose missing GPUs and print fixes: loader, environment, drivers, "
         "PCI bus, device files, groups"},
    {.name = "root",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct devices_options, root),
     .value = "FOLDER",
     .help = "with --doctor, read device files, /etc, /proc and /sys below this folder"},
    {.name = "time-limit",
     .kind = ARGS_DURATION,
     .offset = offsetof(struct devices_options, time_limit),
     .value = "T",
     .help = "total time of --test per device; default 2m"},
    {0},
};

static const struct args_option *const shared_options[] = {app_output_options, NULL};

static const struct table_column columns[] = {
    {.title = " ", .left = true, .width = 1},
    {.key = "index", .title = "#", .width = 1},
    {.key = "default"},
    {.key = "name", .title = "Device", .left = true},
    {.key = "platform", .title = "Platform", .left = true},
    {.key = "kind", .title = "Kind", .left = true},
    {.key = "id", .left = true},
    {.key = "vendor", .left = true},
    {.key = "driver", .title = "Driver", .left = true},
    {.key = "version", .left = true},
    {.key = "compute_units", .title = "Units"},
    {.key = "clock_mhz"},
    {.key = "global_mem_bytes", .title = "Memory"},
    {.key = "max_alloc_bytes", .title = "Largest"},
    {.key = "local_mem_bytes"},
    {.key = "max_work_group_size"},
    {.key = "fp16"},
    {.key = "fp64"},
    {.key = "same_as"},
    {.key = "family", .title = "Kernels", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* Narrower terminals hide some columns. */
enum { NARROW = 100 };
static const char *const wide_only[] = {"compute_units", "max_alloc_bytes"};

static void fit_columns(struct table_column *fitted)
{
    memcpy(fitted, columns, sizeof(columns));
    for (size_t i = 0; i < sizeof(wide_only) / sizeof(*wide_only); i++)
        for (int c = 0; c < COLUMN_COUNT && term_width(stdout) < NARROW; c++)
            if (fitted[c].key && !strcmp(fitted[c].key, wide_only[i]))
                fitted[c].title = NULL;
}

static void bytes(char out[32], uint64_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    int unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    if (!n)
        snprintf(out, 32, "-");
    else
        snprintf(out, 32, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void shorten(char out[64], const char *text, size_t most)
{
    if (strlen(text) <= most)
        snprintf(out, 64, "%s", text);
    else
        snprintf(out, 64, "%.*s...", (int)(most - 3), text);
}

static void byte_cell(struct table *t, uint64_t n)
{
    char text[32];
    bytes(text, n);
    if (t->format == TABLE_HUMAN || t->format == TABLE_MD)
        table_double(t, (double)n, "%s", text);
    else
        table_int(t, (int64_t)n);
}

static void name_cell(struct table *t, const char *text, size_t most)
{
    char cut[64];
    shorten(cut, text, most);
    table_text(t, t->format == TABLE_HUMAN ? cut : text);
}

static void add_row(struct table *t, int index, bool chosen,
                    const struct weft_device_info *d)
{
    bool host = d->kind == WEFT_DEVICE_HOST, human = t->format == TABLE_HUMAN;
    table_text(t, chosen ? "*" : " ");
    table_int(t, index);
    table_bool(t, chosen, "");
    name_cell(t, d->name, 28);
    name_cell(t, host && human ? "-" : human ? app_platform_name(d) : d->platform, 12);
    table_text(t, app_device_kind_names[d->kind]);
    table_text(t, d->id);
    table_text(t, d->vendor);
    name_cell(t, d->driver, 10);
    table_text(t, d->version);
    table_int(t, d->compute_units);
    table_int(t, d->clock_mhz);
    byte_cell(t, d->global_mem_bytes);
    byte_cell(t, d->max_alloc_bytes);
    table_int(t, (int64_t)d->local_mem_bytes);
    table_int(t, (int64_t)d->max_work_group_size);
    table_bool(t, d->fp16, "");
    table_bool(t, d->fp64, "");
    table_int(t, d->same_as);
    table_text(t, app_kernel_family_name(d, 0));
}

/* -v: every field, one block per device. */
static void show_fields(int index, bool chosen, const struct weft_device_info *d)
{
    enum { INDENT = 20 };
    char memory[32], largest[32], local[32];
    bytes(memory, d->global_mem_bytes);
    bytes(largest, d->max_alloc_bytes);
    bytes(local, d->local_mem_bytes);
    term_line(INDENT, "%s%d  %s%s%s", term_style_begin(stdout, TERM_BOLD), index,
              plain_text(d->name), term_style_end(stdout), chosen ? "   (default)" : "");
    if (d->platform_index >= 0)
        term_line(INDENT, "   platform         %s (clinfo %d:%d)",
                  plain_text(d->platform), d->platform_index, d->device_index);
    printf("   kind             %s\n", app_device_kind_names[d->kind]);
    term_line(INDENT, "   vendor, driver   %s, %s", plain_text(d->vendor),
              plain_text(d->driver));
    if (*d->version)
        term_line(INDENT, "   OpenCL           %s", plain_text(d->version));
    term_line(INDENT, "   id               %s", plain_text(d->id));
    printf("   compute units    %u", d->compute_units);
    if (d->clock_mhz)
        printf(" at %u MHz", d->clock_mhz);
    printf("\n   memory           %s, largest buffer %s, local %s\n", memory, largest,
           local);
    printf("   work-group       up to %zu\n", d->max_work_group_size);
    printf("   arithmetic       float%s%s\n", d->fp16 ? ", half" : "",
           d->fp64 ? ", double" : "");
    printf("   kernel family    %s\n\n", app_kernel_family_name(d, 0));
}

/* Diagnostics in order: a misleading environment variable, diagnostics of the library not
 * covered by the doctor, errors of the doctor. */
struct diagnostics {
    char (*text)[SMOKE_TEST_MESSAGE_BYTES];
    int count;
};

static char *add_text(struct diagnostics *list)
{
    list->text =
        term_realloc_or_exit(list->text, ((size_t)list->count + 1) * sizeof(*list->text));
    return list->text[list->count++];
}

static void gather_diagnostics(struct app *app, const struct doctor *doctor,
                               struct diagnostics *list)
{
    const char *variable = smoke_test_misleading_variable(), *found;
    char text[SMOKE_TEST_MESSAGE_BYTES];
    if (variable)
        snprintf(add_text(list), SMOKE_TEST_MESSAGE_BYTES,
                 "%s points to a place without OpenCL drivers: unset it to use the "
                 "installed ones",
                 variable);
    for (int i = 0; (found = weft_device_diagnostic(app->context, i)); i++) {
        smoke_test_format_diagnostic(found, text);
        if (!doctor_explains(doctor, text))
            memcpy(add_text(list), text, sizeof(text));
    }
    for (int i = 0; i < doctor->count; i++)
        if (doctor->findings[i].severity == DOCTOR_ERROR)
            doctor_format_finding(&doctor->findings[i], add_text(list));
}

static void show_same(struct app *app)
{
    struct weft_device_info d, first;
    for (int i = 0; !weft_device_info(app->context, i, &d); i++)
        if (d.same_as >= 0 && !weft_device_info(app->context, d.same_as, &first))
            term_line(0,
                      "%d is the hardware of %d through another driver, by %s; -d all "
                      "takes %d.",
                      i, d.same_as, d.same_by, d.same_as);
}

static void show_diagnostics(const struct diagnostics *list, bool usable)
{
    FILE *out = stdout;
    int width = term_prose_limit(out);
    if (!usable) {
        putchar('\n');
        term_line(
            0,
            "%sNo usable OpenCL device.%s The host (plain C) backend is used; it is "
            "correct, but slow.",
            term_style_begin(out, TERM_WARN), term_style_end(out));
    }
    for (int i = 0; i < list->count; i++) {
        printf("%s%s!%s ", i ? "" : "\n", term_style_begin(out, TERM_WARN),
               term_style_end(out));
        term_wrap(out, list->text[i], 2, 2, width);
    }
    putchar('\n');
    if (usable)
        term_wrap(out,
                  "* marks the default. Select with -d 0, -d igpu, part of the name, or "
                  "WEFT_DEVICE.",
                  0, 0, width);
    else if (!smoke_test_misleading_variable())
        term_line(0, "No GPU in this machine? OpenCL also runs on the CPU: sudo apt "
                     "install pocl-opencl-icd");
}

static void write_json(struct app *app, const struct table *t,
                       const struct diagnostics *list, int chosen, const char *reason)
{
    struct json j = {.out = stdout};
    app_json_begin(app, &j, "weft.devices/2");
    emit_int(&j, "default", chosen);
    emit_text(&j, "reason", reason);
    table_json(t, &j, "devices");
    emit_list(&j, "diagnostics");
    for (int i = 0; i < list->count; i++)
        emit_text(&j, NULL, list->text[i]);
    emit_end(&j);
    emit_end(&j);
}

static enum app_exit list_devices(struct app *app, const struct doctor *doctor)
{
    const char *reason = "";
    int chosen;
    enum weft_status status =
        weft_device_find(app->context, app_requested_device(app), &chosen, &reason);
    if (status)
        return app_report_error(app, APP_DEVICE, status);

    enum table_format format = (enum table_format)app->options->format;
    bool fields = app->options->verbose && format == TABLE_HUMAN, usable = false;
    struct table_column fitted[COLUMN_COUNT];
    struct table t;
    fit_columns(fitted);
    table_init(&t, stdout, format, fitted, COLUMN_COUNT, false);
    struct weft_device_info d;
    for (int i = 0; !weft_device_info(app->context, i, &d); i++) {
        usable = usable || d.kind != WEFT_DEVICE_HOST;
        add_row(&t, i, i == chosen, &d);
        if (fields)
            show_fields(i, i == chosen, &d);
    }
    if (!fields)
        table_write(&t);
    if (format == TABLE_HUMAN)
        show_same(app);
    struct diagnostics diagnostics = {0};
    gather_diagnostics(app, doctor, &diagnostics);
    if (format == TABLE_HUMAN)
        show_diagnostics(&diagnostics, usable);
    if (format == TABLE_JSON)
        write_json(app, &t, &diagnostics, chosen, reason);
    free(diagnostics.text);
    table_free(&t);
    return app_flush_stdout(app);
}

static enum app_exit devices_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct devices_options *o = given;
    (void)count;
    (void)operands;
    if (o->internal_test)
        return devices_test_in_process(app);
    if (o->test)
        return devices_test(app, o->time_limit);
    if (o->root && !paths_is_folder(o->root))
        return app_error(app, APP_USAGE, "--root %s: there is no such folder", o->root);
    enum app_exit code = app_create_context(app, true, true);
    if (code)
        return code;
    struct doctor *doctor = term_realloc_or_exit(NULL, sizeof(*doctor));
    doctor_run(doctor, app->context, o->root);
    code = o->doctor ? doctor_print(app, doctor) : list_devices(app, doctor);
    free(doctor);
    return code;
}

const struct app_command cmd_devices = {
    .args =
        {
            .name = "devices",
            .operands = "",
            .summary = "lists the devices and diagnoses missing ones",
            .about =
                "The host (plain C) backend is always available and always last. Drivers "
                "are first tested in child processes: one that crashes is excluded and "
                "named. Diagnostics include how to fix each problem. -v prints every "
                "field.",
            .options = options,
            .shared = shared_options,
        },
    .defaults = &(const struct devices_options){{0}},
    .options_size = sizeof(struct devices_options),
    .run = devices_main,
};
