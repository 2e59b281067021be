/* SPDX-License-Identifier: Apache-2.0 */
/* Networks by name: built-in ones and files. */
#include "core/app.h"
#include "core/text_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NET_BYTES = 1 << 20 };

static enum app_exit net_not_found(struct app *app, const char *spec, const char *why)
{
    const char *names[32];
    char list[512] = "";
    int n = 0;
    for (; n < 32 && (names[n] = weft_net_builtin(NULL, n)); n++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s%s", n ? ", " : "", names[n]);
    }
    char close[WEFT_SUGGESTION];
    return app_error(app, APP_BAD_INPUT,
                     "%s: %s, and no built-in network has this name%s "
                     "(built-in networks: %s)",
                     spec, why, weft_suggestion(spec, names, n, close), list);
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(term_realloc_or_exit(NULL, size), text, size);
}

char *app_builtin_net(const char *spec)
{
    enum { LONGEST = 64 };
    char name[LONGEST];
    const char *text = weft_net_builtin(spec, 0), *end = spec;
    if (text)
        return copy_text(text);
    for (const char *x = spec; (x = strstr(x, "-x")); x++)
        end = x;
    if (end == spec || end - spec >= LONGEST || !isdigit((unsigned char)end[2]) ||
        strspn(end + 2, "0123456789.") != strlen(end + 2))
        return NULL;
    memcpy(name, spec, (size_t)(end - spec));
    name[end - spec] = '\0';
    if (!(text = weft_net_builtin(name, 0)))
        return NULL;
    size_t size = strlen(text) + strlen(end) + LONGEST;
    char *out = term_realloc_or_exit(NULL, size);
    snprintf(out, size, "width-multiplier %s\n%s", end + 2, text);
    return out;
}

enum app_exit app_load_net_text(struct app *app, const char *spec, char **out)
{
    const char *why;
    size_t size;
    if (app->net_text && !strcmp(app->net_spec, spec)) {
        *out = copy_text(app->net_text);
        return APP_OK;
    }
    if ((*out = app_builtin_net(spec)))
        return APP_OK;
    if (paths_is_folder(spec))
        return net_not_found(app, spec, "is a folder, not a network file");
    if (!(*out = text_file_read(spec, MAX_NET_BYTES, &size, &why)))
        return errno == ENOENT ? net_not_found(app, spec, why)
                               : app_error(app, APP_BAD_INPUT, "%s: %s", spec, why);
    if (strlen(*out) == size) {
        free(app->net_spec);
        free(app->net_text);
        app->net_spec = copy_text(spec);
        app->net_text = copy_text(*out);
        return APP_OK;
    }
    free(*out);
    return app_error(app, APP_BAD_INPUT,
                     "%s: binary data, not a network; weft/net.h describes the "
                     "network language",
                     spec);
}

enum app_exit app_load_net(struct app *app, const char *spec,
                           const struct weft_dataset_info *shape, weft_net **out)
{
    struct weft_net_params params =
        *weft_net_params(.name = paths_basename(spec), .height = 28, .width = 28,
                         .channels = 1, .default_input = !shape);
    char *text;
    enum app_exit code = app_load_net_text(app, spec, &text);
    if (code)
        return code;
    if (shape) {
        params.height = shape->height;
        params.width = shape->width;
        params.channels = shape->channels;
        params.classes = shape->classes;
    }
    enum weft_status status = weft_net_create(app->context, text, &params, out);
    free(text);
    return status ? app_report_error(app, APP_INPUT, status) : APP_OK;
}
