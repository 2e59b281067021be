/* SPDX-License-Identifier: Apache-2.0 */
/* Models named by their file, or by the folder of the run that wrote them. */
#include "core/app.h"

#include "core/paths.h"

#include <string.h>

const char *app_model_path(const char *operand)
{
    static const char *const names[] = {"best.safetensors", "last.safetensors"};
    static char path[PATHS_MAX];
    for (int i = 0; i < 2 && paths_is_folder(operand); i++)
        if (paths_join(path, operand, names[i]) && paths_exists(path))
            return path;
    return operand;
}

bool app_is_model(const char *operand)
{
    static const char end[] = ".safetensors";
    const char *path = app_model_path(operand);
    size_t length = strlen(path), most = sizeof(end) - 1;
    return length > most && !strcmp(path + length - most, end);
}

enum app_exit app_load_model(struct app *app, const char *operand, weft_model **out)
{
    enum weft_status status = weft_model_load(app->context, app_model_path(operand), out);
    return status ? app_report_error(app, APP_INPUT, status) : APP_OK;
}

enum app_exit app_load_model_net(struct app *app, const char *operand, weft_net **out)
{
    weft_model *model = NULL;
    struct weft_model_info info;
    struct weft_net_info net;
    enum app_exit code = app_load_model(app, operand, &model);
    if (code)
        return code;
    weft_model_info(model, &info);
    weft_net_info(info.net, &net);
    const struct weft_net_params params =
        *weft_net_params(.name = net.name, .height = net.height, .width = net.width,
                         .channels = net.channels);
    enum weft_status status = weft_net_create(app->context, net.text, &params, out);
    weft_model_destroy(&model);
    return status ? app_report_error(app, APP_INPUT, status) : APP_OK;
}

void app_print_written(const char *path)
{
    if (strcmp(path, "-") != 0)
        term_print("Written  %s", path);
}
