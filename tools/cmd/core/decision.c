/* SPDX-License-Identifier: Apache-2.0 */
/* Threshold and prediction sets in the metadata of a model. */
#include "core/decision.h"

#include "core/plain_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PAIRS = 9 };

#define NAME(field) "calibration." field

/* The numbers of a text, with single blanks between them; false: another number of them,
 * or one is not finite. */
static bool read_numbers(const char *text, double *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *end;
        out[i] = strtod(text, &end);
        if (end == text || !isfinite(out[i]) || (i + 1 < count && *end != ' '))
            return false;
        text = end;
    }
    return !*text;
}

static bool is_fraction(double x)
{
    return x >= 0 && x <= 1;
}

static bool read_measurements(const weft_model *model, struct decision *d)
{
    double images = 0;
    const char *count = weft_model_metadata(model, NAME("images"));
    const char *loss = weft_model_metadata(model, NAME("loss"));
    const char *error = weft_model_metadata(model, NAME("error"));
    const char *temperature = weft_model_metadata(model, NAME("temperature"));
    d->data = weft_model_metadata(model, NAME("data"));
    d->tta = weft_model_metadata(model, NAME("tta"));
    if (!d->data || !d->tta || !count || !loss || !error ||
        !read_numbers(temperature, &d->temperature, 1) || d->temperature <= 0 ||
        !read_numbers(count, &images, 1) || images < 1 || images > 2e9 ||
        !read_numbers(loss, d->loss, 2) || !read_numbers(error, d->error, 2))
        return false;
    d->images = (int)images;
    return true;
}

static bool read_threshold(const char *text, struct decision *d)
{
    double values[5];
    if (!read_numbers(text, values, 5))
        return false;
    for (int i = 0; i < 5; i++)
        if (!is_fraction(values[i]))
            return false;
    d->has_threshold = true;
    d->threshold = (float)values[0];
    d->max_error = values[1];
    d->confidence = values[2];
    d->bound = values[3];
    d->share = values[4];
    return true;
}

/* The coverage, the mean size of a set, and one limit for each class or one for all. */
static bool read_sets(const char *text, struct decision *d)
{
    enum { BEFORE = 2 };
    size_t classes = (size_t)d->classes, count = 1;
    for (const char *at = text; *at; at++)
        count += *at == ' ';
    d->by_class = count == classes + BEFORE;
    if (count != BEFORE + 1 && !d->by_class)
        return false;
    double *values = term_realloc_or_exit(NULL, count * sizeof(*values));
    bool valid = read_numbers(text, values, count) && is_fraction(values[0]);
    d->limits = term_realloc_or_exit(NULL, classes * sizeof(*d->limits));
    for (size_t k = 0; k < classes && valid; k++) {
        double limit = values[BEFORE + (d->by_class ? k : 0)];
        valid = is_fraction(limit);
        d->limits[k] = (float)limit;
    }
    d->coverage = values[0];
    d->set_size = values[1];
    free(values);
    return valid;
}

static bool read_confusion(const char *text, struct decision *d)
{
    if (d->classes > DECISION_MAX_CONFUSION)
        return false;
    size_t count = (size_t)d->classes * ((size_t)d->classes + 1);
    double *values = term_realloc_or_exit(NULL, count * sizeof(*values));
    bool valid = read_numbers(text, values, count);
    d->confusion = term_realloc_or_exit(NULL, count * sizeof(*d->confusion));
    for (size_t i = 0; i < count && valid; i++) {
        valid = values[i] >= 0 && values[i] <= 1e9;
        d->confusion[i] = valid ? (int)values[i] : 0;
    }
    free(values);
    return valid;
}

enum app_exit decision_read(const struct app *app, const weft_model *model,
                            struct decision *out)
{
    struct weft_model_info info;
    struct weft_net_info net;
    weft_model_info(model, &info);
    weft_net_info(info.net, &net);
    *out = (struct decision){.classes = net.classes};
    if (!weft_model_metadata(model, NAME("temperature")))
        return APP_OK;
    const char *threshold = weft_model_metadata(model, NAME("threshold"));
    const char *sets = weft_model_metadata(model, NAME("sets"));
    const char *confusion = weft_model_metadata(model, NAME("confusion"));
    const char *wrong = !read_measurements(model, out)                 ? ""
                        : threshold && !read_threshold(threshold, out) ? "threshold"
                        : sets && !read_sets(sets, out)                ? "sets"
                        : confusion && !read_confusion(confusion, out) ? "confusion"
                                                                       : NULL;
    out->calibrated = !wrong;
    return wrong ? app_error(app, APP_BAD_INPUT,
                             "the model's metadata \"calibration.%s\" are not valid: "
                             "calibrate it again",
                             wrong)
                 : APP_OK;
}

void decision_free(struct decision *decision)
{
    free(decision->limits);
    free(decision->confusion);
    *decision = (struct decision){0};
}

/* Appends a name and a value, which it owns. */
static void add(char **pairs, const char *name, char *value)
{
    int i = 0;
    while (pairs[i])
        i++;
    pairs[i] = term_format_or_exit(NAME("%s"), name);
    pairs[i + 1] = value;
    pairs[i + 2] = NULL;
}

