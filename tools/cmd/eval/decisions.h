/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: what the threshold and the prediction sets of a calibrated model do. */
#ifndef WEFT_CMD_EVAL_DECISIONS_H
#define WEFT_CMD_EVAL_DECISIONS_H

#include "core/decision.h"
#include "core/tta.h"

struct eval_decisions {
    const struct decision *decision;
    int64_t images, answered, wrong;  /* `wrong` of `answered` */
    int64_t covered, members, unique; /* sets with the true class; classes in all sets;
                                       * sets of one class */
};

/* `predictions` are those of tta_evaluate. Runs the model again if it has sets; the
 * predictor must give logits then. */
enum app_exit eval_measure_decisions(struct tta *tta, const struct decision *decision,
                                     const weft_dataset *data,
                                     const struct weft_prediction *predictions,
                                     struct eval_decisions *out);

/* The predictions with the temperature of the calibration taken back: `out` has those of
 * tta_evaluate, whose probabilities are replaced. The predictor must give logits. */
enum app_exit eval_undo_temperature(struct tta *tta, const struct decision *decision,
                                    const weft_dataset *data,
                                    struct weft_prediction *out);

/* Nothing without a threshold or sets. */
void eval_print_decisions(const struct eval_decisions *decisions);
/* The same in half a sentence for a page, "" without; allocated. */
char *eval_decisions_text(const struct eval_decisions *decisions);
void eval_json_decisions(const struct eval_decisions *decisions, struct json *json);

#endif
