/* SPDX-License-Identifier: Apache-2.0 */
/* Divergence of a training run: a loss or a state that is not finite, or results of
 * guessing after better ones. */
#include "train/train.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Standard errors above the accuracy of guessing: an accuracy beyond the first is better
 * than guessing, one below the second is guessing. */
static const double better_errors = 5, chance_errors = 2;

/* Fraction of the loss of guessing from which on a loss is that of guessing: a network
 * that outputs the frequencies of the classes has that loss up to the noise of its last
 * layer. */
static const double chance_loss = 0.99;

/* Without a better epoch: this multiple of the loss of equal probabilities comes from
 * weights that grew, not from their initial values. */
static const double grown_loss = 100;

static double weight_of(const struct train_session *session, int c)
{
    return session->weights ? (double)session->weights[c] : 1;
}

/* Results of the best network that does not look at the images: its loss is the entropy
 * of the weighted classes after label smoothing, its accuracy the frequency of the
 * largest. */
static void measure_guessing(const struct train_session *session, double *loss,
                             double *accuracy)
{
    struct weft_dataset_info data;
    struct weft_net_info net;
    weft_dataset_info(session->train, &data);
    weft_net_info(session->net, &net);
    size_t bytes = (size_t)data.classes * sizeof(int64_t);
    int64_t *counts = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    double all = 0, images = data.count;
    *loss = *accuracy = 0;
    for (int i = 0; i < data.count; i++) {
        counts[data.labels[i]]++;
        all += weight_of(session, data.labels[i]);
    }
    if (session->balance) {
        images = 0;
        for (int c = 0; c < data.classes; c++)
            images += (double)(counts[c] = counts[c] > 0);
        all = images;
    }
    for (int c = 0; c < data.classes; c++) {
        double p = (double)counts[c] / images, smoothing = (double)net.label_smoothing;
        double share = all > 0 ? weight_of(session, c) * (double)counts[c] / all : 0;
        double q = (1 - smoothing) * share + smoothing / data.classes;
        *accuracy = fmax(*accuracy, p);
        *loss -= q > 0 ? all / images * q * log(q) : 0;
    }
    free(counts);
}

bool train_has_learned(const struct train_session *session, const struct weft_progress *p)
{
    double loss, accuracy, samples = (double)p->samples;
    measure_guessing(session, &loss, &accuracy);
    return (double)p->correct / samples >
           accuracy + better_errors * sqrt(accuracy * (1 - accuracy) / samples);
}

bool train_is_guessing(const struct train_session *session, const struct weft_progress *p,
                       const struct weft_progress *since)
{
    double guess_loss, guess_accuracy, samples = (double)p->samples;
    double correct = (double)p->correct, loss = p->loss * samples;
    measure_guessing(session, &guess_loss, &guess_accuracy);
    if (since && since->step == p->step - p->steps_per_epoch / 2) {
        samples -= (double)since->samples;
        correct -= (double)since->correct;
        loss -= since->loss * (double)since->samples;
    }
    double error = sqrt(guess_accuracy * (1 - guess_accuracy) / samples);
    struct weft_net_info net;
    weft_net_info(session->net, &net);
    double limit = session->learned
                       ? chance_loss * guess_loss
                       : fmax(grown_loss * log(net.classes), 2 * session->first_loss);
    return error > 0 && correct / samples <= guess_accuracy + chance_errors * error &&
           loss / samples >= limit;
}

/* True if the range of float16 is a likely cause: `auto` may have chosen it, too. */
static bool may_overflow(const struct train_session *session, const char *what)
{
    struct weft_trainer_info info;
    weft_trainer_info(session->trainer, &info);
    return info.precision == WEFT_PRECISION_FLOAT16 && strcmp(what, TRAIN_GUESSING) != 0;
}

enum app_exit train_report_divergence(struct train_session *session,
                                      const struct weft_progress *p, const char *what)
{
    int64_t epoch =
        p->step ? (p->step - 1) / p->steps_per_epoch + 1 : 1; /* p->epoch: finished */
    if (!session->diverged)
        app_error(
            session->app, APP_FAILED,
            "training diverged: %s at step %lld (epoch %lld); %s holds the last good "
            "state, of step %lld: continue with --resume --out %s and a smaller --lr "
            "than %s%s",
            what, (long long)p->step, (long long)epoch, session->run.last,
            (long long)session->saved_step, paths_shell_quoted(session->run.folder),
            app_rate_text(train_learning_rate(session)),
            may_overflow(session, what)
                ? ", or start a new run with --precision float32: in float16 an "
                  "activation, or a gradient times its loss scale, may exceed 65,504"
                : "");
    session->diverged = true;
    return session->keep_going ? APP_OK : APP_FAILED;
}
