/* SPDX-License-Identifier: Apache-2.0 */
/* A self-contained HTML page: nothing is loaded, no scripts, images within it. */
#ifndef WEFT_CMD_REPORT_PAGE_H
#define WEFT_CMD_REPORT_PAGE_H

#include "core/app.h"

/* Up to <body>. `reload_seconds`: a browser loads the page again after these; 0:
 * never. */
void page_begin(FILE *out, const char *title, int reload_seconds);
/* The columns that a text table shows, and have data. */
void page_write_table(FILE *out, const struct table *table, const char *label);
/* weft's version, and the end of the page. */
void page_end(FILE *out);

/* Writes a page to a file, as paths_write does. False on failure, with errno set. */
bool page_write_file(const char *path, void (*write)(FILE *out, const void *priv),
                     const void *priv);
/* The same, and says that it is written, or why not. */
enum app_exit page_save(const struct app *app, const char *path,
                        void (*write)(FILE *out, const void *priv), const void *priv);

#endif
