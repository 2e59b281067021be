/* SPDX-License-Identifier: Apache-2.0 */
/* weft audience: the categories of each customer's images. */
#include "audience/audience.h"

#include "core/preprocess.h"
#include "report/page.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PIXELS = 1 << 26 };

static const struct args_option options[] = {
    {.name = "by",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct audience_options, by),
     .value = "COLUMN",
     .help = "the second operand is a CSV with a column `path` of image files; each "
             "value of COLUMN is a customer"},
    {.name = "report",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct audience_options, report),
     .value = "FILE",
     .help = "write a page, HTML: segments, shares of each customer, how to read them"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,     app_preprocess_options,
    app_precision_options, app_cached_tuning_options,
    app_tta_options,       app_device_options,
    app_output_options,    NULL};

static void skip(void *priv, const char *why)
{
    struct audience *a = priv;
    app_error(a->app, APP_BAD_INPUT, "%s; skipped", why);
    a->all.unread++;
    if (a->options->by && a->customer_count)
        a->customers[a->customer_count - 1].unread++;
}

static enum app_exit prepare(struct audience *a)
{
    struct app *app = a->app;
    struct weft_model_info info;
    enum app_exit code = tta_check_options(app);
    if (code || (code = app_open_device(app)) ||
        (code = app_load_model(app, a->model_path, &a->model)) ||
        (code = decision_read(app, a->model, &a->decision)))
        return code;
    weft_model_info(a->model, &info);
    weft_net_info(info.net, &a->net);
    a->names = info.class_names;
    a->preprocess = *info.preprocess;
    app_apply_preprocess(&a->options->app, &a->preprocess);
    if (a->net.channels != 1 && a->net.channels != 3)
        return app_error(app, APP_BAD_INPUT,
                         "%s: the model expects %d channels, but image files have 1 "
                         "(grey) or 3 (colour); use another model",
                         a->model_path, a->net.channels);
    if ((size_t)a->net.height * (size_t)a->net.width > MAX_PIXELS)
        return app_error(app, APP_BAD_INPUT,
                         "%s: the model expects images of %dx%d pixels, more than the "
                         "%d of the largest image that can be read",
                         a->model_path, a->net.height, a->net.width, MAX_PIXELS);
    if (a->decision.confusion)
        a->rates = shares_rates(a->decision.confusion, a->net.classes);
    audience_add_customer(a, NULL);
    a->all = a->customers[0];
    a->customer_count = 0;
    return APP_OK;
}

static void print_notes(struct audience *a)
{
    char *skipped = image_list_skipped(&a->list);
    if (skipped)
        term_print("%s", skipped);
    free(skipped);
    if (a->homeless)
        term_print("%s images belong to no customer and are not counted",
                   table_thousands(a->homeless));
    if (!a->rates)
        term_print("Shares are not corrected for the mistakes of the model: `weft "
                   "calibrate` measures them");
    term_print("Nothing leaves this machine. Photographs of people are personal data.");
}

static enum app_exit report_failures(const struct audience *a)
{
    struct weft_predictor_info precision;
    if (a->all.unread)
        term_print("%s images could not be read", table_thousands(a->all.unread));
    weft_predictor_info(a->predictor, &precision);
    enum app_exit code = app_report_nonfinite(
        a->app, a->nonfinite, a->all.images + a->nonfinite, precision.precision);
    return code ? code : a->all.unread ? APP_BAD_INPUT : APP_OK;
}

static enum app_exit make_table(struct audience *a)
{
    enum app_exit code = prepare(a);
    if (code || (code = audience_find_customers(a)) || (code = audience_classify(a)))
        return code;
    audience_write(a);
    if ((code = app_flush_stdout(a->app)))
        return code;
    print_notes(a);
    if (a->options->report &&
        (code = page_save(a->app, a->options->report, audience_write_page, a)))
        return code;
    return report_failures(a);
}

static enum app_exit audience_main(struct app *app, const void *given, int count,
                                   char **operands)
{
    (void)count;
    struct audience a = {.app = app,
                         .options = given,
                         .model_path = operands[0],
                         .source = operands[1],
                         .list = {.skip = skip, .priv = &a}};
    enum app_exit code = make_table(&a);
    audience_free_customers(&a);
    decision_free(&a.decision);
    free(a.rates);
    weft_predictor_destroy(&a.predictor);
    weft_model_destroy(&a.model);
    return code;
}

const struct app_command cmd_audience = {
    .args =
        {
            .name = "audience",
            .operands = "MODEL DIR|CSV",
            .summary = "shares of the categories in each customer's images",
            .examples =
                "  weft audience shop.safetensors customers --report audience.html\n"
                "  weft audience shop.safetensors customers -f csv > segments.csv\n"
                "  weft audience shop.safetensors orders.csv --by email",
            .about =
                "Each folder in DIR, or each value of a column of a CSV, is a customer. "
                "Counts the categories of its images, with 95 % intervals, corrected for "
                "the mistakes of the model if `weft calibrate` measured them. A category "
                "leads only if its interval is above those of all others. Images below "
                "the model's threshold are unsure. It all runs on this machine; "
                "photographs of people are personal data.",
            .options = options,
            .shared = shared_options,
            .operands_min = 2,
            .operands_max = 2,
        },
    .defaults = &(const struct audience_options){.by = NULL},
    .options_size = sizeof(struct audience_options),
    .run = audience_main,
};
