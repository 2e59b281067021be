/* SPDX-License-Identifier: Apache-2.0 */
/* Params and output structs of callers that were compiled against another version. */
#include "unit/test.h"

#include <weft/weft.h>

static weft_context *context;

/* As weft_net_params, compiled before `classes` was appended. */
struct older_params {
    size_t struct_size;
    const char *name;
    int height, width, channels;
};

/* The same, compiled after `dropout` was appended. */
struct newer_params {
    struct weft_net_params known;
    double dropout;
};

static const char *const text = "flatten\ndense 3\nsoftmax\n";

static enum weft_status create(const void *params)
{
    weft_net *net = NULL;
    enum weft_status status = weft_net_create(context, text, params, &net);
    CHECK(!status == !!net);
    weft_net_destroy(&net);
    return status;
}

static void test_params(void)
{
    /* Behind the older struct is something that must not be read as `classes`. */
    struct {
        struct older_params params;
        int behind[4];
    } older = {{offsetof(struct older_params, channels) + sizeof(int), "older", 4, 4, 1},
               {7, 7, 7, 7}};
    CHECK_OK(create(&older));
    older.params.struct_size = 0;
    CHECK_FAILS(create(&older), WEFT_ERR_ARG, "struct_size");
    older.params.struct_size = sizeof(size_t) - 1;
    CHECK_FAILS(create(&older), WEFT_ERR_ARG, "struct_size");
    older.params.struct_size = sizeof(size_t); /* all defaults: no input shape */
    CHECK_FAILS(create(&older), WEFT_ERR_FORMAT, "input");

    struct newer_params newer;
    memset(&newer, 0, sizeof(newer));
    newer.known = *weft_net_params(.height = 4, .width = 4, .channels = 1);
    newer.known.struct_size = sizeof(newer);
    CHECK_OK(create(&newer));
    newer.dropout = 0.5;
    CHECK_FAILS(create(&newer), WEFT_ERR_ARG, "does not have");

    newer.known.struct_size = 0;
    weft_context *none = NULL;
    CHECK(weft_context_create(&none, (const void *)&newer) == WEFT_ERR_ARG && !none);
}

/* An older struct that the library keeps has the size of its own. */
static void test_kept_params(void)
{
    static const uint8_t pixels[4] = {1, 2, 3, 4};
    weft_dataset *data = NULL;
    struct weft_dataset_info info;
    struct weft_preprocess_params older = *weft_preprocess_params(.fit = WEFT_FIT_CROP);
    older.struct_size = offsetof(struct weft_preprocess_params, trim);
    older.trim = true; /* behind the older struct */
    CHECK_OK(weft_dataset_from_memory(
        context,
        weft_dataset_params(.count = 1, .height = 2, .width = 2, .channels = 1,
                            .pixels = pixels, .preprocess = &older),
        &data));
    weft_dataset_info(data, &info);
    CHECK_INT(info.preprocess->struct_size, sizeof(older));
    CHECK_INT(info.preprocess->fit, WEFT_FIT_CROP);
    CHECK(!info.preprocess->trim);
    weft_dataset_destroy(&data);
}

static void test_outputs(void)
{
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(
        context, text, weft_net_params(.height = 4, .width = 4, .channels = 1), &net));
    struct {
        struct weft_net_info known;
        unsigned char unknown[8];
    } info;
    memset(&info, 0xAA, sizeof(info));
    (weft_net_info)(net, &info.known, sizeof(info));
    CHECK_INT(info.known.classes, 3);
    CHECK_INT(info.unknown[0] | info.unknown[7], 0);

    memset(&info, 0xAA, sizeof(info));
    (weft_net_info)(net, &info.known, offsetof(struct weft_net_info, height));
    CHECK_INT(info.known.layers, 3);
    CHECK_INT(info.known.height, (int)0xAAAAAAAA);
    weft_net_destroy(&net);
}

int main(void)
{
    REQUIRE(!weft_context_create(&context, weft_context_params(.no_opencl = true)));
    test_context = context;
    test_params();
    test_kept_params();
    test_outputs();
    weft_context_destroy(&context);
    return test_end();
}
