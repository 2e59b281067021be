/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of the classes in the loss: balanced, or from a file. */
#define _GNU_SOURCE
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 24 };

static enum app_exit fail_file(const struct train_session *session, const char *what,
                               int line, int classes)
{
    return app_error(
        session->app, APP_BAD_INPUT,
        "--class-weights %s: %s %d; it has a number of 0 or more for each of "
        "the %d classes, one a line in their order",
        session->class_weights, what, line, classes);
}

static enum app_exit parse(struct train_session *session, char *text, int classes)
{
    int count = 0;
    for (char *line = text, *next; line && *line; line = next) {
        char *end;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        line[strcspn(line, "\r#")] = 0;
        if (!line[strspn(line, " \t")])
            continue;
        double weight = strtod(line, &end);
        if (end == line || end[strspn(end, " \t")] || !(weight >= 0 && weight <= 1e6))
            return fail_file(session, "no weight for class", count, classes);
        if (count == classes)
            return fail_file(session, "more weights than", classes, classes);
        session->weights[count++] = (float)weight;
    }
    return count == classes ? APP_OK
                            : fail_file(session, "the weights end after", count, classes);
}

/* N / (k n) for a class with n of the N images, of k classes that have any; 1 for one
 * without. */
static void balance(const struct weft_dataset_info *data, float *weights)
{
    size_t bytes = (size_t)data->classes * sizeof(int);
    int present = 0, *counts = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    for (int i = 0; i < data->count; i++)
        present += !counts[data->labels[i]]++;
    for (int c = 0; c < data->classes; c++)
        weights[c] =
            counts[c] ? (float)(data->count / ((double)present * counts[c])) : 1.0f;
    free(counts);
}

enum app_exit train_open_class_weights(struct train_session *session)
{
    struct weft_dataset_info info;
    const char *why = NULL;
    size_t size;
    if (!session->class_weights || !strcmp(session->class_weights, "none"))
        return APP_OK;
    bool balanced = !strcmp(session->class_weights, "balanced");
    if (balanced)
        snprintf(session->weights_path, PATHS_MAX, "%s", session->class_weights);
    else
        train_absolute(session->weights_path, session->class_weights);
    weft_dataset_info(session->train, &info);
    session->weights =
        term_realloc_or_exit(NULL, (size_t)info.classes * sizeof(*session->weights));
    if (balanced) {
        balance(&info, session->weights);
        return APP_OK;
    }
    char *text = paths_read_file(session->class_weights, MAX_BYTES, &size, &why);
    static const char *const words[] = {"balanced", "none"};
    char close[WEFT_SUGGESTION];
    if (!text)
        return app_error(session->app, APP_BAD_INPUT,
                         "--class-weights %s: %s; it is balanced, none or a file%s",
                         session->class_weights, why,
                         weft_suggestion(session->class_weights, words, 2, close));
    enum app_exit code = parse(session, text, info.classes);
    free(text);
    return code;
}
