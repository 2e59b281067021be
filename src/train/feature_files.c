/* SPDX-License-Identifier: Apache-2.0 */
/* Files of features. Each has those of one dataset: its name is a hash of all that they
 * depend on, which its header repeats. */
#define _GNU_SOURCE
#include "train/feature_files.h"

#include "dataset/dataset.h"
#include "os/private_folder.h"
#include "os/write_file.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes with the layout. */
static const char schema[8] = "weftfea2";

struct file_header {
    char schema[8];
    uint8_t key[WEFT_SHA256_BYTES];
    uint64_t images, count, sum; /* a hash of the values, which follow */
};

enum { NAME_DIGITS = 32 };
static const char suffix[] = ".features";

static const uint64_t most_kept = (uint64_t)4 << 30;

uint64_t weft_features_hash(const struct weft_graph *graph, const float *weights)
{
    struct weft_hash64_state hash;
    weft_hash64_init(&hash);
    for (int i = 0; i < graph->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *param = &graph->nodes[i].params[role];
            weft_hash64_add(&hash, weights + param->at, param->count * sizeof(float));
        }
    return weft_hash64_finish(&hash);
}

/* Words of a line that only training minds. */
static bool is_of_training(const char *word, size_t length)
{
    static const char *const words[] = {" frozen=", " rate=", " bias-rate=", " decay="};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(words); i++)
        if (length > strlen(words[i]) && !memcmp(word, words[i], strlen(words[i])))
            return true;
    return false;
}

/* The lines of the input and of the layers of the body, the same in a network that is
 * trained and in one that teaches. */
static void add_layers(const struct weft_feature_maker *m, struct weft_sha256_state *hash)
{
    const char *line = m->net->text;
    int lines = m->net->graph.nodes[m->nodes - 1].layer + 2;
    for (int i = 0; i < lines && *line; i++) {
        const char *end = strchrnul(line, '\n');
        for (const char *next; line < end; line = next) {
            next = memchr(line + 1, ' ', (size_t)(end - line - 1));
            next = next ? next : end;
            if (!is_of_training(line, (size_t)(next - line)))
                weft_sha256_add(hash, line, (size_t)(next - line));
        }
        weft_sha256_add(hash, "\n", 1);
        line = *end ? end + 1 : end;
    }
}

/* All that the bits of the features depend on. */
static void compute_key(const struct weft_feature_maker *m, uint64_t data,
                        uint8_t key[WEFT_SHA256_BYTES])
{
    const struct weft_device_info *device = &m->body->device->info;
    const uint64_t numbers[] = {data, m->weights, m->body->list->info.config_hash,
                                (uint64_t)m->nodes, (uint64_t)m->body->batch};
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    weft_sha256_add(&hash, schema, sizeof(schema));
    weft_sha256_add(&hash, numbers, sizeof(numbers));
    weft_sha256_add(&hash, m->normalization, sizeof(*m->normalization));
    weft_sha256_add(&hash, device->name, strlen(device->name) + 1);
    weft_sha256_add(&hash, device->driver, strlen(device->driver) + 1);
    add_layers(m, &hash);
    weft_sha256_finish(&hash, key);
}

static char *file_path(const char *dir, const uint8_t *key)
{
    char name[2 * WEFT_SHA256_BYTES + 16];
    weft_sha256_hex(key, name);
    strcpy(name + NAME_DIGITS, suffix);
    return dir ? weft_path_join(dir, name) : NULL;
}

static bool is_feature_file(const char *name)
{
    return strspn(name, "0123456789abcdef") == NAME_DIGITS &&
           !strcmp(name + NAME_DIGITS, suffix);
}

/* The file that was not used for the longest time, in `oldest`; the bytes of all. */
static uint64_t measure_folder(DIR *dir, char oldest[NAME_DIGITS + sizeof(suffix)])
{
    uint64_t bytes = 0;
    struct timespec first = {0};
    struct stat at;
    oldest[0] = 0;
    rewinddir(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_feature_file(entry->d_name) ||
            fstatat(dirfd(dir), entry->d_name, &at, AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(at.st_mode))
            continue;
        bytes += (uint64_t)at.st_size;
        const struct timespec *used = &at.st_mtim;
        if (!oldest[0] || used->tv_sec < first.tv_sec ||
            (used->tv_sec == first.tv_sec && used->tv_nsec < first.tv_nsec)) {
            strcpy(oldest, entry->d_name);
            first = *used;
        }
    }
    return bytes;
}

