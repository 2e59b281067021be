/* SPDX-License-Identifier: Apache-2.0 */
/* The data of a run: training, validation, test. */
#define _GNU_SOURCE
#include "train/train.h"

#include <math.h>
#include <string.h>

/* Splits the training images into training and validation sets. */
static enum app_exit split_data(struct train_session *session,
                                const struct train_options *o, weft_dataset **all)
{
    struct weft_dataset_info info;
    weft_dataset_info(*all, &info);
    struct args_count_or_percent split = o->val_split;
    if (split.value < 0)
        split = (struct args_count_or_percent){10, true};
    if (!session->checkpoint)
        session->val_count =
            (int)(split.percent ? floor(info.count * split.value / 100) : split.value);
    if (session->val_count >= info.count)
        return app_error(
            session->app, APP_USAGE,
            "--val-split %d leaves nothing to train on: there are only %d images",
            session->val_count, info.count);
    if (!session->val_count) {
        session->train = *all;
        *all = NULL;
        return APP_OK;
    }
    enum weft_status status = weft_dataset_holdout(
        *all, session->val_count, session->seed, &session->train, &session->val);
    return status ? app_report_error(session->app, APP_WORK, status) : APP_OK;
}

/* The data of another part must be images and classes like those of training. */
static enum app_exit check_part(const struct train_session *session,
                                const weft_dataset *all, const weft_dataset *part,
                                const char *how)
{
    struct weft_dataset_info train, other;
    weft_dataset_info(all, &train);
    weft_dataset_info(part, &other);
    if (train.height == other.height && train.width == other.width &&
        train.channels == other.channels && other.classes <= train.classes)
        return APP_OK;
    return app_error(session->app, APP_BAD_INPUT,
                     "%s: %d classes of %dx%dx%d images, but the training data has %d of "
                     "%dx%dx%d; %s",
                     other.source, other.classes, other.height, other.width,
                     other.channels, train.classes, train.height, train.width,
                     train.channels, how);
}

/* The validation part of the data, if it has one and --val-split does not ask for
 * another. *found receives whether it does. */
static enum app_exit open_validation(struct train_session *session,
                                     const struct train_options *o,
                                     const weft_dataset *all, bool *found)
{
    struct weft_dataset_info info;
    *found = session->folds ? false
             : session->checkpoint
                 ? session->val_part
                 : o->val_split.value < 0 && !app_is_single_file(session->data_spec);
    if (!*found)
        return APP_OK;
    enum weft_status status =
        weft_dataset_open(session->app->context, session->data_spec,
                          WEFT_SPLIT_VALIDATION, &session->images.params, &session->val);
    if (status == WEFT_ERR_ARG && !session->checkpoint) {
        *found = false;
        return APP_OK;
    }
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    app_print_decoding(session->val);
    app_print_notes(session->val);
    weft_dataset_info(session->val, &info);
    session->val_part = true;
    session->val_count = info.count;
    session->val_hash = info.hash;
    enum app_exit code =
        session->checkpoint
            ? train_check_same_data(session, session->val, WEFT_SPLIT_VALIDATION)
            : APP_OK;
    if (code)
        return code;
    return check_part(session, all, session->val,
                      "select images for validation with --val-split");
}

/* A missing test split is an error only if a test was requested. */
static enum app_exit open_test(struct train_session *session, const weft_dataset *all,
                               bool requested)
{
    if (!*session->test_spec)
        return APP_OK;
    term_wait_begin("Reading %s", session->test_spec);
    enum weft_status status =
        weft_dataset_open(session->app->context, session->test_spec, WEFT_SPLIT_TEST,
                          &session->images.params, &session->test);
    term_wait_end();
    if (status == WEFT_ERR_ARG && !requested) {
        term_print("Note: no test: %s", weft_error(session->app->context));
        session->test_spec = "";
        return APP_OK;
    }
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    app_print_decoding(session->test);
    app_print_notes(session->test);
    enum app_exit code =
        check_part(session, all, session->test,
                   "select a matching dataset with --test, or --test none");
    return code || session->decoding
               ? code
               : app_train_test_overlap(session->app, all, session->test,
                                        &session->test_overlap);
}

enum app_exit train_end_decoding(struct train_session *session)
{
    const weft_dataset *all = session->whole ? session->whole : session->train;
    if (!session->decoding)
        return APP_OK;
    session->decoding = false;
    enum app_exit code = session->test
                             ? app_train_test_overlap(session->app, all, session->test,
                                                      &session->test_overlap)
                             : APP_OK;
    app_print_decoding(all);
    weft_dataset_destroy(&session->whole);
    return code;
}

/* Other parts have the classes of training, and image files of one size. */
static void follow_training(struct train_session *session,
                            const struct weft_dataset_info *training)
{
    struct weft_preprocess_params *p = &session->images.preprocess;
    session->images.params.class_names = training->class_names;
    session->images.params.classes = training->classes;
    session->images.params.scale = training->scale;
    if (!training->files || p->height)
        return;
    p->height = training->height;
    p->width = training->width;
    p->channels = training->channels;
}

enum app_exit train_open_data(struct train_session *session,
                              const struct train_options *o)
{
    weft_dataset *all = NULL;
    enum app_exit code =
        app_open_dataset(session->app, session->data_spec, WEFT_SPLIT_TRAIN, &all);
    if (!code)
        code = train_apply_labels(session, all);
    if (code) {
        weft_dataset_destroy(&all);
        return code;
    }
    struct weft_dataset_info info;
    weft_dataset_info(all, &info);
    session->data_hash = info.hash;
    session->decoding = info.decoding;
    session->images.params.decode_as_needed = false; /* of the other parts */
    train_absolute(session->data_path, session->data_spec);
    if (session->checkpoint)
        code = train_check_same_data(session, all, WEFT_SPLIT_TRAIN);
    follow_training(session, &info);
    if (!code)
        code = open_test(session, all, o->test || o->resume);
    bool validation = false;
    if (!code)
        code = open_validation(session, o, all, &validation);
    if (!code && !validation)
        code = session->folds ? train_split_fold(session, all)
                              : split_data(session, o, &all);
    if (!code && validation) {
        session->train = all;
        all = NULL;
    }
    session->images.params.class_names = NULL;
    session->images.params.classes = 0;
    session->images.params.scale = 0;
    if (session->decoding)
        session->whole = all;
    else
        weft_dataset_destroy(&all);
    train_absolute(session->test_path, session->test_spec);
    return code;
}
