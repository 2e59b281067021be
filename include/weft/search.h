/* SPDX-License-Identifier: Apache-2.0 */
/* Search for the nearest of many vectors, such as the features of images. */
#ifndef WEFT_SEARCH_H
#define WEFT_SEARCH_H

#include <weft/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Vectors in the memory of a device. */
typedef struct weft_vectors weft_vectors;

struct weft_vectors_params {
    size_t struct_size;
    /* count x dimensions, a vector in a row, all finite. They are not copied, and must
     * stay as they are until weft_vectors_destroy. */
    const float *values;
    int64_t count;
    int dimensions;
    int batch; /* queries of one matrix product; 0: 64 */
};
#define weft_vectors_params(...) WEFT_PARAMS(weft_vectors_params, __VA_ARGS__)

/* Writes the vectors to the device, in several buffers if one cannot be as large. Waits.
 * WEFT_ERR_ARG, WEFT_ERR_FORMAT (a value that is not finite), WEFT_ERR_NOMEM,
 * WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_vectors_create(weft_device *device,
                                              const struct weft_vectors_params *params,
                                              weft_vectors **out);
WEFT_API void weft_vectors_destroy(weft_vectors **vectors);

struct weft_neighbor {
    int64_t index; /* of a vector; -1: there are fewer than k */
    double score;  /* the inner product; of unit vectors the cosine */
};

/* The k vectors with the largest inner product with each of `count` queries, of
 * `dimensions` values each: `out` receives count x k, the best first, of equal ones the
 * first vector. The device multiplies the queries by all vectors in float32, and products
 * that may be among the largest are computed again as sums in double: the answer is the
 * same on every device. WEFT_ERR_MISMATCH: the device's products are wrong. Waits.
 * WEFT_ERR_ARG, WEFT_ERR_FORMAT (a value that is not finite), WEFT_ERR_NOMEM,
 * WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_vectors_nearest(weft_vectors *vectors,
                                               const float *queries, int count, int k,
                                               struct weft_neighbor *out);

#ifdef __cplusplus
}
#endif
#endif
