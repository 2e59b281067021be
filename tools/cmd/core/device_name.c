/* SPDX-License-Identifier: Apache-2.0 */
/* Names of devices and platforms. */
#include "core/device_name.h"

#include "core/app.h"

#include <ctype.h>
#include <string.h>

const char *app_platform_name(const struct weft_device_info *info)
{
    static const struct {
        const char *name, *brief;
    } known[] = {
        {"Portable Computing Language", "PoCL"},
        {"AMD Accelerated Parallel Processing", "AMD"},
        {"NVIDIA CUDA", "NVIDIA"},
        {"Intel(R) OpenCL", "Intel"},
        {"Intel(R) OpenCL Graphics", "Intel"},
        {"Intel(R) OpenCL HD Graphics", "Intel"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (!strcmp(info->platform, known[i].name))
            return known[i].brief;
    return info->platform;
}

/* PoCL's names are "pthread-skylake-avx512-Intel(R) Xeon(R) Processor": its driver,
 * LLVM's name of the processor in lower case, then the processor's own. */
static const char *without_llvm_name(const char *name)
{
    static const char *const drivers[] = {"pthread-", "cpu-", "basic-"};
    for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
        if (!strncmp(name, drivers[i], strlen(drivers[i])))
            for (const char *at = name; (at = strchr(at, '-')); at++)
                if (isupper((unsigned char)at[1]))
                    return at + 1;
    return name;
}

/* Words that say nothing of which processor it is; "64-Core" too. */
static bool is_idle(const char *word, size_t length)
{
    static const char *const idle[] = {"CPU", "Processor"};
    for (size_t i = 0; i < sizeof(idle) / sizeof(*idle); i++)
        if (length == strlen(idle[i]) && !strncmp(word, idle[i], length))
            return true;
    return length > 5 && !strncmp(word + length - 5, "-Core", 5);
}

void device_short_name(const struct weft_device_info *info, char out[DEVICE_NAME_BYTES])
{
    static const char *const signs[] = {"(R)", "(r)", "(TM)", "(tm)", "(C)"};
    enum { MOST_BYTES = 150 };
    const char *platform = app_platform_name(info);
    const char *word = without_llvm_name(info->name);
    size_t used = 0;
    out[0] = '\0';
    for (size_t length; *(word += strspn(word, " ")) && *word != '@'; word += length) {
        size_t begin = used;
        length = strcspn(word, " ");
        if (is_idle(word, length))
            continue;
        if (begin && used < MOST_BYTES)
            out[used++] = ' ';
        for (size_t i = 0; i < length && used < MOST_BYTES; i++) {
            size_t skip = 0;
            for (size_t k = 0; k < sizeof(signs) / sizeof(*signs); k++)
                if (!strncmp(word + i, signs[k], strlen(signs[k])))
                    skip = strlen(signs[k]);
            if (skip)
                i += skip - 1;
            else
                out[used++] = word[i];
        }
        if (begin && used == begin + 1)
            used = begin; /* the word was only a sign */
        out[used] = '\0';
    }
    if (!used)
        used = (size_t)snprintf(out, DEVICE_NAME_BYTES, "%.150s", info->name);
    if (*platform && strncmp(platform, out, strlen(platform)) != 0)
        snprintf(out + used, DEVICE_NAME_BYTES - used, " (%.100s)", platform);
}
