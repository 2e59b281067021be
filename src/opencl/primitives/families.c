/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms of primitives without matrix products, by family. */
#include "opencl/primitives/algorithms.h"

#define ROW(primitive, ...)                                              \
    [WEFT_PRIMITIVE_##primitive] = (const struct ocl_algorithm *const[]) \
    {                                                                    \
        __VA_ARGS__, NULL                                                \
    }

const struct ocl_family ocl_primitives_vec = {
    .algorithms = {
        ROW(pool_forward, &pool_rows, &pool_pixels),
        ROW(pool_backward, &pool_rows, &pool_pixels),
        ROW(batch_norm_forward, &batch_norm_rows[BATCH_NORM_FORWARD],
            &batch_norm_vectors[BATCH_NORM_FORWARD]),
        ROW(batch_norm_inference, &batch_norm_rows[BATCH_NORM_INFERENCE],
            &batch_norm_vectors[BATCH_NORM_INFERENCE]),
        ROW(batch_norm_backward, &batch_norm_rows[BATCH_NORM_BACKWARD],
            &batch_norm_vectors[BATCH_NORM_BACKWARD]),
        ROW(fold_batch_norm, &batch_norm_rows[BATCH_NORM_FOLD],
            &batch_norm_vectors[BATCH_NORM_FOLD]),
        ROW(copy_channels, &copy_channels_vectors),
        ROW(scale, &scale_vectors),
        ROW(scale_gradient, &scale_gradient_vectors),
        ROW(channel_shuffle, &channel_shuffle_vectors),
        ROW(prelu_forward, &prelu_vectors[CHANNEL_FORWARD]),
        ROW(prelu_backward, &prelu_vectors[CHANNEL_BACKWARD]),
        ROW(layer_norm_forward, &layer_norm_rows[CHANNEL_FORWARD]),
        ROW(layer_norm_backward, &layer_norm_rows[CHANNEL_BACKWARD]),
        ROW(optimizer_step, &optimizer_serial),
        ROW(softmax, &softmax_rows),
        ROW(loss, &loss_rows),
        ROW(make_batch, &batch_rows, &batch_augmented_rows, &batch_augmented),
    }};

const struct ocl_family ocl_primitives_work_group = {
    .algorithms = {
        ROW(pool_forward, &pool_pixels),
        ROW(pool_backward, &pool_pixels),
        ROW(batch_norm_forward, &batch_norm_vectors_tree[BATCH_NORM_FORWARD]),
        ROW(batch_norm_inference, &batch_norm_vectors_tree[BATCH_NORM_INFERENCE]),
        ROW(batch_norm_backward, &batch_norm_vectors_tree[BATCH_NORM_BACKWARD]),
        ROW(fold_batch_norm, &batch_norm_vectors_tree[BATCH_NORM_FOLD]),
        ROW(copy_channels, &copy_channels_vectors),
        ROW(scale, &scale_vectors),
        ROW(scale_gradient, &scale_gradient_vectors),
        ROW(channel_shuffle, &channel_shuffle_vectors),
        ROW(prelu_forward, &prelu_vectors_tree[CHANNEL_FORWARD]),
        ROW(prelu_backward, &prelu_vectors_tree[CHANNEL_BACKWARD]),
        ROW(layer_norm_forward, &layer_norm_rows_tree[CHANNEL_FORWARD]),
        ROW(layer_norm_backward, &layer_norm_rows_tree[CHANNEL_BACKWARD]),
        ROW(optimizer_step, &optimizer_tree),
        ROW(softmax, &softmax_rows),
        ROW(loss, &loss_rows),
        ROW(make_batch, &batch_rows, &batch_augmented_rows, &batch_augmented),
    }};
