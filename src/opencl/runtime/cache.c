/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs in files, one for each key. Doubtful entries count as absent. */
#define _XOPEN_SOURCE 700
#include "opencl/runtime/enumerate.h"
#include "opencl/runtime/program.h"

#include <stdlib.h>
#include <string.h>

#include "os/private_folder.h"
#include "util/file.h"
#include "util/hash.h"

/* To be changed with the format or the meaning of an entry. */
static const char schema[16] = "weft program 1";

struct cache_header {
    char magic[sizeof(schema)];
    uint8_t key[OCL_KEY_BYTES];
    uint64_t bytes; /* of the payload; in host byte order */
    uint8_t sum[WEFT_SHA256_BYTES];
};
_Static_assert(sizeof(struct cache_header) == 88, "no padding");

/* Programs have some hundred KB. */
enum { MAX_ENTRY = 256 << 20 };

/* Lengths make lists of parts unambiguous. */
static void add(struct weft_sha256_state *hash, const void *part, size_t bytes)
{
    uint64_t length = bytes;
    weft_sha256_add(hash, &length, sizeof(length));
    weft_sha256_add(hash, part, bytes);
}

static void add_text(struct weft_sha256_state *hash, const char *text)
{
    add(hash, text, strlen(text));
}

void ocl_cache_key(const struct ocl_device *d, const void *source, size_t bytes,
                   const char *options, uint8_t key[OCL_KEY_BYTES])
{
    const struct ocl_identity *identity = &d->identity;
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    add_text(&hash, schema);
    add_text(&hash, weft_version());
    add(&hash, source, bytes);
    add_text(&hash, options);
    for (int i = 0; i < OCL_IDENTITY_TEXTS; i++)
        add_text(&hash, identity->texts[i]);
    add(&hash, &identity->address_bits, sizeof(identity->address_bits));
    weft_sha256_finish(&hash, key);
}

char *ocl_cache_open(weft_context *ctx, const char *path)
{
    if (weft_folder_create(NULL, path, 0700)) {
        weft_log_message(ctx, WEFT_LOG_WARN,
                         "%s: cannot be created, so compiled kernels are not cached",
                         path);
        return NULL;
    }
    if (!weft_folder_is_private(path, S_IWGRP | S_IWOTH)) {
        weft_log_message(
            ctx, WEFT_LOG_WARN,
            "%s: is not a folder that you alone may write to (chmod 700), so "
            "compiled kernels are not cached",
            path);
        return NULL;
    }
    return strdup(path);
}

char *ocl_cache_path(const char *dir, const uint8_t key[OCL_KEY_BYTES])
{
    char name[2 * OCL_KEY_BYTES + 8];
    weft_sha256_hex(key, name);
    strcat(name, ".bin");
    return weft_path_join(dir, name);
}

static bool valid(const struct weft_file *file, const uint8_t key[OCL_KEY_BYTES])
{
    struct cache_header header;
    uint8_t sum[WEFT_SHA256_BYTES];
    if (file->size < sizeof(header))
        return false;
    memcpy(&header, file->bytes, sizeof(header));
    if (memcmp(header.magic, schema, sizeof(schema)) ||
        memcmp(header.key, key, sizeof(header.key)) ||
        header.bytes != file->size - sizeof(header))
        return false;
    weft_sha256(file->bytes + sizeof(header), file->size - sizeof(header), sum);
    return !memcmp(sum, header.sum, sizeof(sum));
}

void *ocl_cache_read(const char *dir, const uint8_t key[OCL_KEY_BYTES], size_t *bytes)
{
    struct weft_file file;
    char *path = ocl_cache_path(dir, key);
    if (!path || weft_file_read(NULL, path, MAX_ENTRY, &file)) {
        free(path);
        return NULL;
    }
    free(path);
    if (!valid(&file, key)) {
        weft_file_free(&file);
        return NULL;
    }
    *bytes = file.size - sizeof(struct cache_header);
    memmove(file.bytes, file.bytes + sizeof(struct cache_header), *bytes);
    return file.bytes;
}

void ocl_cache_write(const char *dir, const uint8_t key[OCL_KEY_BYTES],
                     const void *payload, size_t bytes)
{
    if (bytes > MAX_ENTRY - sizeof(struct cache_header))
        return;
    struct cache_header header = {.bytes = bytes};
    char *path = ocl_cache_path(dir, key);
    char *file = malloc(sizeof(header) + bytes);
    if (path && file) {
        memcpy(header.magic, schema, sizeof(schema));
        memcpy(header.key, key, sizeof(header.key));
        weft_sha256(payload, bytes, header.sum);
        memcpy(file, &header, sizeof(header));
        memcpy(file + sizeof(header), payload, bytes);
        weft_file_write_mode(NULL, path, 0600, file, sizeof(header) + bytes);
    }
    free(file);
    free(path);
}
