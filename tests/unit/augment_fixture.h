/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation from its text, and draws of it, for two tests. */
#ifndef WEFT_TESTS_UNIT_AUGMENT_FIXTURE_H
#define WEFT_TESTS_UNIT_AUGMENT_FIXTURE_H

#include "unit/trainer_fixture.h"

#include "device/batch.h"
#include "net/augment.h"

static struct weft_augment resolve(const char *text, int side)
{
    struct weft_augment_options options = {0};
    struct weft_augment augment = {0};
    const double middle[4] = {0.5, 0.5, 0.5, 0.5};
    CHECK_OK(weft_augment_read(ctx, text, &options));
    CHECK_OK(weft_augment_resolve(ctx, &options,
                                  (struct weft_shape){.h = side, .w = side, .c = 1},
                                  middle, &augment));
    return augment;
}

static struct weft_augment_draw draw_of(const struct weft_augment *a, int side,
                                        unsigned image, unsigned epoch)
{
    struct weft_augment_draw d;
    weft_augment_draw(&d, a, side, side, 1, image, epoch, 11, 12);
    return d;
}

#endif
