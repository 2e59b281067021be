/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors files: named tensors of floats, and a table of notes (`__metadata__`).
 *
 * The format: 8 bytes little-endian length N of the header, N bytes of JSON {"name":
 * {"dtype", "shape", "data_offsets"}}, then the numbers, without holes, to the end of the
 * file. What is checked on reading, before anything is used: N against the file and 1
 * MiB; names unique; offsets ascending, contiguous and ending with the file; shape times
 * 4 equal to the length. */
#ifndef WEFT_MODEL_SAFETENSORS_H
#define WEFT_MODEL_SAFETENSORS_H

#include "base/context.h"

#include <jansson.h>

struct weft_tensor {
    const char *name;
    int rank;
    int extent[4];
    size_t count;
    const float *values;
};

/* `notes` is an object of strings. The same arguments give the same bytes. */
enum weft_status weft_safetensors_write(weft_context *ctx, const char *path,
                                        json_t *notes, const struct weft_tensor *tensors,
                                        int count);

struct weft_safetensors {
    weft_context *ctx;
    char *path;
    uint8_t *bytes;
    size_t data; /* where the numbers begin */
    json_t *header;
};

enum weft_status weft_safetensors_open(weft_context *ctx, const char *path,
                                       struct weft_safetensors *out);
void weft_safetensors_free(struct weft_safetensors *file);

/* NULL: there is no such note. */
const char *weft_safetensors_metadata(const struct weft_safetensors *file,
                                      const char *name);

/* The floats of tensor `name`, which must have this shape. Not aligned: copy them.
 * WEFT_ERR_FORMAT if it is not there or otherwise. */
enum weft_status weft_safetensors_find(const struct weft_safetensors *file,
                                       const char *name, int rank, const int *extent,
                                       const uint8_t **out);

#endif
