/* SPDX-License-Identifier: Apache-2.0 */
/* Logs beside log.jsonl for other programs: CSV and event files of TensorBoard. */
#define _GNU_SOURCE
#include "train/train.h"

#include "train/tensorboard.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LOG_BYTES = 1 << 28 };

static bool append_csv(const char *path, const struct train_epoch *e)
{
    struct table t;
    FILE *file = fopen(path, "ae");
    if (!file)
        return false;
    train_table_init(&t, file, TABLE_CSV);
    t.titled = !fseek(file, 0, SEEK_END) && ftell(file) > 0;
    train_add_row(&t, e, 0);
    table_free(&t);
    bool done = !ferror(file);
    return !fclose(file) && done;
}

/* Keeps the title and the epochs up to `epoch`. */
static bool truncate_csv(const char *path, int epoch, int64_t step)
{
    (void)step;
    size_t size, kept = 0;
    char *text = paths_read_file(path, MAX_LOG_BYTES, &size, NULL);
    if (!text)
        return errno == ENOENT;
    for (char *end; (end = memchr(text + kept, '\n', size - kept));) {
        if (kept && strtol(text + kept, NULL, 10) > epoch)
            break;
        kept = (size_t)(end + 1 - text);
    }
    bool done = kept == size || paths_write(path, text, kept);
    free(text);
    return done;
}

static bool append_events(const char *path, const struct train_epoch *e)
{
    const struct tensorboard_scalar scalars[] = {
        {"loss/train", e->loss},
        {"loss/validation", e->val_loss},
        {"accuracy/train", e->accuracy},
        {"accuracy/validation", e->val_accuracy},
        {"learning_rate", e->learning_rate},
        {"images_per_second", e->images_per_second},
    };
    return tensorboard_append(path, e->step, scalars, sizeof(scalars) / sizeof(*scalars));
}

/* After the epochs: results of the test, of the last weights and of the best. */
static bool append_test(const char *path, const struct train_session *session)
{
    const struct train_outcome *out = &session->outcome;
    double none = NAN;
    const struct tensorboard_scalar scalars[] = {
        {"loss/test", out->last.eval.loss},
        {"accuracy/test", out->last.eval.accuracy},
        {"loss/test_best", out->best.done ? out->best.eval.loss : none},
        {"accuracy/test_best", out->best.done ? out->best.eval.accuracy : none},
    };
    return !out->last.done || tensorboard_append(path, session->saved_step, scalars,
                                                 sizeof(scalars) / sizeof(*scalars));
}

static bool truncate_events(const char *path, int epoch, int64_t step)
{
    (void)epoch;
    return tensorboard_truncate(path, step);
}

/* TensorBoard reads files with "tfevents" in their names. */
static const struct {
    const char *name;
    bool (*append)(const char *path, const struct train_epoch *epoch);
    bool (*truncate)(const char *path, int epoch, int64_t step);
    bool (*append_test)(const char *path, const struct train_session *session);
} logs[] = {
    {"log.csv", append_csv, truncate_csv, NULL},
    {"events.out.tfevents.weft", append_events, truncate_events, append_test},
};
enum { LOGS = sizeof(logs) / sizeof(*logs) };
_Static_assert((int)LOGS == (int)TRAIN_LOGS, "an option for each log");

void train_discard_files(const struct train_session *session)
{
    const struct run_dir *run = &session->run;
    const char *const files[] = {run->best, run->log, run->page, run->last};
    char path[PATHS_MAX];
    if (run->lock < 0)
        return; /* the session has no folder */
    for (int i = 0; i < LOGS; i++)
        if (session->logs[i] && paths_join(path, run->folder, logs[i].name))
            unlink(path);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        unlink(files[i]);
}

enum app_exit train_begin_logs(struct train_session *session,
                               const struct weft_progress *p)
{
    char path[PATHS_MAX];
    for (int i = 0; i < LOGS; i++) {
        if (!paths_join(path, session->run.folder, logs[i].name))
            return app_error(session->app, APP_USAGE, "--out: the path is too long");
        session->logs[i] = session->logs[i] || paths_exists(path);
        if (session->logs[i] && !logs[i].truncate(path, p->epoch, p->step))
            return app_error(session->app, APP_FAILED, "%s: %s", path, strerror(errno));
    }
    return APP_OK;
}

enum app_exit train_append_logs(struct train_session *session,
                                const struct train_epoch *epoch)
{
    char path[PATHS_MAX];
    for (int i = 0; i < LOGS; i++)
        if (session->logs[i] && paths_join(path, session->run.folder, logs[i].name) &&
            !logs[i].append(path, epoch))
            return app_error(session->app, APP_FAILED, "%s: %s", path, strerror(errno));
    return APP_OK;
}

static void log_results(struct json *j, const void *priv)
{
    emit_object(j, NULL);
    emit_object(j, "results");
    train_emit_outcome(j, priv);
    emit_end(j);
    emit_end(j);
}

enum app_exit train_append_test(struct train_session *session)
{
    char path[PATHS_MAX];
    const struct train_outcome *out = &session->outcome;
    if (out->val.done || out->last.done) {
        enum app_exit code =
            run_dir_append_log(session->app, &session->run, log_results, out);
        if (code)
            return code;
    }
    for (int i = 0; i < LOGS; i++)
        if (session->logs[i] && logs[i].append_test &&
            paths_join(path, session->run.folder, logs[i].name) &&
            !logs[i].append_test(path, session))
            return app_error(session->app, APP_FAILED, "%s: %s", path, strerror(errno));
    return APP_OK;
}
