/* SPDX-License-Identifier: Apache-2.0 */
/* Test-time augmentation: the softmax of the mean of the logits for an image and for
 * changed copies of it. */
#ifndef WEFT_CMD_CORE_TTA_H
#define WEFT_CMD_CORE_TTA_H

#include "core/app.h"

/* FLIP: the image and its mirror image, M(x). SHIFT: 1/2 M(x) + 1/4 M(x shifted by one
 * row and column) + 1/4 M(x shifted the other way), the edge reflected (Jordan 2024,
 * arXiv:2404.00498). */
enum tta_kind { TTA_NONE, TTA_FLIP, TTA_SHIFT };
#define TTA_KINDS "none|flip|shift"

/* A predictor with the changes that the options ask for. */
struct tta {
    const struct app *app;
    weft_predictor *predictor;
    struct weft_net_info net;
    enum tta_kind kind;
    double below;            /* only images whose largest probability is less; 0: all */
    int64_t images, changed; /* so far: all, and those of which copies were made */
};

extern const struct args_option app_tta_options[]; /* --tta, --tta-below */

/* APP_USAGE for --tta-below without --tta; before any work. */
enum app_exit tta_check_options(const struct app *app);

/* The predictor must give logits where --tta is not none: predictor_params.logits. */
void tta_init(struct tta *tta, const struct app *app, weft_predictor *predictor,
              const weft_net *net);

/* weft_predictor_run; `probabilities` has the first output only where `kind` is not
 * none. */
enum app_exit tta_run(struct tta *tta, const uint8_t *pixels, int count,
                      float *probabilities);

/* weft_predictor_evaluate. */
enum app_exit tta_evaluate(struct tta *tta, const weft_dataset *data,
                           struct weft_prediction *predictions, struct weft_eval *out);

/* Passes on the logits of all images of a dataset, `count` images at once, the first
 * being number `first`. The predictor must give logits, also where `kind` is none. */
typedef enum app_exit (*tta_use_fn)(void *priv, const double *logits, int first,
                                    int count);
enum app_exit tta_run_dataset(struct tta *tta, const weft_dataset *data, tta_use_fn use,
                              void *priv);

/* "flip test-time augmentation of 120 of 1,000 images, those below 90 %"; "": none. In a
 * static buffer. */
const char *tta_text(const struct tta *tta);
const char *tta_name(const struct tta *tta); /* "flip" */
void tta_json(const struct tta *tta, struct json *json);

#endif
