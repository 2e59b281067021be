/* SPDX-License-Identifier: Apache-2.0 */
/* Small images of files and datasets within a page. */
#ifndef WEFT_CMD_REPORT_THUMBNAILS_H
#define WEFT_CMD_REPORT_THUMBNAILS_H

#include "core/app.h"

/* Where the last image was read from: neighbours are often in one dataset. */
struct thumbnails {
    struct app *app;
    char *spec;         /* of `data` */
    weft_dataset *data; /* NULL: none is open */
};

/* An <img> of image `index` of `file`: of an image file (-1: the only one), or of a
 * dataset, "fashion-mnist:test". What cannot be read is said in its place. */
void thumbnails_write(struct thumbnails *from, FILE *out, const char *file, int index,
                      const char *alt);
void thumbnails_finish(struct thumbnails *from);

#endif
