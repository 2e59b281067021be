/* SPDX-License-Identifier: Apache-2.0 */
/* The evaluation of a trainer's weights. */
#include "device/process.h"
#include "train/trainer.h"

enum { EVALUATION_BATCH = 256 };

enum weft_status(weft_trainer_evaluate)(weft_trainer *t, const weft_dataset *data,
                                        struct weft_prediction *predictions,
                                        struct weft_eval *out, size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, t, "trainer");
    WEFT_REQUIRE_DEVICE(t->device);
    WEFT_REQUIRE_POINTER(t->device->context, data, "data");
    WEFT_REQUIRE_POINTER(t->device->context, out, "out");
    const float *features = NULL;
    if (t->features.head)
        WEFT_TRY(weft_features_of(t, data, &features));
    if (!t->inference)
        WEFT_TRY(weft_inference_create(
            t->device, features ? t->features.head : t->net, weft_trainer_weights(t),
            features ? NULL : &t->normalization, EVALUATION_BATCH, WEFT_FLOAT32, NULL,
            &t->inference));
    else
        WEFT_TRY(weft_inference_refresh(t->inference));
    return weft_inference_evaluate(t->inference, data, features, predictions, out, size);
}
