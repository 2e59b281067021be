/* SPDX-License-Identifier: Apache-2.0 */
/* Image files that become inputs of a network in threads, while the caller does something
 * else. What comes out is in the order of what was put in, and waits in a ring. */
#ifndef WEFT_CMD_CORE_IMAGE_STREAM_H
#define WEFT_CMD_CORE_IMAGE_STREAM_H

#include "core/image_list.h"

struct image_stream;

/* One file. What its pointers point to is valid until the next image_stream_put. */
struct image_input {
    struct image_path path;
    bool left; /* not made here: it is no regular file, or has several images (IDX) */
    char *why; /* it cannot be read: a sentence; NULL: it could */
    bool no_memory;  /* the reason is that */
    uint8_t *pixels; /* as params say */
    uint64_t hash;   /* of what the file has, with IMAGE_STREAM_HASHES */
    struct weft_preprocess_info preprocessing;
};

enum image_stream_extras { IMAGE_STREAM_PIXELS, IMAGE_STREAM_HASHES };

/* `room`: most files in it, at least 2; `context` serves the caller's own thread. */
struct image_stream *image_stream_start(weft_context *context,
                                        const struct weft_preprocess_params *params,
                                        enum image_stream_extras extras, int room);
/* Ends the threads, after the files that they have begun. */
void image_stream_stop(struct image_stream **stream);

/* Adds a file; only where there is room. */
bool image_stream_has_room(const struct image_stream *stream);
void image_stream_put(struct image_stream *stream, const struct image_path *path);

bool image_stream_is_empty(const struct image_stream *stream);

/* Removes the first file; waits until it is made, or makes it if no thread has begun
 * to. */
const struct image_input *image_stream_take(struct image_stream *stream);

#endif
