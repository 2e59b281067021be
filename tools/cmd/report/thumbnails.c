/* SPDX-License-Identifier: Apache-2.0 */
/* Small images of files and datasets within a page. */
#define _GNU_SOURCE
#include "report/thumbnails.h"

#include "core/image_files.h"
#include "report/evaluation.h"
#include "report/html.h"

#include <stdlib.h>
#include <string.h>

/* Image `index` of an image file. */
static bool write_file(struct thumbnails *from, FILE *out, const char *file, int index,
                       const char *alt)
{
    struct image_file image;
    char *why;
    bool found = image_file_open(
        &image, &(struct image_path){(char *)(uintptr_t)file, true}, &why);
    for (int i = 0; found && i <= (index < 0 ? 0 : index); i++)
        found = image_file_next(from->app->context, &image, &why);
    if (found) {
        const struct weft_dataset_info extents = {.height = image.image.height,
                                                  .width = image.image.width,
                                                  .channels = image.image.channels};
        struct report_thumbnail t = report_reduce(image.image.pixels, &extents);
        report_write_thumbnail(out, &t, alt);
        free(t.pixels);
    }
    free(why);
    image_file_close(&image);
    return found;
}

static bool open_data(struct thumbnails *from, const char *file)
{
    static const char *const parts[] = {"", ":test", ":validation"};
    enum weft_split split = WEFT_SPLIT_TRAIN;
    size_t length = strlen(file);
    if (from->data && !strcmp(from->spec, file))
        return true;
    thumbnails_finish(from);
    for (int i = 1; i < 3; i++) {
        size_t n = strlen(parts[i]);
        if (length > n && !strcmp(file + length - n, parts[i])) {
            split = i == 1 ? WEFT_SPLIT_TEST : WEFT_SPLIT_VALIDATION;
            length -= n;
            break;
        }
    }
    char *spec = term_format_or_exit("%.*s", (int)length, file);
    bool opened = !weft_dataset_open(from->app->context, spec, split, NULL, &from->data);
    free(spec);
    from->spec = opened ? term_format_or_exit("%s", file) : NULL;
    return opened;
}

void thumbnails_write(struct thumbnails *from, FILE *out, const char *file, int index,
                      const char *alt)
{
    struct weft_dataset_info info;
    if (paths_exists(file) && write_file(from, out, file, index, alt))
        return;
    if (index >= 0 && open_data(from, file)) {
        weft_dataset_info(from->data, &info);
        if (index < info.count) {
            report_write_image(out, from->data, index, alt);
            return;
        }
    }
    fputs("<span class=\"soft\">(cannot be read)</span>", out);
}

void thumbnails_finish(struct thumbnails *from)
{
    weft_dataset_destroy(&from->data);
    free(from->spec);
    from->spec = NULL;
}
