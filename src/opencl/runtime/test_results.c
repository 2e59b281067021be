/* SPDX-License-Identifier: Apache-2.0 */
/* Results of known-answer tests, in memory and in a file. */
#include "opencl/runtime/test_results.h"

#include "opencl/runtime/command_list.h"

#include <stdlib.h>
#include <string.h>

/* To be raised with the thoroughness of the test, and with the format of the file. */
static const char schema[] = "known answers 4";

/* Beyond these the oldest are forgotten, and tested again. */
enum { MAX_RESULTS = 4096 };

struct kept_result {
    uint32_t result;
    uint8_t key[OCL_KEY_BYTES];
};
_Static_assert(sizeof(struct kept_result) == 4 + OCL_KEY_BYTES, "no padding");

struct ocl_test_results {
    char *dir;                  /* NULL: not kept */
    uint8_t key[OCL_KEY_BYTES]; /* of the file */
    struct kept_result *list;
    int count, room;
};

static bool holds(const struct ocl_test_results *v, enum ocl_test_result result,
                  const uint8_t key[OCL_KEY_BYTES])
{
    for (int i = 0; i < v->count; i++)
        if (v->list[i].result == (uint32_t)result &&
            !memcmp(v->list[i].key, key, OCL_KEY_BYTES))
            return true;
    return false;
}

static bool append(struct ocl_test_results *v, enum ocl_test_result result,
                   const uint8_t key[OCL_KEY_BYTES])
{
    if (v->count == v->room) {
        int room = v->room ? 2 * v->room : 32;
        struct kept_result *more = realloc(v->list, (size_t)room * sizeof(*more));
        if (!more)
            return false;
        v->list = more;
        v->room = room;
    }
    struct kept_result *e = &v->list[v->count++];
    e->result = (uint32_t)result;
    memcpy(e->key, key, OCL_KEY_BYTES);
    return true;
}

/* Adds those of the file that are not in the list. */
static void read_file(struct ocl_test_results *v)
{
    size_t bytes = 0;
    struct kept_result *kept = v->dir ? ocl_cache_read(v->dir, v->key, &bytes) : NULL;
    for (size_t i = 0; kept && i < bytes / sizeof(*kept); i++)
        if (kept[i].result < OCL_KEPT_RESULTS &&
            !holds(v, (enum ocl_test_result)kept[i].result, kept[i].key) &&
            !append(v, (enum ocl_test_result)kept[i].result, kept[i].key))
            break;
    free(kept);
}

/* Keeps what another process has written since the file was read. */
static void write_file(struct ocl_test_results *v)
{
    read_file(v);
    struct kept_result *kept = malloc((size_t)v->count * sizeof(*kept) + 1);
    int count = 0;
    for (int i = 0; kept && i < v->count; i++)
        if (v->list[i].result < OCL_KEPT_RESULTS)
            kept[count++] = v->list[i];
    int oldest = count > MAX_RESULTS ? count - MAX_RESULTS : 0;
    if (kept)
        ocl_cache_write(v->dir, v->key, kept + oldest,
                        (size_t)(count - oldest) * sizeof(*kept));
    free(kept);
}

void ocl_test_results_open(struct ocl_device *d, const char *dir)
{
    struct ocl_test_results *v = calloc(1, sizeof(*v));
    if (!v)
        return;
    v->dir = dir ? strdup(dir) : NULL;
    ocl_cache_key(d, schema, sizeof(schema), "", v->key);
    read_file(v);
    d->test_results = v;
}

void ocl_test_results_close(struct ocl_device *d)
{
    if (!d->test_results)
        return;
    free(d->test_results->dir);
    free(d->test_results->list);
    free(d->test_results);
    d->test_results = NULL;
}

bool ocl_test_result_known(const struct ocl_device *d, enum ocl_test_result result,
                           const uint8_t key[OCL_KEY_BYTES])
{
    return d->test_results && holds(d->test_results, result, key);
}

bool ocl_test_result_exists(const struct ocl_device *d, enum ocl_test_result result)
{
    for (int i = 0; d->test_results && i < d->test_results->count; i++)
        if (d->test_results->list[i].result == (uint32_t)result)
            return true;
    return false;
}

bool ocl_test_result_add(struct ocl_device *d, enum ocl_test_result result,
                         const uint8_t key[OCL_KEY_BYTES])
{
    if (ocl_test_result_known(d, result, key))
        return true;
    if (!d->test_results || !append(d->test_results, result, key))
        return false;
    if (result < OCL_KEPT_RESULTS && d->test_results->dir)
        write_file(d->test_results);
    return true;
}

char *ocl_test_results_path(const struct ocl_device *d)
{
    return d->test_results && d->test_results->dir
               ? ocl_cache_path(d->test_results->dir, d->test_results->key)
               : NULL;
}

static void hash_launches(const struct weft_command_list *list,
                          uint8_t key[OCL_KEY_BYTES])
{
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    ocl_list_hash(list, &hash);
    weft_sha256_finish(&hash, key);
}

bool ocl_is_proven(const struct weft_command_list *list)
{
    uint8_t key[OCL_KEY_BYTES];
    hash_launches(list, key);
    return ocl_test_result_known(ocl_device_of(list), OCL_PASSED, key);
}

void ocl_set_proven(struct weft_command_list *list)
{
    uint8_t key[OCL_KEY_BYTES];
    hash_launches(list, key);
    ocl_test_result_add(ocl_device_of(list), OCL_PASSED, key);
}
