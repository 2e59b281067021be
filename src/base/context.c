/* SPDX-License-Identifier: Apache-2.0 */
/* Status names, the log, the last error, public structs of other sizes. */
#include "base/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [WEFT_OK] = "success",
    [WEFT_ERR_ARG] = "invalid argument",
    [WEFT_ERR_NOMEM] = "out of memory",
    [WEFT_ERR_NO_DEVICE] = "no such device",
    [WEFT_ERR_DEVICE] = "device error",
    [WEFT_ERR_BUILD] = "kernel build failed",
    [WEFT_ERR_FILE] = "file error",
    [WEFT_ERR_FORMAT] = "invalid contents",
    [WEFT_ERR_MISMATCH] = "wrong result",
};
_Static_assert(sizeof(names) / sizeof(*names) == WEFT_STATUS_COUNT, "name every status");

const char *weft_status_name(enum weft_status status)
{
    return (unsigned)status < WEFT_STATUS_COUNT ? names[status] : "unknown status";
}

const char *weft_version(void)
{
    return WEFT_VERSION;
}

static const char lost_error[] =
    "no host memory, not even for the message of an error; end other programs, or use "
    "smaller data, networks or batches";

/* The message of calls without a context. */
static _Thread_local char thread_error[256] = "no error";

const char *weft_error(const weft_context *ctx)
{
    if (!ctx)
        return thread_error;
    const char *none = ctx->error_lost ? lost_error : "no error";
    return ctx->error ? ctx->error : none;
}

/* The text that printf would print, owned by the caller; NULL: out of memory. */
static char *format_text(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

/* Frees `text`. */
static char *prepend(const char *prefix, char *text)
{
    size_t at = strlen(prefix), length = strlen(text);
    char *both = malloc(at + length + 1);
    if (!both)
        return text;
    memcpy(both, prefix, at);
    memcpy(both + at, text, length + 1);
    free(text);
    return both;
}

static void log_line(const weft_context *ctx, enum weft_log_level level, const char *text)
{
    if (ctx->log && level <= ctx->log_level)
        ctx->log(ctx->log_priv, level, text);
}

enum weft_status weft_fail(weft_context *ctx, enum weft_status status, const char *format,
                           ...)
{
    va_list args;
    va_start(args, format);
    char *text = ctx ? format_text(format, args) : NULL;
    if (!ctx)
        vsnprintf(thread_error, sizeof(thread_error), format, args);
    va_end(args);
    if (!ctx)
        return status;
    if (text && ctx->error_position)
        text = prepend(ctx->error_position, text);
    free(ctx->error);
    ctx->error = text;
    ctx->error_lost = !text;
    log_line(ctx, WEFT_LOG_ERROR, text ? text : lost_error);
    return status;
}

void weft_log_message(weft_context *ctx, enum weft_log_level level, const char *format,
                      ...)
{
    if (!ctx || !ctx->log || level > ctx->log_level)
        return;
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    if (text)
        log_line(ctx, level, text);
    free(text);
}

enum weft_status weft_out_of_memory(weft_context *ctx, const char *what, size_t bytes)
{
    return weft_fail(ctx, WEFT_ERR_NOMEM, "%s: no host memory for %zu bytes", what,
                     bytes);
}

enum weft_status weft_params_read(weft_context *ctx, const char *function,
                                  const void *params, void *own, size_t size)
{
    size_t given = size;
    if (params)
        memcpy(&given, params, sizeof(given));
    if (given < sizeof(given))
        return weft_fail(
            ctx, WEFT_ERR_ARG,
            "%s: the struct_size of its params is %zu; set it with the macro "
            "of the struct's name, as in weft_train_params(...)",
            function, given);
    const unsigned char *bytes = params;
    for (size_t i = size; i < given; i++)
        if (bytes[i])
            return weft_fail(
                ctx, WEFT_ERR_ARG,
                "%s: its params use a field that weft %s does not have: byte "
                "%zu, where this version has %zu; update weft",
                function, weft_version(), i, size);
    memset(own, 0, size);
    if (params)
        memcpy(own, params, given < size ? given : size);
    memcpy(own, &size, sizeof(size));
    return WEFT_OK;
}

void weft_info_write(void *out, size_t out_size, const void *own, size_t size)
{
    size_t common = !own ? 0 : out_size < size ? out_size : size;
    if (!out)
        return;
    if (common)
        memcpy(out, own, common);
    memset((unsigned char *)out + common, 0, out_size - common);
}
