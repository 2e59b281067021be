/* SPDX-License-Identifier: Apache-2.0 */
/* Device selectors: index, P:D, kind, part of a name (weft_device_find). */
#define _POSIX_C_SOURCE 200809L
#include "device/devices.h"

#include "os/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* True if `part` occurs in `text`, case-insensitively. */
static bool contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

static bool is_gpu(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_DISCRETE || info->kind == WEFT_DEVICE_INTEGRATED;
}

static bool is_integrated(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_INTEGRATED;
}

static bool is_host(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_HOST;
}

/* Words that select the first device of a kind. */
static const struct {
    const char *word;
    bool (*is)(const struct weft_device_info *info);
} kinds[] = {{"gpu", is_gpu}, {"igpu", is_integrated}, {"cpu", is_host}};

/* "0 (NAME), 1 (NAME)", for an error message. */
static void list_devices(const struct weft_devices *d, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < d->count && used < size; i++) {
        int n = snprintf(text + used, size - used, "%s%d (%s)", i ? ", " : "", i,
                         d->found[i].info.name);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* "; did you mean WORD?" of the kinds, and of the words of names and platforms; or "". */
static const char *suggest(const struct weft_devices *d, const char *selector,
                           char close[WEFT_SUGGESTION])
{
    enum { MOST = 64 };
    static const char separators[] = " -,()";
    char text[2048];
    const char *words[MOST];
    char *rest = NULL;
    int count = 0;
    size_t used = 0;
    text[0] = 0;
    for (size_t k = 0; k < WEFT_ARRAY_SIZE(kinds); k++)
        words[count++] = kinds[k].word;
    for (int i = 0; i < d->count && used < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, " %s %s",
                                 d->found[i].info.platform, d->found[i].info.name);
    for (char *word = strtok_r(text, separators, &rest); word && count < MOST;
         word = strtok_r(NULL, separators, &rest))
        if (strlen(word) > 2)
            words[count++] = word;
    return weft_suggestion(selector, words, count, close);
}

/* Index of the only device whose name, platform or id contains `part`, or of the first
 * driver of the only one; -1: none, -2: several. */
static int find_by_name(const struct weft_devices *d, const char *part)
{
    int match = -1;
    for (int i = 0; i < d->count; i++) {
        const struct weft_device_info *info = &d->found[i].info;
        if (!contains(info->name, part) && !contains(info->platform, part) &&
            !contains(info->id, part))
            continue;
        if (match >= 0 && info->same_as != match)
            return -2;
        match = match >= 0 ? match : i;
    }
    return match;
}

/* The device of an index, P:D or kind; -1: none. */
static int find_by_position(const struct weft_devices *d, const char *selector)
{
    for (size_t k = 0; k < WEFT_ARRAY_SIZE(kinds); k++)
        for (int i = 0; i < d->count && !strcasecmp(selector, kinds[k].word); i++)
            if (kinds[k].is(&d->found[i].info))
                return i;
    int platform, device, used = 0;
    if (sscanf(selector, "%d:%d%n", &platform, &device, &used) == 2 && !selector[used])
        for (int i = 0; i < d->count; i++)
            if (d->found[i].info.platform_index == platform &&
                d->found[i].info.device_index == device)
                return i;
    if (sscanf(selector, "%d%n", &device, &used) == 1 && !selector[used] && device >= 0 &&
        device < d->count)
        return device;
    return -1;
}

static bool is_position(const char *selector)
{
    for (size_t k = 0; k < WEFT_ARRAY_SIZE(kinds); k++)
        if (!strcasecmp(selector, kinds[k].word))
            return true;
    return selector[strspn(selector, "0123456789:")] == 0;
}

/* An index counts the devices that are there: not used where some may be missing. */
static bool is_uncertain(const struct weft_devices *d, const char *selector)
{
    return d->failure && selector[strspn(selector, "0123456789")] == 0;
}

enum weft_status weft_device_find(weft_context *ctx, const char *selector, int *index,
                                  const char **reason)
{
    WEFT_REQUIRE_POINTER(NULL, ctx, "context");
    WEFT_REQUIRE_POINTER(ctx, index, "index");
    struct weft_devices *d = ctx->devices;
    if (!selector || !selector[0]) {
        *index = 0;
        if (d->count == 1)
            snprintf(d->reason, sizeof(d->reason),
                     "no OpenCL device found, so the host backend; `weft devices` "
                     "explains why");
        else
            snprintf(d->reason, sizeof(d->reason), "best of %d; change with -d",
                     d->count);
    } else {
        int match = is_position(selector) ? find_by_position(d, selector)
                                          : find_by_name(d, selector);
        char list[1024], close[WEFT_SUGGESTION];
        list_devices(d, list, sizeof(list));
        if (is_uncertain(d, selector))
            return weft_fail(
                ctx, WEFT_ERR_NO_DEVICE,
                "device \"%s\": an index may mean another device than before: "
                "%s; choose by part of the name, as in `-d cpu`, from %s",
                selector, d->diagnostics[d->failure - 1], list);
        if (match == -2)
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "device \"%s\": several match; choose by number from %s",
                             selector, list);
        if (match < 0)
            return weft_fail(ctx, WEFT_ERR_NO_DEVICE,
                             "device \"%s\": none matches; there are %s%s", selector,
                             list, suggest(d, selector, close));
        *index = match;
        snprintf(d->reason, sizeof(d->reason), "chosen by \"%.100s\"", selector);
    }
    if (reason)
        *reason = d->reason;
    return WEFT_OK;
}
