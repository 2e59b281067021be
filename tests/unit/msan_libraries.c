/* SPDX-License-Identifier: Apache-2.0 */
/* For MemorySanitizer, which does not see what zlib, jansson and the newer names of
 * stat() write: their results are marked as initialized. Linked with --wrap into fuzz
 * targets only (fuzz.sh). */
#define _GNU_SOURCE
#include <jansson.h>
#include <sanitizer/msan_interface.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#define WRAPPED(result, name, ...)     \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

/* Forgets what instrumented functions left on the stack below this one, which a library
 * would seem to read. */
static __attribute__((noinline)) void clean_stack(void)
{
    char below[1 << 16];
    __msan_unpoison(below, sizeof(below));
}

WRAPPED(int, inflateInit2_, z_stream *stream, int bits, const char *version, int size)
{
    int result = __real_inflateInit2_(stream, bits, version, size);
    __msan_unpoison(stream, sizeof(*stream));
    return result;
}

WRAPPED(int, inflate, z_stream *stream, int flush)
{
    __msan_check_mem_is_initialized(stream->next_in, stream->avail_in);
    Bytef *out = stream->next_out;
    int result = __real_inflate(stream, flush);
    __msan_unpoison(out, (size_t)(stream->next_out - out));
    return result;
}

static void *allocate(size_t size)
{
    return calloc(1, size);
}

WRAPPED(json_t *, json_loadb, const char *text, size_t size, size_t flags,
        json_error_t *error)
{
    __msan_check_mem_is_initialized(text, size);
    json_set_alloc_funcs(allocate, free);
    clean_stack();
    __msan_scoped_disable_interceptor_checks();
    json_t *result = __real_json_loadb(text, size, flags, error);
    __msan_scoped_enable_interceptor_checks();
    if (error)
        __msan_unpoison(error, sizeof(*error));
    return result;
}

WRAPPED(int, fstat64, int fd, struct stat64 *info)
{
    int result = __real_fstat64(fd, info);
    __msan_unpoison(info, sizeof(*info));
    return result;
}

WRAPPED(int, stat64, const char *path, struct stat64 *info)
{
    int result = __real_stat64(path, info);
    __msan_unpoison(info, sizeof(*info));
    return result;
}

WRAPPED(int, lstat64, const char *path, struct stat64 *info)
{
    int result = __real_lstat64(path, info);
    __msan_unpoison(info, sizeof(*info));
    return result;
}
