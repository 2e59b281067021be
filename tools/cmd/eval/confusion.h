/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: the confusion matrix as text. */
#ifndef WEFT_CMD_EVAL_CONFUSION_H
#define WEFT_CMD_EVAL_CONFUSION_H

#include <stdint.h>

struct eval_confusion {
    int classes;
    const int64_t *counts; /* classes x classes: rows true classes, columns predicted */
    const char *const *names; /* of the classes */
};

/* Prints the matrix, or the most frequent confusions if it is too wide. */
void eval_print_confusion(const struct eval_confusion *confusion);

#endif
