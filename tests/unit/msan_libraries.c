/* SPDX-License-Identifier: Apache-2.0 */
/* For MemorySanitizer, which does not see what zlib and jansson write: their results are
 * marked as initialized. Linked with --wrap into fuzz targets only (fuzz.sh). */
#include <jansson.h>
#include <sanitizer/msan_interface.h>
#include <stdlib.h>
#include <zlib.h>

int __real_inflateInit2_(z_stream *stream, int bits, const char *version, int size);
int __wrap_inflateInit2_(z_stream *stream, int bits, const char *version, int size);
int __real_inflate(z_stream *stream, int flush);
int __wrap_inflate(z_stream *stream, int flush);
json_t *__real_json_loadb(const char *text, size_t size, size_t flags,
                          json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags,
                          json_error_t *error);

int __wrap_inflateInit2_(z_stream *stream, int bits, const char *version, int size)
{
    int result = __real_inflateInit2_(stream, bits, version, size);
    __msan_unpoison(stream, sizeof(*stream));
    return result;
}

int __wrap_inflate(z_stream *stream, int flush)
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

json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags,
                          json_error_t *error)
{
    __msan_check_mem_is_initialized(text, size);
    json_set_alloc_funcs(allocate, free);
    json_t *result = __real_json_loadb(text, size, flags, error);
    if (error)
        __msan_unpoison(error, sizeof(*error));
    return result;
}
