/* SPDX-License-Identifier: Apache-2.0 */
/* Balanced sampling: the table of the classes and their images (shared/balance.h). */
#include "shared/balance.h"
#include "train/trainer.h"

#include <stdlib.h>

size_t weft_trainer_balance_words(const struct weft_trainer *t)
{
    return BALANCE_FIRST + (size_t)t->balance[BALANCE_CLASSES] + 1 + (size_t)t->count;
}

/* `places` has an element for each class: how many images it has, then where the next one
 * goes. */
static void fill(struct weft_trainer *t, const struct weft_dataset_info *info,
                 uint32_t *places)
{
    uint32_t *table = t->balance, classes = 0;
    for (int i = 0; i < t->count; i++)
        classes += !places[info->labels[i]]++;
    uint32_t k = BALANCE_FIRST, at = BALANCE_FIRST + classes + 1;
    table[BALANCE_CLASSES] = classes;
    for (int c = 0; c < info->classes; c++) {
        uint32_t images = places[c];
        places[c] = at;
        if (images)
            table[k++] = at;
        at += images;
    }
    table[k] = at;
    for (int i = 0; i < t->count; i++)
        table[places[info->labels[i]]++] = (uint32_t)i;
}

enum weft_status weft_trainer_balance(struct weft_trainer *t,
                                      const struct weft_dataset_info *info,
                                      const struct weft_train_params *p)
{
    weft_context *ctx = t->device->context;
    size_t classes = (size_t)info->classes;
    size_t most = (BALANCE_FIRST + classes + 1 + (size_t)t->count) * sizeof(uint32_t);
    if (!p->balance)
        return WEFT_OK;
    WEFT_REQUIRE(ctx, !p->class_weights, "balance and class_weights exclude each other");
    uint32_t *places = calloc(classes, sizeof(*places));
    t->balance = malloc(most);
    if (!places || !t->balance) {
        free(places);
        return weft_out_of_memory(ctx, "balanced sampling", most);
    }
    fill(t, info, places);
    free(places);
    size_t bytes = weft_trainer_balance_words(t) * sizeof(uint32_t);
    const struct weft_backend *backend = t->device->backend;
    t->device_bytes += bytes + WEFT_BUFFER_PADDING;
    WEFT_TRY(backend->alloc(t->device, bytes, &t->balance_mem));
    return backend->write(t->device, t->balance_mem, 0, t->balance, bytes);
}
