/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a page, and its file. */
#include "report/page.h"

#include "core/paths.h"
#include "report/html.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void page_begin(FILE *out, const char *title, int reload_seconds)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
          "'none'; style-src 'unsafe-inline'; img-src data:\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
          out);
    if (reload_seconds)
        fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", reload_seconds);
    fputs("<title>", out);
    html_write_escaped(out, title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", html_style);
}

void page_write_table(FILE *out, const struct table *t, const char *label)
{
    html_open_wide(out, label);
    fputs("<table>", out);
    for (int row = -1; row < t->cell_count / t->column_count; row++) {
        fputs(row < 0 ? "<thead><tr>" : "<tr>", out);
        for (int c = 0; c < t->column_count; c++) {
            if (!table_column_has_data(t, c))
                continue;
            fprintf(out, "<%s%s>", row < 0 ? "th" : "td",
                    t->columns[c].left ? "" : " class=\"n\"");
            html_write_escaped(out, table_cell_text(t, row, c));
        }
        fputs(row < 0 ? "</thead><tbody>\n" : "\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void page_end(FILE *out)
{
    fputs("<p class=\"soft\">Created by weft ", out);
    html_write_escaped(out, weft_version());
    fputs(".</p>\n</body>\n</html>\n", out);
}

bool page_write_file(const char *path, void (*write)(FILE *out, const void *priv),
                     const void *priv)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out)
        write(out, priv);
    bool done = out && !fclose(out) && paths_write(path, text, size);
    int why = errno;
    free(text);
    errno = why;
    return done;
}

enum app_exit page_save(const struct app *app, const char *path,
                        void (*write)(FILE *out, const void *priv), const void *priv)
{
    if (!page_write_file(path, write, priv))
        return app_error(app, APP_FAILED, "%s cannot be written: %s", path,
                         strerror(errno));
    app_print_written(path);
    return APP_OK;
}
