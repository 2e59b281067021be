/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of images that are not all on the device: a thread gathers those of the next
 * steps, in the order of seed and epoch, while the device trains. */
#ifndef WEFT_TRAIN_STREAM_H
#define WEFT_TRAIN_STREAM_H

#include <weft/dataset.h>

#include "base/context.h"

struct weft_stream;

struct weft_stream_params {
    const weft_dataset *data;
    int batch, rows; /* images a step: those of its batch, or one more, the next of the
                        epoch's order */
    uint64_t seed;
    /* Not NULL: instead of pixels, `feature_count` of these for each image; they outlive
     * the stream. */
    const float *features;
    size_t feature_count;
    /* The table of balanced sampling (shared/balance.h), which outlives the stream; NULL:
     * each epoch is a permutation. */
    const uint32_t *balance;
};

/* Where it goes, and where the steps begin. */
enum weft_status weft_stream_create(weft_context *ctx,
                                    const struct weft_stream_params *params,
                                    struct weft_stream **out);
void weft_stream_destroy(struct weft_stream **stream);

/* The batch of the next step, which stays as it is until it is released; waits until it
 * is gathered. WEFT_ERR_FILE: the images cannot be read; `step` is the number of the
 * step. */
enum weft_status weft_stream_take(struct weft_stream *stream, const uint8_t **pixels,
                                  const int32_t **labels);

size_t weft_stream_image_bytes(const struct weft_stream *stream);

/* True: release before the next batch is taken; the others have room to be gathered. */
bool weft_stream_is_full(const struct weft_stream *stream);

/* All batches that were taken have been sent. */
void weft_stream_release(struct weft_stream *stream);

/* The next batch is that of step `step`. All batches have been released. */
void weft_stream_seek(struct weft_stream *stream, int64_t step);

/* Seconds for which weft_stream_take has waited. */
double weft_stream_stall_seconds(const struct weft_stream *stream);

#endif
