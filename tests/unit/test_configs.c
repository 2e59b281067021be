/* SPDX-License-Identifier: Apache-2.0 */
/* Configs of every family from texts, as tuning files have: each number replaced, and
 * what is no config. Nothing is compiled but the probes of a family.
 *
 *     test_configs               on PoCL
 *     test_configs LAYER FAKE    on a device that a layer emulates above it, with the
 *                                families that it has */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>

#include <weft/weft.h>

#include "device/tuning_table.h"
#include "opencl/select/dispatch.h"
#include "unit/test.h"

/* Problems without their family. */
static const char *const problems[] = {
    "conv_forward n=4 in=12x12x16 out=12x12x24 window=3x3 pad=1,1,1,1 bias relu",
    "conv_forward n=4 in=12x12x16 out=12x12x24 window=3x3 pad=1,1,1,1 "
    "pool=2,2,2,2,0,0,6,6 argmax relu",
    "conv_forward n=2 in=9x9x6 out=5x5x8 window=3x3 stride=2x2 pad=1,1,1,1 groups=2",
    "conv_forward n=4 in=8x8x16 out=8x8x16 window=3x3 pad=1,1,1,1 groups=16",
    "conv_forward n=128 in=1x1x512 out=1x1x64 window=1x1 bias relu",
    "conv_forward n=2 in=1x1x4096 out=1x1x4096 window=1x1",
    "conv_backward_data n=4 in=12x12x16 out=12x12x24 window=3x3 pad=1,1,1,1 relu",
    "conv_backward_data n=4 in=9x9x16 out=5x5x24 window=3x3 stride=2x2 pad=1,1,1,1",
    "conv_backward_data n=4 in=8x8x16 out=8x8x16 window=3x3 pad=1,1,1,1 groups=16",
    "conv_backward_data n=128 in=1x1x512 out=1x1x64 window=1x1",
    "conv_backward_weights n=4 in=12x12x16 out=12x12x24 window=3x3 pad=1,1,1,1 bias",
    "conv_backward_weights n=4 in=12x12x16 out=12x12x24 window=3x3 pad=1,1,1,1 "
    "pool=2,2,2,2,0,0,6,6 bias",
    "conv_backward_weights n=4 in=8x8x16 out=8x8x16 window=3x3 pad=1,1,1,1 groups=16",
    "conv_backward_weights n=128 in=1x1x512 out=1x1x64 window=1x1",
    "pool_forward n=2 in=8x8x16 out=4x4 window=2x2 stride=2x2 max argmax",
    "batch_norm_forward rows=512 channels=16 relu",
    "batch_norm_backward rows=512 channels=16 dx",
    "layer_norm_backward rows=512 channels=16 dx",
    "prelu_backward rows=512 channels=16 dx",
    "softmax n=64 classes=100",
    "optimizer_step w=10000 adamw metrics=64",
};

static weft_context *ctx;
static weft_device *device;
static bool emulated;
static int accepted, refused;

/* A config that is accepted has a text, and those beside it are accepted as well. */
static void try(const char *problem, const char *config)
{
    static struct weft_kernel_config beside[WEFT_MAX_CONFIGS];
    if (!ocl_tuner.fingerprint(device, problem, config)) {
        refused++;
        CHECK_INT(ocl_tuner.configs(device, problem, config, beside), 0);
        return;
    }
    accepted++;
    int count = ocl_tuner.configs(device, problem, config, beside);
    for (int i = 0; i < count; i++)
        CHECK(ocl_tuner.fingerprint(device, problem, beside[i].text) ==
              beside[i].fingerprint);
}

static void replace_numbers(const char *problem, const char *config)
{
    static const char *const numbers[] = {"0",  "1",   "2",     "3",       "6",
                                          "16", "100", "70000", "16777216"};
    static const char *const wrong[] = {"16777217", "-1", "x", "", "1x", "1 also=1"};
    char changed[2 * OCL_CONFIG_TEXT];
    for (const char *at = config; (at = strchr(at, '='));) {
        at++;
        const char *behind = at + strspn(at, "0123456789");
        for (size_t i = 0; i < WEFT_ARRAY_SIZE(numbers); i++) {
            snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - config), config,
                     numbers[i], behind);
            try(problem, changed);
        }
        for (size_t i = 0; i < WEFT_ARRAY_SIZE(wrong); i++) {
            snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - config), config,
                     wrong[i], behind);
            CHECK_INT(ocl_tuner.fingerprint(device, problem, changed), 0);
        }
    }
}

static void test_family(enum weft_kernel_family family, const char *name)
{
    static struct weft_kernel_config configs[WEFT_MAX_CONFIGS];
    char text[WEFT_PROBLEM_TEXT];
    int index;
    if (weft_device_find(ctx, emulated ? "gpu" : "portable", &index, NULL))
        test_skip("no PoCL here");
    enum weft_status status =
        weft_device_open(ctx, index, weft_device_params(.family = family), &device);
    if (status && emulated && family != WEFT_FAMILY_VEC) {
        printf("%s: %s\n", name, weft_error(ctx));
        return;
    }
    CHECK_OK(status);
    REQUIRE(device);
    accepted = refused = 0;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(problems); i++) {
        snprintf(text, sizeof(text), "%s %s", name, problems[i]);
        int count = ocl_tuner.configs(device, text, NULL, configs);
        CHECK(count > 0);
        for (int k = 0; k < count; k++) {
            CHECK(ocl_tuner.fingerprint(device, text, configs[k].text) ==
                  configs[k].fingerprint);
            replace_numbers(text, configs[k].text);
        }
    }
    CHECK_INT(ocl_tuner.configs(device, problems[0], NULL, configs), 0); /* no family */
    CHECK_INT(ocl_tuner.fingerprint(device, text, "none"), 0);
    CHECK(accepted && refused);
    printf("%s: %d configs accepted, %d refused\n", name, accepted, refused);
    weft_device_close(&device);
}

int main(int argc, char **argv)
{
    emulated = argc > 2;
    if (emulated) {
        setenv("OPENCL_LAYERS", argv[1], true);
        setenv("WEFT_LAYER_FAKE", argv[2], true);
    }
    REQUIRE(!weft_context_create(&ctx, NULL));
    test_context = ctx;
    test_family(WEFT_FAMILY_VEC, "vec");
    test_family(WEFT_FAMILY_TILE, "tile");
    test_family(WEFT_FAMILY_SUBGROUP, "sg");
    test_family(WEFT_FAMILY_MMA, "mma");
    weft_context_destroy(&ctx);
    return test_end();
}
