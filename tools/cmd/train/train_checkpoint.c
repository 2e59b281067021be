/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a run in its checkpoints, from which it is resumed. */
#include "train/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum kind { BOOL, INT, INT64, DOUBLE, HASH, TEXT, BUFFER, KINDS };

/* Fields of a session. Those that are zero or empty are left out, and absent ones are
 * zero. A restored TEXT lives as long as the checkpoint; a BUFFER, and what depends on
 * other fields, is restored by its owner. */
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    bool restored;
} fields[] = {
#define FIELD(name, kind, member, restored)                          \
    {                                                                \
        name, kind, offsetof(struct train_session, member), restored \
    }
    FIELD(TRAIN_META_DATA, BUFFER, data_path, false),
    FIELD(TRAIN_META_DATA_HASH, HASH, data_hash, false),
    FIELD(TRAIN_META_VAL_HASH, HASH, val_hash, false),
    FIELD(TRAIN_META_TEST, BUFFER, test_path, false),
    FIELD("run.val_images", INT, val_count, true),
    FIELD("run.val_part", BOOL, val_part, true),
    FIELD(TRAIN_META_EPOCHS, INT, epochs, true),
    FIELD(TRAIN_META_PATIENCE, INT, patience, true),
    FIELD("run.best", DOUBLE, best, true),
    FIELD("run.best_epoch", INT, best_epoch, true),
    FIELD("run.learned", BOOL, learned, true),
    FIELD("run.first_loss", DOUBLE, first_loss, true),
    FIELD("run.half.step", INT64, half.step, true),
    FIELD("run.half.samples", INT64, half.samples, true),
    FIELD("run.half.correct", INT64, half.correct, true),
    FIELD("run.half.loss", DOUBLE, half.loss, true),
    FIELD("run.fold", INT, fold, true),
    FIELD("run.folds", INT, folds, true),
    FIELD(TRAIN_META_FROM, BUFFER, from_path, false),
    FIELD(TRAIN_META_FREEZE, TEXT, freeze, true),
    FIELD(TRAIN_META_LAYERS, TEXT, layer_rates, true),
    FIELD(TRAIN_META_WEIGHTS, BUFFER, weights_path, false),
    FIELD(TRAIN_META_LABELS, BUFFER, labels_path, false),
    FIELD(TRAIN_META_RATES, TEXT, rates_text, false),
    FIELD(TRAIN_META_PHASES, TEXT, phases_text, false),
    FIELD("run.phase", INT, phase, true),
    FIELD(TRAIN_META_PHASE_NET, TEXT, phase_net, false),
#undef FIELD
};
enum { FIELDS = sizeof(fields) / sizeof(*fields), NUMBER = 32 };

/* A field as text, in `out` of NUMBER bytes if it is none; NULL: it is zero or empty. */
typedef const char *(*write_fn)(const void *field, char *out);

static const char *write_bool(const void *field, char *out)
{
    snprintf(out, NUMBER, "1");
    return *(const bool *)field ? out : NULL;
}

static const char *write_int(const void *field, char *out)
{
    snprintf(out, NUMBER, "%d", *(const int *)field);
    return *(const int *)field ? out : NULL;
}

static const char *write_int64(const void *field, char *out)
{
    snprintf(out, NUMBER, "%" PRId64, *(const int64_t *)field);
    return *(const int64_t *)field ? out : NULL;
}

static const char *write_double(const void *field, char *out)
{
    snprintf(out, NUMBER, "%.17g", *(const double *)field);
    return *(const double *)field != 0 ? out : NULL;
}

static const char *write_hash(const void *field, char *out)
{
    snprintf(out, NUMBER, "%016" PRIx64, *(const uint64_t *)field);
    return *(const uint64_t *)field ? out : NULL;
}

static const char *write_text(const void *field, char *out)
{
    const char *text = *(const char *const *)field;
    (void)out;
    return text && *text ? text : NULL;
}

static const char *write_buffer(const void *field, char *out)
{
    const char *text = field;
    (void)out;
    return *text ? text : NULL;
}

static void read_bool(const char *text, void *field)
{
    *(bool *)field = text && atoi(text);
}

static void read_int(const char *text, void *field)
{
    *(int *)field = text ? atoi(text) : 0;
}

static void read_int64(const char *text, void *field)
{
    *(int64_t *)field = text ? strtoll(text, NULL, 10) : 0;
}

static void read_double(const char *text, void *field)
{
    *(double *)field = text ? strtod(text, NULL) : 0;
}

static void read_text(const char *text, void *field)
{
    *(const char **)field = text;
}

static const struct {
    write_fn write;
    void (*read)(const char *text, void *field);
} kinds[KINDS] = {
    [BOOL] = {write_bool, read_bool},    [INT] = {write_int, read_int},
    [INT64] = {write_int64, read_int64}, [DOUBLE] = {write_double, read_double},
    [HASH] = {write_hash, NULL},         [TEXT] = {write_text, read_text},
    [BUFFER] = {write_buffer, NULL},
};

/* Names and values of `session`, for weft_trainer_save_checkpoint. */
struct pairs {
    char numbers[FIELDS][NUMBER];
    const char *list[2 * FIELDS + 1];
};

static void describe(const struct train_session *session, struct pairs *out)
{
    int count = 0;
    for (int i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        const char *value =
            kinds[f->kind].write((const char *)session + f->offset, out->numbers[i]);
        if (!value)
            continue;
        out->list[count++] = f->name;
        out->list[count++] = value;
    }
    out->list[count] = NULL;
}

const char *train_metadata(const struct train_session *session, const char *name)
{
    const char *text = weft_model_metadata(session->checkpoint, name);
    return text ? text : "";
}

void train_restore_fields(struct train_session *session)
{
    for (int i = 0; i < FIELDS; i++)
        if (fields[i].restored)
            kinds[fields[i].kind].read(
                weft_model_metadata(session->checkpoint, fields[i].name),
                (char *)session + fields[i].offset);
}

enum app_exit train_save_checkpoint(struct train_session *session, const char *path)
{
    struct pairs pairs;
    describe(session, &pairs);
    struct weft_progress p;
    session->saved = false;
    enum weft_status status = weft_trainer_progress(session->trainer, &p);
    if (!status)
        status = weft_trainer_save_checkpoint(session->trainer, path, pairs.list);
    if (status == WEFT_ERR_FORMAT)
        return train_report_divergence(
            session, &p, "a weight or a moment of the optimizer is not finite");
    session->saved = !status;
    if (!status && path == session->run.last)
        session->saved_step = p.step;
    return status ? app_report_error(session->app, APP_WORK, status) : APP_OK;
}
