/* SPDX-License-Identifier: Apache-2.0 */
/* weft devices: what there is, which one is the default, and what is wrong with the rest.
 */
#include "devices.h"
#include "doctor.h"

#include "probe.h"

#include <stdlib.h>
#include <string.h>

struct options {
    struct app_options app;
    bool test, test_here, doctor;
    double limit;
    const char *root;
};

static const struct args_option options[] = {
    {"device", 'd', ARGS_TEXT, offsetof(struct options, app.device), "DEV",
     "mark the device that this selector means instead of the default", 0, 0},
    {"test", 0, ARGS_FLAG, offsetof(struct options, test), NULL,
     "compare a convolution and a matrix product with the reference on each device, or "
     "that of -d; tell their speed and whether the device's timer is right; exit code 5 "
     "if one fails",
     0, 0},
    {"test-here", 0, ARGS_FLAG, offsetof(struct options, test_here), NULL, NULL, 0, 0},
    {"doctor", 0, ARGS_FLAG, offsetof(struct options, doctor), NULL,
     "instead, all that stands between weft and a GPU, and how to mend what is wrong: "
     "the loader, the environment, the drivers, the PCI bus, device files, groups",
     0, 0},
    {"root", 0, ARGS_TEXT, offsetof(struct options, root), "FOLDER",
     "stands for / where device files, /etc, /proc and /sys are looked at", 0, 0},
    {"limit", 0, ARGS_TIME, offsetof(struct options, limit), "T",
     "of --test, for a device; default 2m", 0, 0},
    APP_OPTIONS_OUTPUT(struct options),
    APP_OPTIONS_COLOR(struct options),
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
    {"memory_bytes", "Memory", false, 0},
    {"max_alloc_bytes", "Largest", false, 0},
    {"local_bytes", NULL, false, 0},
    {"max_group", NULL, false, 0},
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
        table_real(t, (double)n, "%s", text);
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
    bool builtin = d->kind == WEFT_DEVICE_BUILTIN, human = t->format == TABLE_HUMAN;
    table_text(t, chosen ? "*" : " ");
    table_int(t, index);
    table_bool(t, chosen, "");
    name_cell(t, d->name, 28);
    name_cell(t, builtin && human ? "-" : human ? app_platform(d) : d->platform, 12);
    table_text(t, app_kinds[d->kind]);
    table_text(t, d->id);
    table_text(t, d->vendor);
    name_cell(t, d->driver, 10);
    table_text(t, d->version);
    table_int(t, d->compute_units);
    table_int(t, d->clock_mhz);
    byte_cell(t, d->memory_bytes);
    byte_cell(t, d->max_alloc_bytes);
    table_int(t, (int64_t)d->local_bytes);
    table_int(t, (int64_t)d->max_group);
    table_bool(t, d->fp16, "");
    table_bool(t, d->fp64, "");
    table_text(t, app_family(d, 0));
}

/* -v: every field, a block a device. */
static void show_fields(int index, bool chosen, const struct weft_device_info *d)
{
    char memory[32], largest[32], local[32];
    bytes(memory, d->memory_bytes);
    bytes(largest, d->max_alloc_bytes);
    bytes(local, d->local_bytes);
    printf("%s%d  %s%s%s\n", term_on(stdout, TERM_BOLD), index, d->name, term_off(stdout),
           chosen ? "   (default)" : "");
    if (d->platform_index >= 0)
        printf("   platform         %s (clinfo %d:%d)\n", d->platform, d->platform_index,
               d->device_index);
    printf("   kind             %s\n", app_kinds[d->kind]);
    printf("   vendor, driver   %s, %s\n", d->vendor, d->driver);
    if (*d->version)
        printf("   OpenCL           %s\n", d->version);
    printf("   id               %s\n", d->id);
    printf("   compute units    %u", d->compute_units);
    if (d->clock_mhz)
        printf(" at %u MHz", d->clock_mhz);
    printf("\n   memory           %s, largest buffer %s, local %s\n", memory, largest,
           local);
    printf("   work-group       up to %zu\n", d->max_group);
    printf("   arithmetic       float%s%s\n", d->fp16 ? ", half" : "",
           d->fp64 ? ", double" : "");
    printf("   kernel family    %s\n\n", app_family(d, 0));
}

