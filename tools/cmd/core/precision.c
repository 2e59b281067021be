/* SPDX-License-Identifier: Apache-2.0 */
/* Precision of predictors: names, selection and output; outputs that are not numbers. */
#include "core/app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const app_precision_names[] = {"float32", "float16", "auto", NULL};

int app_parse_precision(const char *word, size_t length)
{
    for (int i = 0; app_precision_names[i]; i++)
        if (strlen(app_precision_names[i]) == length &&
            !strncmp(app_precision_names[i], word, length))
            return i;
    return -1;
}

void app_print_precision(const weft_predictor *predictor, int requested)
{
    struct weft_predictor_info info;
    weft_predictor_info(predictor, &info);
    if (requested != WEFT_PRECISION_AUTO)
        return;
    if (!isfinite(info.difference))
        term_print("Precision  float32: probabilities in float16 were not finite");
    else if (info.speedup > 0)
        term_print(
            "Precision  %s: float16 was %.2f times as fast as float32; probabilities "
            "differed by at most %.2g",
            app_precision_names[info.precision], info.speedup, info.difference);
    else
        term_print(
            "Precision  float32: float16 was %s; it changed probabilities by at most "
            "%.2g, a level of each pixel by %.2g",
            info.difference > info.noise ? "too inaccurate" : "far slower",
            info.difference, info.noise);
}

void app_json_precision(const weft_predictor *predictor, struct json *json)
{
    struct weft_predictor_info info;
    weft_predictor_info(predictor, &info);
    emit_text(json, "precision", app_precision_names[info.precision]);
    emit_int(json, "weight_bytes", (int64_t)info.weight_bytes);
    emit_int(json, "activation_bytes", (int64_t)info.activation_bytes);
}

const char *app_rate_text(double rate)
{
    static char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, rate);
        if (strtof(text, NULL) == (float)rate)
            break;
    }
    return text;
}

double app_rate(double rate)
{
    return strtod(app_rate_text(rate), NULL);
}

const char *app_loss_text(double loss)
{
    static char buffers[8][40];
    static int turn;
    char *out = buffers[turn++ % 8];
    snprintf(out, sizeof(*buffers),
             isfinite(loss) ? loss < 1e6 ? "%.4f" : "%.4g" : "not finite", loss);
    return out;
}

enum app_exit app_report_nonfinite(const struct app *app, int64_t count, int64_t images,
                                   enum weft_precision precision)
{
    if (!count)
        return APP_OK;
    return app_error(app, APP_FAILED,
                     "%s of %s images have outputs that are not numbers: %s",
                     table_thousands((double)count), table_thousands((double)images),
                     precision == WEFT_PRECISION_FLOAT16
                         ? "a value exceeds the range of float16; use --precision float32"
                         : "a value exceeds the range of float32, or the weights are not "
                           "finite; use an earlier model");
}
