/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors files: named float32 tensors and metadata (`__metadata__`).
 *
 * Format: the length N of the header, 8 bytes little-endian; N bytes of JSON {"name":
 * {"dtype", "shape", "data_offsets"}}; the data, contiguous to the end of the file.
 * Checks before any use: N against the size of the file and 16 MiB; unique names;
 * ascending, contiguous offsets that end with the file; length equal to 4 times the
 * number of elements. */
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

/* `metadata` is an object of strings; a checksum of all contents is added. Equal
 * arguments give equal bytes. */
enum weft_status weft_safetensors_write(weft_context *ctx, const char *path,
                                        json_t *metadata,
                                        const struct weft_tensor *tensors, int count);

struct weft_safetensors {
    weft_context *ctx;
    char *path;
    uint8_t *bytes;
    size_t data, end; /* of the numbers in the file */
    json_t *header;
};

/* WEFT_ERR_FORMAT also if the contents do not match their checksum, unless the context
 * accepts that. */
enum weft_status weft_safetensors_open(weft_context *ctx, const char *path,
                                       struct weft_safetensors *out);
void weft_safetensors_free(struct weft_safetensors *file);

/* NULL: no such entry. */
const char *weft_safetensors_metadata(const struct weft_safetensors *file,
                                      const char *name);

/* Reads the `count` numbers of a text; false: missing. */
bool weft_safetensors_numbers(const struct weft_safetensors *file, const char *name,
                              double *out, int count);

/* The floats of tensor `name`, which must have this shape. Unaligned: copy them.
 * WEFT_ERR_FORMAT if it is missing or different. */
enum weft_status weft_safetensors_find(const struct weft_safetensors *file,
                                       const char *name, int rank, const int *extent,
                                       const uint8_t **out);

#endif