/* Notes for people: what misleads the loader comes first, then what the library tells
 * and the doctor does not tell better, then what the doctor found wrong. */
struct notes {
    char (*text)[PROBE_NOTE];
    int count;
};

static char *add_note(struct notes *notes)
{
    notes->text =
        term_alloc(notes->text, ((size_t)notes->count + 1) * sizeof(*notes->text));
    return notes->text[notes->count++];
}

static void gather_notes(struct app *app, const struct doctor *doctor,
                         struct notes *notes)
{
    const char *variable = probe_misled_by(), *found;
    char text[PROBE_NOTE];
    if (variable)
        snprintf(add_note(notes), PROBE_NOTE,
                 "%s points to a place without OpenCL drivers: unset it to use those "
                 "that are installed",
                 variable);
    for (int i = 0; (found = weft_device_note(app->context, i)); i++) {
        probe_tell(found, text);
        if (!doctor_covers(doctor, text))
            memcpy(add_note(notes), text, sizeof(text));
    }
    for (int i = 0; i < doctor->count; i++)
        if (doctor->findings[i].grade == DOCTOR_WRONG)
            doctor_sentence(&doctor->findings[i], add_note(notes));
}

static void show_notes(const struct notes *notes, bool usable)
{
    FILE *out = stdout;
    int width = term_width(out) < 100 ? term_width(out) : 100;
    if (!usable) {
        printf("\n%sNo usable OpenCL device.%s weft's own C backend does the work; it is "
               "right, but slow.\n",
               term_on(out, TERM_WARN), term_off(out));
    }
    for (int i = 0; i < notes->count; i++) {
        printf("%s%s!%s ", i ? "" : "\n", term_on(out, TERM_WARN), term_off(out));
        term_wrap(out, notes->text[i], 2, 2, width);
    }
    putchar('\n');
    if (usable)
        term_wrap(
            out,
            "* is what commands use here. Choose with -d 0, -d igpu, a piece of the "
            "name, or WEFT_DEVICE.",
            0, 0, width);
    else if (!probe_misled_by())
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
        weft_device_find(app->context, app_selector(app), &chosen, &reason);
    if (status)
        return app_fail(app, APP_DEVICE, status);

    enum table_format format = (enum table_format)app->options->format;
    bool fields = app->options->verbose && format == TABLE_HUMAN, usable = false;
    struct table_column fitted[COLUMN_COUNT];
    struct table t;
    fit_columns(fitted);
    table_init(&t, stdout, format, fitted, COLUMN_COUNT, false);
    for (int i = 0; i < weft_device_count(app->context); i++) {
        struct weft_device_info d;
        if ((status = weft_device_info(app->context, i, &d))) {
            table_finish(&t);
            return app_fail(app, APP_DEVICE, status);
        }
        usable = usable || d.kind != WEFT_DEVICE_BUILTIN;
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
    table_finish(&t);
    return app_flush(app);
}

static enum app_exit run(struct app *app, const void *given, int count, char **operands)
{
    const struct options *o = given;
    (void)count;
    (void)operands;
    if (o->test_here)
        return devices_test_here(app);
    if (o->test)
        return devices_test(app, o->limit);
    if (o->root && !paths_is_folder(o->root))
        return app_error(app, APP_USAGE, "--root %s: there is no such folder", o->root);
    enum app_exit code = app_context(app, true, true);
    if (code)
        return code;
    struct doctor *doctor = term_alloc(NULL, sizeof(*doctor));
    doctor_look(doctor, app->context, o->root);
    code = o->doctor ? doctor_tell(app, doctor) : list(app, doctor);
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
    .defaults = &(const struct options){{0}},
    .options_size = sizeof(struct options),
    .run = run,
};