static char *sets_text(const struct decision *d)
{
    enum { NUMBER = 24 };
    int count = d->by_class ? d->classes : 1;
    size_t size = ((size_t)count + 2) * NUMBER, used = 0;
    char *text = term_realloc_or_exit(NULL, size);
    used += (size_t)snprintf(text, size, "%.9g %.9g", d->coverage, d->set_size);
    for (int k = 0; k < count; k++)
        used += (size_t)snprintf(text + used, size - used, " %.9g", (double)d->limits[k]);
    return text;
}

static char *confusion_text(const struct decision *d)
{
    enum { NUMBER = 12 };
    size_t count = (size_t)d->classes * ((size_t)d->classes + 1), used = 0;
    char *text = term_realloc_or_exit(NULL, count * NUMBER);
    for (size_t i = 0; i < count; i++)
        used +=
            (size_t)snprintf(text + used, NUMBER, "%s%d", i ? " " : "", d->confusion[i]);
    return text;
}

char **decision_metadata(const struct decision *d)
{
    char **pairs = term_realloc_or_exit(NULL, (2 * MOST_PAIRS + 1) * sizeof(*pairs));
    pairs[0] = NULL;
    add(pairs, "temperature", term_format_or_exit("%.9g", d->temperature));
    add(pairs, "images", term_format_or_exit("%d", d->images));
    add(pairs, "data", term_format_or_exit("%s", plain_text(d->data)));
    add(pairs, "tta", term_format_or_exit("%s", d->tta));
    add(pairs, "loss", term_format_or_exit("%.9g %.9g", d->loss[0], d->loss[1]));
    add(pairs, "error", term_format_or_exit("%.9g %.9g", d->error[0], d->error[1]));
    if (d->has_threshold)
        add(pairs, "threshold",
            term_format_or_exit("%.9g %.9g %.9g %.9g %.9g", (double)d->threshold,
                                d->max_error, d->confidence, d->bound, d->share));
    if (d->coverage > 0)
        add(pairs, "sets", sets_text(d));
    if (d->confusion)
        add(pairs, "confusion", confusion_text(d));
    return pairs;
}

void decision_metadata_free(char **metadata)
{
    for (int i = 0; metadata && metadata[i]; i++)
        free(metadata[i]);
    free(metadata);
}

bool decision_is_unsure(const struct decision *d, float largest)
{
    return d->has_threshold && !(largest >= d->threshold);
}

int decision_set(const struct decision *d, const float *probabilities, int *out)
{
    int count = 0;
    for (int k = 0; k < d->classes && d->coverage > 0; k++) {
        if (!(probabilities[k] >= d->limits[k]))
            continue;
        int at = count++;
        for (; at > 0 && probabilities[out[at - 1]] < probabilities[k]; at--)
            out[at] = out[at - 1];
        out[at] = k;
    }
    return count;
}

void decision_check_tta(const struct decision *d, const char *tta)
{
    if ((d->has_threshold || d->coverage > 0) && strcmp(d->tta, tta) != 0)
        term_warn("the model was calibrated with --tta %s, so its threshold and sets "
                  "promise nothing for --tta %s",
                  plain_text(d->tta), tta);
}

void decision_print(const struct decision *d)
{
    enum { INDENT = 13 };
    if (!d->calibrated)
        return;
    term_line(INDENT, "Calibrated   on %s images of %s%s%s", table_thousands(d->images),
              plain_text(d->data), strcmp(d->tta, "none") ? ", --tta " : "",
              strcmp(d->tta, "none") ? plain_text(d->tta) : "");
    term_line(INDENT,
              "Temperature  %.4g; loss %.4f before, %.4f after; calibration error %.2f "
              "%% before, %.2f %% after",
              d->temperature, d->loss[0], d->loss[1], 100 * d->error[0],
              100 * d->error[1]);
    if (d->has_threshold)
        term_line(INDENT,
                  "Threshold    %.4f: answers %.1f %% of images; at most %.4g %% of the "
                  "answers are wrong, with %.4g %% confidence",
                  (double)d->threshold, 100 * d->share, 100 * d->max_error,
                  100 * d->confidence);
    if (d->coverage > 0)
        term_line(INDENT,
                  "Sets         have the true class of %.4g %% of images%s; %.2f classes "
                  "in the mean",
                  100 * d->coverage, d->by_class ? ", of each class" : "", d->set_size);
}

void decision_json(const struct decision *d, struct json *j)
{
    if (!d->calibrated)
        return;
    emit_object(j, "calibration");
    emit_double(j, "temperature", d->temperature);
    emit_int(j, "images", d->images);
    emit_text(j, "data", d->data);
    emit_text(j, "tta", d->tta);
    emit_double(j, "loss_before", d->loss[0]);
    emit_double(j, "loss", d->loss[1]);
    emit_double(j, "calibration_error_before", d->error[0]);
    emit_double(j, "calibration_error", d->error[1]);
    if (d->has_threshold) {
        emit_double(j, "threshold", (double)d->threshold);
        emit_double(j, "max_error", d->max_error);
        emit_double(j, "confidence", d->confidence);
        emit_double(j, "error_bound", d->bound);
        emit_double(j, "answered", d->share);
    }
    if (d->coverage > 0) {
        emit_double(j, "set_coverage", d->coverage);
        emit_double(j, "set_size", d->set_size);
        emit_bool(j, "set_by_class", d->by_class);
        emit_list(j, "set_limits");
        for (int k = 0; k < d->classes; k++)
            emit_double(j, NULL, (double)d->limits[k]);
        emit_end(j);
    }
    emit_end(j);
}
