/* SPDX-License-Identifier: Apache-2.0 */
/* The notes of a model file: what each is called, in one place for writer and readers.
 * All are text; numbers are written so that reading gives the same bits. */
#ifndef WEFT_NET_NOTES_H
#define WEFT_NET_NOTES_H

#define NOTE_FORMAT    "weft.format"    /* "1" */
#define NOTE_NAME      "net.name"       /* "seed" */
#define NOTE_TEXT      "net.text"       /* weft/net.h */
#define NOTE_INPUT     "net.input"      /* "28 28 1": height width channels */
#define NOTE_CLASSES   "data.classes"   /* a JSON array of names */
#define NOTE_RELEASE   "data.release"   /* as weft_data_info tells; may be "" */
#define NOTE_COUNT     "data.count"     /* pictures trained on */
#define NOTE_MEAN      "data.mean"      /* a number for each channel, pixels in 0..1 */
#define NOTE_DEVIATION "data.deviation" /* the same */
#define NOTE_BATCH     "train.batch"    /* "512" */
#define NOTE_SEED      "train.seed"     /* "1" */
#define NOTE_KERNELS   "train.kernels"  /* which were chosen, hashed: weft_list.choices */
#define NOTE_RATE      "train.rate"     /* learning rate */
#define NOTE_STEP      "train.step"     /* steps finished */
#define NOTE_EPOCH     "train.steps_per_epoch" /* "105" */
#define NOTE_POWERS    "train.powers"          /* beta1 and beta2 to the power step + 1 */
#define NOTE_PRECISION "train.precision" /* "float32", which an absent one means too */
#define NOTE_TALLY     "train.tally" /* struct weft_tally: seen correct loss last_loss */

#endif
