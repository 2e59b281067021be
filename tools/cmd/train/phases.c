/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in phases: their texts, and the change from one to the next. */
#define _GNU_SOURCE
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

static const char space[] = " \t\n,";

/* The texts of a phase. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"freeze", offsetof(struct train_phase, freeze)},
    {"layer-rates", offsetof(struct train_phase, layer_rates)},
    {"schedule", offsetof(struct train_phase, schedule)},
    {"augment", offsetof(struct train_phase, augment)},
};
enum { TEXTS = sizeof(texts) / sizeof(*texts) };

static const char **text_of(struct train_phase *phase, int i)
{
    return (const char **)((char *)phase + texts[i].offset);
}

static bool is_number(const char *text, double least, double most, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && *out >= least && *out <= most;
}

/* NULL, or what is wrong. */
static const char *set_word(struct train_phase *phase, const char *name,
                            const char *value)
{
    double number;
    if (!strcmp(name, "epochs")) {
        if (!is_number(value, 1, 1e6, &number) || number != (int)number)
            return "epochs must be a whole number from 1 on";
        phase->epochs = (int)number;
        return NULL;
    }
    if (!strcmp(name, "lr")) {
        phase->learning_rate = 0;
        return is_number(value, 1e-12, 1e6, &phase->learning_rate)
                   ? NULL
                   : "lr must be 1e-12 to 1e6";
    }
    for (int i = 0; i < TEXTS; i++)
        if (!strcmp(name, texts[i].name)) {
            *text_of(phase, i) = value;
            return NULL;
        }
    return "a phase has the words epochs, lr, freeze, layer-rates, schedule and augment";
}

/* The words NAME=VALUE of a phase; a value may be between quotes. NULL, or what is
 * wrong. */
static const char *read_phase(char *text, struct train_phase *phase)
{
    for (text += strspn(text, space); *text; text += strspn(text, space)) {
        char *name = text, *value = strchr(text, '='), *end;
        if (!value)
            return "its words are NAME=VALUE";
        *value++ = 0;
        bool quoted = *value == '\'' || *value == '"';
        end = quoted ? strchr(value + 1, *value) : value + strcspn(value, space);
        if (!end)
            return "a quote is not closed";
        text = *end ? end + 1 : end;
        *end = 0;
        const char *wrong = set_word(phase, name, value + quoted);
        if (wrong)
            return wrong;
    }
    return phase->epochs ? NULL : "it needs the number of its epochs, epochs=N";
}

/* The phases as they are kept in a checkpoint: every word is there, also those that the
 * options of the command gave. */
static char *write_phases(const struct train_session *session)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int k = 0; out && k < session->phase_count; k++) {
        struct train_phase phase = session->phases[k];
        fprintf(out, "%sepochs=%d", k ? "; " : "", phase.epochs);
        if (phase.learning_rate > 0)
            fprintf(out, " lr=%.9g", phase.learning_rate);
        for (int i = 0; i < TEXTS; i++)
            if (*text_of(&phase, i))
                fprintf(out, " %s='%s'", texts[i].name, *text_of(&phase, i));
    }
    if (out)
        fclose(out);
    return text;
}

enum app_exit train_read_phases(struct train_session *session, const char *text,
                                const struct train_phase *defaults)
{
    char *rest = session->phase_words = strdup(text), *part;
    while (rest && (part = strsep(&rest, ";"))) {
        if (session->phase_count == TRAIN_MAX_PHASES)
            return app_error(session->app, APP_USAGE, "--phases: more than %d",
                             TRAIN_MAX_PHASES);
        struct train_phase *phase = &session->phases[session->phase_count++];
        *phase = *defaults;
        const char *wrong = read_phase(part, phase);
        if (wrong)
            return app_error(session->app, APP_USAGE, "--phases: phase %d: %s",
                             session->phase_count, wrong);
        session->epochs =
            phase->epochs + (session->phase_count > 1 ? session->epochs : 0);
    }
    session->phases_text = write_phases(session);
    return session->phase_words && session->phases_text
               ? APP_OK
               : app_error(session->app, APP_FAILED, "out of memory");
}

enum app_exit train_read_phase_options(struct train_session *session,
                                       const struct train_options *o)
{
    const struct train_phase defaults = {.learning_rate = o->learning_rate,
                                         .layer_rates = o->layer_rates,
                                         .schedule = o->schedule,
                                         .augment = o->augment};
    return train_read_phases(session, o->phases, &defaults);
}

void train_free_phases(struct train_session *session)
{
    free(session->phase_words);
    free(session->phases_text);
    free(session->phase_net);
}

int train_phase_begin(const struct train_session *session)
{
    int begin = 0;
    for (int k = 0; k < session->phase && k < session->phase_count; k++)
        begin += session->phases[k].epochs;
    return begin;
}

int train_phase_epochs(const struct train_session *session)
{
    return session->phase_count ? session->phases[session->phase].epochs
                                : session->epochs;
}

void train_set_phase(struct train_session *session, int number)
{
    const struct train_phase *phase = &session->phases[number];
    session->phase = number;
    session->learning_rate = phase->learning_rate;
    session->schedule = phase->schedule;
    session->augment = phase->augment;
    session->layer_rates = phase->layer_rates;
}

void train_print_phase(const struct train_session *session)
{
    const struct train_phase *phase = &session->phases[session->phase];
    int begin = train_phase_begin(session);
    if (!session->phase_count)
        return;
    term_print("%sPhase%s   %d of %d, epochs %d to %d: learning rate %s, %s, %s%s%s%s",
               term_style_begin(stderr, TERM_BOLD), term_style_end(stderr),
               session->phase + 1, session->phase_count, begin + 1, begin + phase->epochs,
               app_rate_text(train_learning_rate(session)),
               phase->schedule ? phase->schedule : "schedule of the network",
               phase->freeze ? "frozen " : "nothing more frozen",
               phase->freeze ? phase->freeze : "", phase->augment ? "; " : "",
               phase->augment ? phase->augment : "");
}

/* The network of the phase: that of the run, with its frozen layers and rates. */
enum app_exit train_open_phase_net(struct train_session *session)
{
    const struct train_phase *phase = &session->phases[session->phase];
    struct weft_dataset_info shape;
    struct weft_net_info info;
    weft_net *net = NULL;
    weft_net_info(session->net, &info);
    if (!session->phase_net && !(session->phase_net = strdup(info.text)))
        return app_error(session->app, APP_FAILED, "out of memory");
    weft_dataset_info(session->train, &shape);
    enum weft_status status = weft_net_create(
        session->app->context, session->phase_net,
        weft_net_params(.name = info.name, .height = shape.height, .width = shape.width,
                        .channels = shape.channels, .classes = shape.classes),
        &net);
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    weft_net_destroy(&session->net);
    session->net = net;
    return train_edit_layers(session, phase->freeze, phase->layer_rates);
}

enum app_exit train_next_phase(struct train_session *session, struct weft_progress *p)
{
    train_set_phase(session, session->phase + 1);
    enum app_exit code = train_open_phase_net(session);
    if (code)
        return code;
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status = train_create_trainer(session);
    term_wait_end();
    if (!status)
        status = weft_trainer_progress(session->trainer, p);
    if (status)
        return app_report_error(session->app, APP_WORK, status);
    session->stall_seconds = 0;
    train_print_phase(session);
    train_print_features(session);
    return APP_OK;
}
