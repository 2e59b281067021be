/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: the confusion matrix as text. */
#ifndef WEFT_CMD_EVAL_CONFUSION_H
#define WEFT_CMD_EVAL_CONFUSION_H

#include "core/confusion.h"

/* Prints the matrix, or the most frequent confusions if it is too wide. */
void eval_print_confusion(const struct confusion *confusion, const char *const *names);

#endif
