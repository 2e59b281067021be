/* SPDX-License-Identifier: Apache-2.0 */
/* One file for each source, part and size:
 *     header; a record of each image; the pixels; for each file the text of its failure,
 *     which ends in a zero byte.
 * It is of this machine: numbers are in its byte order. While images are missing, it has
 * another name and no texts, and is locked by the process that fills it. */
#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "dataset/image_cache.h"

#include "image/preprocess.h"
#include "os/private_folder.h"
#include "util/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes with the layout, and with what decoding and preprocessing make of a file. */
static const char schema[8] = "weftimg4";

struct image_cache_header {
    char schema[8];
    uint8_t key[WEFT_SHA256_BYTES];
    int32_t height, width, channels, zero;
    uint64_t count, failure_bytes;
    uint64_t sums[2]; /* hashes of records and failures */
};

struct weft_image_cache {
    char *path, *partial; /* partial: the name while images are missing; NULL: none */
    int fd;
    struct image_cache_header header;
    struct weft_image_record *records;
    char *failures;       /* all texts; NULL: images are missing */
    const char **failure; /* one for each image */
    size_t bytes;         /* of one image */
};

enum { MAX_FAILURE_BYTES = 1 << 30 };

static void add(struct weft_sha256_state *hash, const void *part, size_t size)
{
    uint64_t length = size;
    weft_sha256_add(hash, &length, sizeof(length));
    weft_sha256_add(hash, part, size);
}

static void add_request(struct weft_sha256_state *hash, const struct weft_reading *r)
{
    char text[WEFT_PREPROCESS_TEXT];
    const struct weft_preprocess_params *p = &r->preprocess;
    const int32_t size[] = {(int32_t)p->height, (int32_t)p->width, (int32_t)p->channels};
    weft_preprocess_write(p, text);
    add(hash, schema, sizeof(schema));
    add(hash, text, strlen(text));
    add(hash, size, sizeof(size));
}

/* Everything that decides what is decoded. */
static void compute_key(const struct weft_reading *reading,
                        const struct weft_image_list *list,
                        uint8_t key[WEFT_SHA256_BYTES])
{
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    add_request(&hash, reading);
    for (size_t i = 0; i < list->count; i++) {
        const struct weft_listed_image *image = &list->images[i];
        add(&hash, image->path, strlen(image->path));
        add(&hash, &image->size, sizeof(image->size));
        add(&hash, image->times, sizeof(image->times));
    }
    weft_sha256_finish(&hash, key);
}

/* The file, owned by the caller; NULL: there is no folder for it. */
static char *find_path(const struct weft_reading *reading, const char *source)
{
    enum { NAME_BYTES = 16 };
    struct weft_sha256_state hash;
    uint8_t sum[WEFT_SHA256_BYTES];
    char name[2 * WEFT_SHA256_BYTES + 8];
    const int32_t split = (int32_t)reading->split;
    if (!reading->cache_dir)
        return NULL;
    char *absolute = realpath(source, NULL);
    if (!absolute)
        return NULL;
    weft_sha256_init(&hash);
    add_request(&hash, reading);
    add(&hash, absolute, strlen(absolute));
    add(&hash, &split, sizeof(split));
    weft_sha256_finish(&hash, sum);
    free(absolute);
    weft_sha256_hex(sum, name);
    strcpy(name + 2 * NAME_BYTES, ".images");
    return weft_path_join(reading->cache_dir, name);
}

/* As for compiled kernels: what another user could write is not used. */
static bool is_private(const struct weft_reading *reading)
{
    return weft_folder_is_private(reading->cache_dir, S_IWGRP | S_IWOTH);
}

