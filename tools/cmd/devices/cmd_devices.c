/* SPDX-License-Identifier: Apache-2.0 */
/* weft devices: what there is, which one is the default, and what is wrong with the rest.
 */
#include "devices/devices.h"
#include "devices/doctor.h"

#include "core/driver_smoke_test.h"

#include <stdlib.h>
#include <string.h>

struct devices_options {
    struct app_options app;
    bool test, test_here, doctor;
    double limit;
    const char *root;
};

static const struct args_option options[] = {
    {"device", 'd', ARGS_TEXT, offsetof(struct devices_options, app.device), "DEV",
     "mark the device that this selector means instead of the default", 0, 0},
    {"test", 0, ARGS_FLAG, offsetof(struct devices_options, test), NULL,
     "compare a convolution and a matrix product with the reference on each device, or "
     "that of -d; tell their speed and whether the device's timer is right; exit code 5 "
     "if one fails",
     0, 0},
    {"internal-test", 0, ARGS_FLAG, offsetof(struct devices_options, test_here), NULL,
     NULL, 0, 0},
    {"doctor", 0, ARGS_FLAG, offsetof(struct devices_options, doctor), NULL,
     "instead, all that stands between weft and a GPU, and how to mend what is wrong: "
     "the loader, the environment, the drivers, the PCI bus, device files, groups",
     0, 0},
    {"root", 0, ARGS_TEXT, offsetof(struct devices_options, root), "FOLDER",
     "stands for / where device files, /etc, /proc and /sys are looked at", 0, 0},
    {"time-limit", 0, ARGS_DURATION, offsetof(struct devices_options, limit), "T",
     "of --test, for a device; default 2m", 0, 0},
    APP_OPTIONS_FORMAT(struct devices_options),
    APP_OPTIONS_COLOR(struct devices_options),
    {0},
};

static const struct table_column columns[] = {
    {NULL, " ", true, 1},
    {"index", "#", false, 1},
    {"default", NULL, false, 0},
    {"name", "Device", true, 0},
    {"platform", "Platform", true, 0},
    {"kind", "Kind", true, 0},
    {"id", NULL, true, 0},
    {"vendor", NULL, true, 0},
    {"driver", "Driver", true, 0},
    {"version", NULL, true, 0},
    {"compute_units", "Units", false, 0},
    {"clock_mhz", NULL, false, 0},
    {"global_mem_bytes", "Memory", false, 0},
    {"max_alloc_bytes", "Largest", false, 0},
    {"local_mem_bytes", NULL, false, 0},
    {"max_work_group_size", NULL, false, 0},
    {"fp16", NULL, false, 0},
    {"fp64", NULL, false, 0},
    {"family", "Kernels", true, 0},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* Below so many columns of a terminal, some of the table are left out. */
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

static void shortened(char out[64], const char *text, size_t most)
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
    shortened(cut, text, most);
    table_text(t, t->format == TABLE_HUMAN ? cut : text);
}

static void add_row(struct table *t, int index, bool chosen,
                    const struct weft_device_info *d)
{
    bool builtin = d->kind == WEFT_DEVICE_HOST, human = t->format == TABLE_HUMAN;
    table_text(t, chosen ? "*" : " ");
    table_int(t, index);
    table_bool(t, chosen, "");
    name_cell(t, d->name, 28);
    name_cell(t, builtin && human ? "-" : human ? app_platform_name(d) : d->platform, 12);
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
    table_text(t, app_kernel_family_name(d, 0));
}

