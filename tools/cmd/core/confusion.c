/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix as a list of cells. */
#include "core/confusion.h"
#include "core/term.h"

#include <stdlib.h>
#include <string.h>

static int compare_cells(const void *a, const void *b)
{
    const struct confusion_cell *x = a, *y = b;
    if (x->actual != y->actual)
        return x->actual < y->actual ? -1 : 1;
    return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

/* Adds up equal cells of a sorted list. */
static void join_cells(struct confusion *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct confusion_cell *last = c->count ? &c->cells[c->count - 1] : NULL;
        if (last && !compare_cells(last, &c->cells[i]))
            last->count++;
        else
            c->cells[c->count++] = c->cells[i];
    }
}

void confusion_init(struct confusion *confusion, int classes, const int32_t *labels,
                    const struct weft_prediction *predictions, int count)
{
    struct confusion c = {.classes = classes};
    size_t bytes = (size_t)classes * sizeof(*c.of), found = 0;
    c.of = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    c.cells = term_realloc_or_exit(NULL, (size_t)count * sizeof(*c.cells));
    for (int i = 0; i < classes; i++)
        c.of[i].worst = -1;
    for (int i = 0; i < count; i++) {
        c.of[labels[i]].images++;
        if (predictions[i].label >= 0)
            c.cells[found++] =
                (struct confusion_cell){labels[i], predictions[i].label, 1};
    }
    qsort(c.cells, found, sizeof(*c.cells), compare_cells);
    join_cells(&c, found);
    for (size_t i = 0; i < c.count; i++) {
        const struct confusion_cell *cell = &c.cells[i];
        struct confusion_class *actual = &c.of[cell->actual];
        c.of[cell->predicted].predicted += cell->count;
        if (cell->actual == cell->predicted)
            actual->correct = cell->count;
        else if (cell->count > actual->worst_count) {
            actual->worst = cell->predicted;
            actual->worst_count = cell->count;
        }
    }
    *confusion = c;
}

void confusion_free(struct confusion *confusion)
{
    free(confusion->cells);
    free(confusion->of);
    *confusion = (struct confusion){.classes = 0};
}

static int by_count(const void *a, const void *b)
{
    const struct confusion_cell *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return compare_cells(a, b);
}

struct confusion_cell *confusion_mistakes(const struct confusion *c, size_t *count)
{
    struct confusion_cell *cells =
        term_realloc_or_exit(NULL, (c->count + 1) * sizeof(*cells));
    *count = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->cells[i].actual != c->cells[i].predicted)
            cells[(*count)++] = c->cells[i];
    qsort(cells, *count, sizeof(*cells), by_count);
    return cells;
}

int64_t confusion_count(const struct confusion *confusion, int actual, int predicted)
{
    const struct confusion_cell key = {actual, predicted, 0},
                                *cell = confusion->count
                                            ? bsearch(&key, confusion->cells,
                                                      confusion->count, sizeof(key),
                                                      compare_cells)
                                            : NULL;
    return cell ? cell->count : 0;
}
