/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix: the cells that are not zero, at most one for each image. */
#ifndef WEFT_CMD_CORE_CONFUSION_H
#define WEFT_CMD_CORE_CONFUSION_H

#include <weft/weft.h>

struct confusion_cell {
    int actual, predicted;
    int64_t count;
};

struct confusion_class {
    int64_t images, predicted, correct; /* of this class, as this class, both */
    int worst; /* the class that it is most often taken for, or -1 */
    int64_t worst_count;
};

struct confusion {
    int classes;
    struct confusion_cell *cells; /* by actual and predicted class */
    size_t count;
    struct confusion_class *of; /* classes */
};

/* A prediction that is no class is in no cell. */
void confusion_init(struct confusion *confusion, int classes, const int32_t *labels,
                    const struct weft_prediction *predictions, int count);
void confusion_free(struct confusion *confusion);

/* The cells off the diagonal, the largest first; the caller frees them. */
struct confusion_cell *confusion_mistakes(const struct confusion *confusion,
                                          size_t *count);

int64_t confusion_count(const struct confusion *confusion, int actual, int predicted);

#endif