/* -v: every field, a block a device. */
static void show_fields(int index, bool chosen, const struct weft_device_info *d)
{
    char memory[32], largest[32], local[32];
    bytes(memory, d->global_mem_bytes);
    bytes(largest, d->max_alloc_bytes);
    bytes(local, d->local_mem_bytes);
    printf("%s%d  %s%s%s\n", term_style_begin(stdout, TERM_BOLD), index, d->name,
           term_style_end(stdout), chosen ? "   (default)" : "");
    if (d->platform_index >= 0)
        printf("   platform         %s (clinfo %d:%d)\n", d->platform, d->platform_index,
               d->device_index);
    printf("   kind             %s\n", app_device_kind_names[d->kind]);
    printf("   vendor, driver   %s, %s\n", d->vendor, d->driver);
    if (*d->version)
        printf("   OpenCL           %s\n", d->version);
    printf("   id               %s\n", d->id);
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

/* Notes for people: what misleads the loader comes first, then what the library tells
 * and the doctor does not tell better, then what the doctor found wrong. */
struct notes {
    char (*text)[SMOKE_TEST_MESSAGE_BYTES];
    int count;
};

static char *add_note(struct notes *notes)
{
    notes->text = term_realloc_or_exit(notes->text,
                                       ((size_t)notes->count + 1) * sizeof(*notes->text));
    return notes->text[notes->count++];
}

static void gather_notes(struct app *app, const struct doctor *doctor,
                         struct notes *notes)
{
    const char *variable = smoke_test_misleading_variable(), *found;
    char text[SMOKE_TEST_MESSAGE_BYTES];
    if (variable)
        snprintf(add_note(notes), SMOKE_TEST_MESSAGE_BYTES,
                 "%s points to a place without OpenCL drivers: unset it to use those "
                 "that are installed",
                 variable);
    for (int i = 0; (found = weft_device_diagnostic(app->context, i)); i++) {
        smoke_test_format_diagnostic(found, text);
        if (!doctor_explains(doctor, text))
            memcpy(add_note(notes), text, sizeof(text));
    }
    for (int i = 0; i < doctor->count; i++)
        if (doctor->findings[i].severity == DOCTOR_ERROR)
            doctor_format_finding(&doctor->findings[i], add_note(notes));
}

static void show_notes(const struct notes *notes, bool usable)
{
    FILE *out = stdout;
    int width = term_width(out) < 100 ? term_width(out) : 100;
    if (!usable) {
        printf("\n%sNo usable OpenCL device.%s weft's own C backend does the work; it is "
               "right, but slow.\n",
               term_style_begin(out, TERM_WARN), term_style_end(out));
    }
    for (int i = 0; i < notes->count; i++) {
        printf("%s%s!%s ", i ? "" : "\n", term_style_begin(out, TERM_WARN),
               term_style_end(out));
        term_wrap(out, notes->text[i], 2, 2, width);
    }
    putchar('\n');
    if (usable)
        term_wrap(
            out,
            "* is what commands use here. Choose with -d 0, -d igpu, a piece of the "
            "name, or WEFT_DEVICE.",
            0, 0, width);
    else if (!smoke_test_misleading_variable())
        printf("No GPU in this machine? The processor serves through OpenCL too: "
               "sudo apt install pocl-opencl-icd\n");
}

static void write_json(struct app *app, const struct table *t, const struct notes *notes,
                       int chosen, const char *reason)
{
    struct json j = {.out = stdout};
    app_json_begin(app, &j, "weft.devices/1");
    emit_int(&j, "default", chosen);
    emit_text(&j, "reason", reason);
    table_json(t, &j, "devices");
    emit_list(&j, "notes");
    for (int i = 0; i < notes->count; i++)
        emit_text(&j, NULL, notes->text[i]);
    emit_end(&j);
    emit_end(&j);
}

static enum app_exit list(struct app *app, const struct doctor *doctor)
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
    struct notes notes = {0};
    gather_notes(app, doctor, &notes);
    if (format == TABLE_HUMAN)
        show_notes(&notes, usable);
    if (format == TABLE_JSON)
        write_json(app, &t, &notes, chosen, reason);
    free(notes.text);
    table_free(&t);
    return app_flush_stdout(app);
}

static enum app_exit devices_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct devices_options *o = given;
    (void)count;
    (void)operands;
    if (o->test_here)
        return devices_test_in_process(app);
    if (o->test)
        return devices_test(app, o->limit);
    if (o->root && !paths_is_folder(o->root))
        return app_error(app, APP_USAGE, "--root %s: there is no such folder", o->root);
    enum app_exit code = app_create_context(app, true, true);
    if (code)
        return code;
    struct doctor *doctor = term_realloc_or_exit(NULL, sizeof(*doctor));
    doctor_run(doctor, app->context, o->root);
    code = o->doctor ? doctor_print(app, doctor) : list(app, doctor);
    free(doctor);
    return code;
}

const struct app_command cmd_devices = {
    .args =
        {
            .name = "devices",
            .operands = "",
            .summary =
                "lists the devices, the default one, and what is wrong with others",
            .about =
                "The built-in C backend is always there and always last. "
                "Drivers are tried in child processes first: one that crashes "
                "is left out and named. What is wrong is listed with its mend. -v shows "
                "every field.",
            .options = options,
        },
    .defaults = &(const struct devices_options){{0}},
    .options_size = sizeof(struct devices_options),
    .run = devices_main,
};