/* Removes files until one of `bytes` has room. Others may read them meanwhile: their
 * bytes stay until they are closed. */
static void make_room(const char *folder, uint64_t bytes)
{
    char oldest[NAME_DIGITS + sizeof(suffix)];
    DIR *dir = opendir(folder);
    while (dir && measure_folder(dir, oldest) + bytes > most_kept && oldest[0])
        if (unlinkat(dirfd(dir), oldest, 0))
            break;
    if (dir)
        closedir(dir);
}

/* Another user may not write there. */
static bool is_private(const char *dir)
{
    return weft_folder_is_private(dir, S_IWGRP | S_IWOTH);
}

/* Its time is that of its last use. */
static bool read_file(const char *dir, const char *path,
                      const struct file_header *expected, float *values)
{
    size_t bytes = (size_t)(expected->images * expected->count) * sizeof(float);
    struct weft_file_limits limits = {.limit = sizeof(*expected) + bytes};
    struct weft_file file = {NULL, 0, NULL};
    struct file_header header;
    bool valid = is_private(dir) && !weft_file_read_within(NULL, path, &limits, &file) &&
                 file.size == limits.limit;
    if (valid) {
        memcpy(&header, file.bytes, sizeof(header));
        memcpy(values, file.bytes + sizeof(header), bytes);
        valid = header.sum == weft_hash64(values, bytes);
        header.sum = 0;
        valid = valid && !memcmp(&header, expected, sizeof(header));
    }
    weft_file_free(&file);
    if (valid)
        utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
    return valid;
}

/* A failure is not one of the run. */
static void write_file(weft_context *ctx, const char *dir, const char *path,
                       struct file_header header, const float *values)
{
    size_t bytes = (size_t)(header.images * header.count) * sizeof(float);
    header.sum = weft_hash64(values, bytes);
    const struct weft_write_part parts[] = {{&header, sizeof(header)}, {values, bytes}};
    const char *failure = NULL;
    if (weft_folder_create(NULL, dir, 0700))
        failure = "cannot be created";
    else if (!is_private(dir))
        failure = "is not a folder that you alone may write to (chmod 700)";
    else {
        make_room(dir, sizeof(header) + bytes);
        failure = weft_write_file_parts(path, 0600, parts, WEFT_ARRAY_SIZE(parts));
    }
    if (failure)
        weft_log_message(ctx, WEFT_LOG_WARN, "%s: %s: features are not kept", dir,
                         failure);
}

static enum weft_status compute(struct weft_inference *body, const weft_dataset *data,
                                int images, size_t count, float *values)
{
    weft_context *ctx = body->device->context;
    struct weft_image_block block = {.pixels = NULL};
    enum weft_status status = WEFT_OK;
    int each = weft_dataset_block_images(data);
    each = each < body->batch ? body->batch : each / body->batch * body->batch;
    for (int first = 0, n; first < images && !status; first += n) {
        n = images - first < each ? images - first : each;
        status = weft_dataset_block(ctx, data, first, n, &block);
        if (!status)
            status =
                weft_inference_run(body, block.pixels, n, values + (size_t)first * count);
    }
    weft_image_block_free(&block);
    return status;
}

enum weft_status weft_features_make(const struct weft_feature_maker *m,
                                    const weft_dataset *data, float *values)
{
    weft_context *ctx = m->body->device->context;
    double start = weft_clock_seconds();
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    struct file_header header = {.images = (uint64_t)info.count, .count = m->count};
    memcpy(header.schema, schema, sizeof(schema));
    compute_key(m, info.hash, header.key);
    char *path = file_path(m->dir, header.key);
    bool known = path && read_file(m->dir, path, &header, values);
    enum weft_status status =
        known ? WEFT_OK : compute(m->body, data, info.count, m->count, values);
    if (path && !known && !status)
        write_file(ctx, m->dir, path, header, values);
    weft_log_message(ctx, WEFT_LOG_INFO, "%s: features of %d images %s in %.1f s",
                     m->net->name, info.count, known ? "read" : "computed",
                     weft_clock_seconds() - start);
    free(path);
    return status;
}
