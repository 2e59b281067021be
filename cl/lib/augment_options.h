/* SPDX-License-Identifier: Apache-2.0 */
/* The augmentation of a kernel that makes batches. Macros: H and W of an image; AUGMENT,
 * the numbers of a struct weft_augment, AUGMENT_MIDDLE and AUGMENT_BETA, those of its
 * arrays; MIXED: each image is mixed with the next. */
#ifndef WEFT_AUGMENT_OPTIONS_H
#define WEFT_AUGMENT_OPTIONS_H

#include "shared/augment.h"

#ifndef AUGMENT
#define AUGMENT \
    AUGMENT_RESAMPLED, 1, 2, 0, 8, 0, 9999, 999, 99, 99, 9, 9, 9, 9, 1, AUGMENT_MIXUP, 0
#define AUGMENT_MIDDLE 9, 9, 9, 9
#endif
#ifndef AUGMENT_BETA
#define AUGMENT_BETA                                                                    \
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0, 0, 0, 0
#endif
#ifndef MIXED
#define MIXED 0
#endif
#ifndef H
#define H 28
#endif
#ifndef W
#define W 28
#endif

/* An initializer. */
#define AUGMENT_OPTIONS            \
    {                              \
        AUGMENT, {AUGMENT_MIDDLE}, \
        {                          \
            AUGMENT_BETA           \
        }                          \
    }

#endif
