/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the library builds when every op is verified on a device, in both families:
 * one line a program, "FILE OPTIONS". Their linter reads it.
 *
 *     builds [DEVICE] */
#include <weft/weft.h>

#include <stdio.h>
#include <string.h>

static void log_line(void *priv, enum weft_log_level level, const char *message)
{
    const char *built = strstr(message, " built, ");
    (void)priv;
    if (level == WEFT_LOG_DEBUG && !strncmp(message, "opencl: ", 8) && built)
        printf("%.*s%s\n", (int)(built - message - 8), message + 8, built + 7);
    else if (level == WEFT_LOG_ERROR)
        fprintf(stderr, "%s\n", message);
}

int main(int argc, char **argv)
{
    weft_context *context = NULL;
    int index, failed = 0;
    if (weft_context_create(
            &context, weft_context_params(.log = log_line, .log_level = WEFT_LOG_DEBUG)))
        return 1;
    if (weft_device_find(context, argc > 1 ? argv[1] : NULL, &index, NULL)) {
        weft_context_destroy(&context);
        return 77;
    }
    for (enum weft_family family = WEFT_FAMILY_VEC; family <= WEFT_FAMILY_TILE;
         family++) {
        weft_device *device = NULL;
        struct weft_verify_result result;
        const struct weft_verify_params params = {.cases = 6, .small = true, .seed = 1};
        failed |= weft_device_open(context, index, weft_device_params(.family = family),
                                   &device) ||
                  weft_verify(device, &params, &result);
        weft_device_close(&device);
    }
    weft_context_destroy(&context);
    return failed;
}
