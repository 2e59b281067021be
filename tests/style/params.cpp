/* SPDX-License-Identifier: Apache-2.0 */
/* The macros of params structs in C++: with fields, without, and as a value. */
#include <weft/weft.h>

static int height_of(const weft_net_params *params)
{
    return params->struct_size == sizeof(*params) ? params->height : -1;
}

int main()
{
    int three = 3;
    weft_layer_params layer = *weft_layer_params(.filters = three, .window = {5, 1});
    bool right = height_of(weft_net_params(.name = "a", .height = three)) == 3 &&
                 height_of(weft_net_params()) == 0 && layer.filters == 3 &&
                 layer.window[0] == 5 && layer.window[1] == 1 && !layer.units &&
                 weft_context_params(.no_opencl = true)->no_opencl &&
                 weft_bench_params(.seconds = -1)->seconds == -1 &&
                 weft_step_params(.batch = 2)->batch == 2 &&
                 weft_dataset_params(.count = 2)->count == 2 &&
                 weft_device_params(.no_tuning = true)->no_tuning &&
                 weft_preprocess_params(.height = 2)->height == 2 &&
                 weft_predictor_params(.batch = 2)->batch == 2 &&
                 weft_explainer_params(.batch = 2)->batch == 2 &&
                 weft_preview_params(.count = 2)->count == 2 &&
                 weft_train_params(.batch = 2)->batch == 2 &&
                 weft_tune_params(.seconds = 2)->seconds == 2 &&
                 weft_verify_params(.cases = 2)->cases == 2;
    return right ? 0 : 1;
}
