/* SPDX-License-Identifier: Apache-2.0 */
/* Precision of predictors: names, selection and output. */
#include "core/app.h"

#include <math.h>
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
        term_print("Precision  float32: float16 changed predicted classes");
    else if (info.speedup > 0)
        term_print(
            "Precision  %s: float16 was %.2f times as fast as float32; probabilities "
            "differed by at most %.2g",
            app_precision_names[info.precision], info.speedup, info.difference);
    else
        term_print("Precision  float32: float16 was %s",
                   info.difference > 0x1p-6 ? "too inaccurate" : "far slower");
}

void app_json_precision(const weft_predictor *predictor, struct json *json)
{
    struct weft_predictor_info info;
    weft_predictor_info(predictor, &info);
    emit_text(json, "precision", app_precision_names[info.precision]);
    emit_int(json, "weight_bytes", (int64_t)info.weight_bytes);
    emit_int(json, "activation_bytes", (int64_t)info.activation_bytes);
}
