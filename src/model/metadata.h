/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the metadata in a model file. Values are text; numbers are written so that
 * they read back to the same bits. */
#ifndef WEFT_MODEL_METADATA_H
#define WEFT_MODEL_METADATA_H

#define META_FORMAT           "weft.format"
#define META_FORMAT_CHECKED   "2" /* with a checksum (model/checksum.h) */
#define META_FORMAT_UNCHECKED "1"
#define META_NAME             "net.name"       /* "small" */
#define META_TEXT             "net.text"       /* weft/net.h */
#define META_INPUT            "net.input"      /* "28 28 1": height width channels */
#define META_CLASSES          "data.classes"   /* a JSON array of names */
#define META_DATASET          "data.release"   /* weft_dataset_info.known_as; may be "" */
#define META_COUNT            "data.count"     /* images trained on */
#define META_HASH             "data.hash"      /* weft_dataset_info.hash of the images */
#define META_MEAN             "data.mean"      /* one number a channel, pixels in 0..1 */
#define META_STDDEV           "data.deviation" /* the same */
#define META_PREPROCESS       "data.preprocess"  /* image/preprocess.h */
#define META_BATCH            "train.batch"      /* "512" */
#define META_PARTS            "train.accumulate" /* "4": parts of a batch; absent: 1 */
#define META_SEED             "train.seed"       /* "1" */
#define META_KERNELS \
    "train.kernels" /* hash of the kernel configs (weft_trainer_config_hash) */
#define META_RATE      "train.rate"            /* learning rate */
#define META_SCHEDULE  "train.schedule"        /* "constant"; weft/net.h */
#define META_WEIGHTS   "train.class_weights"   /* their hash; absent: all are 1 */
#define META_BALANCE   "train.balance"         /* "yes": balanced sampling; absent: no */
#define META_FIRST     "train.first_step"      /* of the phase; absent: 0 */
#define META_AUGMENT   "train.augment"         /* "none", the default; weft/net.h */
#define META_STEP      "train.step"            /* finished steps */
#define META_EPOCH     "train.steps_per_epoch" /* "105" */
#define META_POWERS    "train.powers"          /* beta1 and beta2 to the power step + 1 */
#define META_PRECISION "train.precision"       /* "float32"; the default */
#define META_EPOCH_METRICS \
    "train.metrics" /* struct weft_epoch_metrics: samples correct loss last_loss */
#define META_NORMS "train.norms" /* with a clipped gradient, the same: norm clipped */

/* The beginning of the names of what was derived from a model's probabilities
 * (weft_model_with_temperature). */
#define META_CALIBRATION "calibration."

#endif