static bool read_at(int fd, void *to, size_t size, size_t at)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)to + done, size - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool write_at(int fd, const void *from, size_t size, size_t at)
{
    for (size_t done = 0; done < size;) {
        ssize_t count =
            pwrite(fd, (const char *)from + done, size - done, (off_t)(at + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

static size_t record_bytes(const struct weft_image_cache *c)
{
    return (size_t)c->header.count * sizeof(*c->records);
}

static size_t pixels_at(const struct weft_image_cache *c, size_t image)
{
    return sizeof(c->header) + record_bytes(c) + image * c->bytes;
}

static struct weft_image_cache *create(char *path)
{
    struct weft_image_cache *c = path ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        free(path);
        return NULL;
    }
    c->path = path;
    c->fd = -1;
    return c;
}

void weft_image_cache_close(struct weft_image_cache **cache)
{
    struct weft_image_cache *c = *cache;
    *cache = NULL;
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    free(c->path);
    free(c->partial);
    free(c->records);
    free(c->failures);
    free(c->failure);
    free(c);
}

/* Reads the header, and what the key does not decide of it. *end receives the end of the
 * pixels. */
static bool read_header(struct weft_image_cache *c, const uint8_t *key, size_t count,
                        size_t *end)
{
    struct image_cache_header *h = &c->header;
    size_t each, pixels;
    if (!read_at(c->fd, h, sizeof(*h), 0) ||
        memcmp(h->schema, schema, sizeof(schema)) != 0 ||
        memcmp(h->key, key, sizeof(h->key)) != 0 || h->count != count || h->height < 1 ||
        h->width < 1 || h->height > WEFT_MAX_SIDE || h->width > WEFT_MAX_SIDE ||
        (h->channels != 1 && h->channels != 3) || h->zero ||
        !weft_checked_mul((size_t)h->height * (size_t)h->channels, (size_t)h->width,
                          &each) ||
        !weft_checked_mul(each, count, &pixels) || pixels > SIZE_MAX / 2)
        return false;
    c->bytes = each;
    *end = pixels_at(c, count);
    c->records = calloc(count, sizeof(*c->records));
    return c->records && read_at(c->fd, c->records, record_bytes(c), sizeof(*h));
}

/* The texts behind the pixels. */
static bool read_failures(struct weft_image_cache *c, size_t end)
{
    const struct image_cache_header *h = &c->header;
    size_t size = (size_t)h->failure_bytes, texts = 0;
    struct stat info;
    if (h->failure_bytes < h->count || h->failure_bytes > MAX_FAILURE_BYTES ||
        fstat(c->fd, &info) || (uintmax_t)info.st_size != end + size)
        return false;
    c->failures = malloc(size);
    c->failure = calloc((size_t)h->count, sizeof(*c->failure));
    if (!c->failures || !c->failure || !read_at(c->fd, c->failures, size, end) ||
        c->failures[size - 1] || h->sums[0] != weft_hash64(c->records, record_bytes(c)) ||
        h->sums[1] != weft_hash64(c->failures, size))
        return false;
    for (size_t at = 0; at < size && texts < h->count; texts++) {
        c->failure[texts] = c->failures + at;
        at += strlen(c->failures + at) + 1;
        if (texts + 1 == h->count && at != size)
            return false;
    }
    return texts == h->count;
}

bool weft_image_cache_open(struct weft_reading *reading, const char *source,
                           const struct weft_image_list *list,
                           struct weft_preprocess_params *params,
                           struct weft_image_cache **out)
{
    uint8_t key[WEFT_SHA256_BYTES];
    struct weft_image_cache *c = create(find_path(reading, source));
    size_t end = 0;
    if (!c || !is_private(reading) || (c->fd = open(c->path, O_RDWR | O_CLOEXEC)) < 0) {
        weft_image_cache_close(&c);
        return false;
    }
    compute_key(reading, list, key);
    if (!read_header(c, key, list->count, &end) || !read_failures(c, end)) {
        weft_image_cache_close(&c);
        return false;
    }
    params->height = c->header.height;
    params->width = c->header.width;
    params->channels = c->header.channels;
    *out = c;
    return true;
}

/* Opens the file of missing images. One that another process fills is left to it: this
 * one then has a file without a name. */
static const char *open_partial(struct weft_image_cache *c)
{
    size_t size = strlen(c->path) + 16;
    c->partial = malloc(size);
    if (!c->partial)
        return "out of memory";
    snprintf(c->partial, size, "%s.part", c->path);
    c->fd = open(c->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->fd < 0)
        return strerror(errno);
    if (!flock(c->fd, LOCK_EX | LOCK_NB))
        return NULL;
    close(c->fd);
    snprintf(c->partial, size, "%s.XXXXXX", c->path);
    c->fd = mkstemp(c->partial);
    if (c->fd < 0)
        return strerror(errno);
    unlink(c->partial);
    free(c->partial);
    c->partial = NULL;
    return NULL;
}

/* Takes what the file has of these images, or clears it and makes room for all of
 * them: a full disk is found here. */
static const char *continue_or_clear(struct weft_image_cache *c,
                                     const struct image_cache_header *wanted)
{
    size_t end = 0, count = (size_t)wanted->count;
    struct stat info;
    bool known = read_header(c, wanted->key, count, &end) &&
                 !memcmp(&c->header, wanted, sizeof(*wanted)) && !fstat(c->fd, &info) &&
                 (uintmax_t)info.st_size == end;
    if (known)
        return NULL;
    free(c->records);
    c->header = *wanted;
    c->bytes = (size_t)wanted->height * (size_t)wanted->width * (size_t)wanted->channels;
    c->records = calloc(count, sizeof(*c->records));
    if (!c->records)
        return "out of memory";
    int error = ftruncate(c->fd, 0)
                    ? errno
                    : posix_fallocate(c->fd, 0, (off_t)pixels_at(c, count));
    if (!error && !write_at(c->fd, wanted, sizeof(*wanted), 0))
        error = errno;
    if (error && c->partial)
        unlink(c->partial);
    return error ? strerror(error) : NULL;
}

bool weft_image_cache_begin(struct weft_reading *reading, const char *source,
                            const struct weft_image_list *list,
                            const struct weft_preprocess_params *params,
                            struct weft_image_cache **out)
{
    struct image_cache_header wanted = {.height = params->height,
                                        .width = params->width,
                                        .channels = params->channels,
                                        .count = list->count};
    const char *failure = NULL;
    struct weft_image_cache *c = create(find_path(reading, source));
    if (!c)
        return false;
    memcpy(wanted.schema, schema, sizeof(schema));
    compute_key(reading, list, wanted.key);
    if (weft_folder_create(NULL, reading->cache_dir, 0700))
        failure = "cannot be created";
    else if (!is_private(reading))
        failure = "is not a folder that you alone may write to (chmod 700)";
    else if (!(failure = open_partial(c)))
        failure = continue_or_clear(c, &wanted);
    if (!failure) {
        *out = c;
        return true;
    }
    weft_reading_note(reading, "%s: %s: decoded images are not kept", reading->cache_dir,
                      failure);
    weft_image_cache_close(&c);
    return false;
}

const struct weft_image_record *weft_image_cache_records(const struct weft_image_cache *c)
{
    return c->records;
}

const char *weft_image_cache_failure(const struct weft_image_cache *c, size_t image)
{
    return c->failure ? c->failure[image] : "";
}

bool weft_image_cache_load(const struct weft_image_cache *c, size_t image,
                           uint8_t *pixels)
{
    uint64_t hash = c->records[image].hash;
    return hash && read_at(c->fd, pixels, c->bytes, pixels_at(c, image)) &&
           (weft_hash64(pixels, c->bytes) | 1) == hash;
}

void weft_image_cache_expect(const struct weft_image_cache *c, size_t image)
{
    if (c->records[image].hash)
        posix_fadvise(c->fd, (off_t)pixels_at(c, image), (off_t)c->bytes,
                      POSIX_FADV_WILLNEED);
}

void weft_image_cache_store(struct weft_image_cache *c, size_t image,
                            const struct weft_image_record *facts, const uint8_t *pixels)
{
    struct weft_image_record *record = &c->records[image];
    *record = *facts;
    record->hash = weft_hash64(pixels, c->bytes) | 1;
    if (!write_at(c->fd, pixels, c->bytes, pixels_at(c, image)) ||
        !write_at(c->fd, record, sizeof(*record),
                  sizeof(c->header) + image * sizeof(*record)))
        record->hash = 0; /* then it is decoded when it is needed again */
}

/* All texts, one after the other. */
static char *join_failures(char *const *failures, size_t count, size_t *size)
{
    size_t at = 0;
    *size = 0;
    for (size_t i = 0; i < count; i++)
        *size += (failures[i] ? strlen(failures[i]) : 0) + 1;
    char *text = malloc(*size);
    for (size_t i = 0; text && i < count; i++) {
        const char *failure = failures[i] ? failures[i] : "";
        memcpy(text + at, failure, strlen(failure) + 1);
        at += strlen(failure) + 1;
    }
    return text;
}

/* A failure is not one: the next process decodes what is missing. */
void weft_image_cache_complete(struct weft_image_cache *c, char *const *failures)
{
    size_t size, count = (size_t)c->header.count;
    if (!c->partial)
        return;
    for (size_t i = 0; i < count; i++)
        if (!failures[i] && !c->records[i].hash)
            return;
    char *texts = join_failures(failures, count, &size);
    if (!texts)
        return;
    c->header.failure_bytes = size;
    c->header.sums[0] = weft_hash64(c->records, record_bytes(c));
    c->header.sums[1] = weft_hash64(texts, size);
    if (write_at(c->fd, c->records, record_bytes(c), sizeof(c->header)) &&
        write_at(c->fd, texts, size, pixels_at(c, count)) &&
        write_at(c->fd, &c->header, sizeof(c->header), 0) &&
        !rename(c->partial, c->path)) {
        free(c->partial);
        c->partial = NULL;
    }
    free(texts);
}
