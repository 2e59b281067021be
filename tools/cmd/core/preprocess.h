/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing of images: options, and the description in results. */
#ifndef WEFT_CMD_CORE_PREPROCESS_H
#define WEFT_CMD_CORE_PREPROCESS_H

#include "core/app.h"

extern const struct args_option app_preprocess_options[]; /* --fit, --trim, --invert */

/* Replaces what the options name. */
void app_apply_preprocess(const struct app_options *options,
                          struct weft_preprocess_params *params);

/* "fit pad, trim no, invert no", then the rest where it differs from the defaults, in a
 * static buffer. */
const char *app_preprocess_text(const struct weft_preprocess_params *params);

/* Adds an object "preprocess" to a result. */
void app_json_preprocess(const struct weft_preprocess_params *params, struct json *json);

/* The changes that were made, as "resized; cropped" and as fields of a result. */
void app_preprocess_notes(const struct weft_preprocess_info *info, char *out,
                          size_t size);
void app_json_preprocess_info(const struct weft_preprocess_info *info, struct json *json);

/* Replaces a dataset whose images have another shape by one whose images are made as
 * `params` say; images of a dataset are never inverted automatically. */
enum app_exit app_preprocess_dataset(struct app *app,
                                     const struct weft_preprocess_params *params,
                                     weft_dataset **data);

#endif
