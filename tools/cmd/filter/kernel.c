/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels, and their network. */
#include "filter/filter.h"

#include "core/plain_text.h"
#include "core/temporary_folder.h"
#include "core/text_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20, HEADER = 1024 };
static const double largest_weight = 1e6;

static const struct {
    const char *name;
    int weights[9];
    int divisor;
} named[] = {
    {"blur", {1, 2, 1, 2, 4, 2, 1, 2, 1}, 16},
    {"sharpen", {0, -1, 0, -1, 5, -1, 0, -1, 0}, 1},
    {"edges", {-1, -1, -1, -1, 8, -1, -1, -1, -1}, 1},
    {"emboss", {-2, -1, 0, -1, 1, 1, 0, 1, 2}, 1},
};

/* Sums of products of whole weights and bytes are exact in float32 below 2^24. */
static void find_whole(struct filter_kernel *k)
{
    double sum = 0;
    k->whole = true;
    for (int i = 0; i < k->side * k->side; i++) {
        double w = (double)k->weights[i];
        k->whole = k->whole && w >= floor(w) && w <= floor(w);
        sum += 255 * fabs(w);
    }
    k->whole = k->whole && sum < 0x1p24;
}

/* The numbers of a text; -1: *at is what is none. */
static int read_numbers(const char *text, struct filter_kernel *k, const char **at)
{
    static const char blank[] = " \t\r\n,;";
    int count = 0;
    for (text += strspn(text, blank); *text; text += strspn(text, blank), count++) {
        char *end;
        double value = strtod(text, &end);
        *at = text;
        if (end == text || !strchr(blank, *end) || !(fabs(value) <= largest_weight))
            return -1;
        if (count < FILTER_MAX_SIDE * FILTER_MAX_SIDE)
            k->weights[count] = (float)value;
        text = end;
    }
    return count;
}

static enum app_exit read_kernel(const struct app *app, const char *path,
                                 struct filter_kernel *out)
{
    size_t size;
    const char *why = NULL, *at = NULL;
    char *text = text_file_read(path, MOST_BYTES, &size, &why);
    if (!text)
        return app_error(app, APP_BAD_INPUT,
                         "%s: %s; a kernel is a file, or one of " FILTER_NAMES, path,
                         why ? why : strerror(errno));
    int count = strlen(text) == size ? read_numbers(text, out, &at) : 0;
    enum app_exit code = APP_OK;
    out->divisor = 1;
    while (out->side * out->side < count)
        out->side++;
    if (count < 0)
        code = app_error(
            app, APP_BAD_INPUT, "%s: \"%.*s\" is no number from -1e6 to 1e6", path,
            (int)strcspn(at, " \t\r\n,;") < 40 ? (int)strcspn(at, " \t\r\n,;") : 40, at);
    else if (out->side > FILTER_MAX_SIDE)
        code = app_error(app, APP_BAD_INPUT,
                         "%s: has %d numbers; a kernel has at most %dx%d", path, count,
                         FILTER_MAX_SIDE, FILTER_MAX_SIDE);
    else if (out->side * out->side != count || out->side % 2 == 0)
        code = app_error(app, APP_BAD_INPUT,
                         "%s: has %d numbers; a kernel is a square with an odd side: 1, "
                         "9, 25, 49 numbers and so on",
                         path, count);
    free(text);
    if (!code)
        find_whole(out);
    return code;
}

enum app_exit filter_kernel_find(const struct app *app, const char *name,
                                 struct filter_kernel *out)
{
    *out = (struct filter_kernel){.side = 0};
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        if (strcmp(name, named[i].name) != 0)
            continue;
        out->side = 3;
        out->divisor = named[i].divisor;
        for (int k = 0; k < 9; k++)
            out->weights[k] = (float)named[i].weights[k];
        find_whole(out);
        return APP_OK;
    }
    return read_kernel(app, name, out);
}

/* A model file (docs/file-formats.md): the length of the header, the header, the
 * weights, lowest byte first. */
static char *write_model(const struct filter_kernel *k, int tile, size_t *size)
{
    int extent = tile + k->side - 1, taps = k->side * k->side;
    char *file = term_realloc_or_exit(NULL, 8 + HEADER + 4 * (size_t)taps);
    int header =
        snprintf(file + 8, HEADER,
                 "{\"__metadata__\":{\"weft.format\":\"1\",\"net.name\":\"filter\","
                 "\"net.text\":\"conv 1 %dx%d bias=no\\n\",\"net.input\":\"%d %d 1\","
                 "\"data.classes\":\"[\\\"filtered\\\"]\",\"data.mean\":\"0\","
                 "\"data.deviation\":\"%.17g\"},\"conv1.weight\":{\"dtype\":\"F32\","
                 "\"shape\":[1,1,%d,%d],\"data_offsets\":[0,%d]}}",
                 k->side, k->side, extent, extent, 1 / 255.0, k->side, k->side, 4 * taps);
    for (int i = 0; i < 8; i++)
        file[i] = (char)((uint64_t)header >> 8 * i);
    for (int i = 0; i < taps; i++) {
        uint32_t word;
        memcpy(&word, &k->weights[i], sizeof(word));
        for (int b = 0; b < 4; b++)
            file[8 + header + 4 * i + b] = (char)(word >> 8 * b);
    }
    *size = 8 + (size_t)header + 4 * (size_t)taps;
    return file;
}

enum app_exit filter_kernel_model(struct app *app, const struct filter_kernel *kernel,
                                  int tile, weft_model **out)
{
    char folder[PATHS_MAX], path[PATHS_MAX];
    size_t size;
    char *file = write_model(kernel, tile, &size);
    bool written =
        temporary_folder_create(folder, temporary_folder_place(), ".weft-filter-") &&
        paths_join(path, folder, "filter.safetensors") && paths_write(path, file, size);
    int why = errno;
    free(file);
    if (!written)
        return app_error(app, APP_FAILED,
                         "a temporary file cannot be written to %s: %s; set TMPDIR to "
                         "another folder",
                         temporary_folder_place(), strerror(why));
    return app_load_model(app, path, out);
}
