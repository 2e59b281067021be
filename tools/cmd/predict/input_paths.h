/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of images: of operands and of the lines of standard input. */
#ifndef WEFT_CMD_PREDICT_INPUT_PATHS_H
#define WEFT_CMD_PREDICT_INPUT_PATHS_H

#include "core/image_list.h"

/* More than PATHS_MAX, so that a path that is too long is an error of its own. */
enum { INPUT_LINE = 1 << 14 };

struct input_paths {
    struct image_list operands; /* folders are searched when they are added */
    struct image_list lines;    /* of standard input, not returned yet */
    int next, next_line;
    bool reading; /* the next path is a line */
    bool ended;   /* all of standard input was read */
    bool too_long;
    int line; /* the number of the last one */
    size_t begin, end;
    char text[INPUT_LINE + 1];
};

/* The next one, valid until the next call; "-" is an image on standard input. NULL: the
 * end, *ended; or, unless `wait`, none is there yet. */
const struct image_path *input_paths_next(struct input_paths *paths, bool wait,
                                          bool *ended);
void input_paths_free(struct input_paths *paths);

#endif
