/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of compiled programs: no damaged entry gets through to a driver, which might
 * die of it, and no folder that others could write to is used. Then the whole way, on a
 * device whose programs are kept. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opencl/runtime/command_list.h"
#include "opencl/runtime/enumerate.h"
#include "opencl/runtime/primitives.h"
#include "opencl/runtime/program.h"
#include "unit/test.h"
#include "util/file.h"
#include "util/hash.h"
#include "verify/verify.h"

static char dir[] = "cache-XXXXXX";
static int built, from_cache, warnings;

static void count_messages(void *priv, enum weft_log_level level, const char *message)
{
    (void)priv;
    built += strstr(message, "act.cl built") != NULL;
    from_cache += strstr(message, "act.cl from the cache") != NULL;
    warnings += level == WEFT_LOG_WARN;
}

/* The path of the only entry in the folder, to be freed, and their number. */
static char *only_entry(const char *folder, int *count)
{
    char *path = NULL;
    struct dirent *entry;
    DIR *open = opendir(folder);
    REQUIRE(open);
    *count = 0;
    while ((entry = readdir(open)))
        if (entry->d_name[0] != '.') {
            free(path);
            path = weft_path_join(folder, entry->d_name);
            ++*count;
        }
    closedir(open);
    return path;
}

static void overwrite(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static bool readable(const char *folder, const uint8_t key[OCL_KEY_BYTES])
{
    size_t size;
    void *payload = ocl_cache_read(folder, key, &size);
    free(payload);
    return payload != NULL;
}

static void test_entry(const char *folder)
{
    uint8_t key[OCL_KEY_BYTES], other[OCL_KEY_BYTES], payload[200];
    struct stat info;
    struct weft_file file;
    size_t size = 0;
    int count;
    weft_sha256("one", 3, key);
    weft_sha256("two", 3, other);
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    CHECK(!readable(folder, key));
    ocl_cache_write(folder, key, payload, sizeof(payload));
    char *path = only_entry(folder, &count);
    CHECK_INT(count, 1);
    REQUIRE(path && stat(path, &info) == 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    void *back = ocl_cache_read(folder, key, &size);
    CHECK(back && size == sizeof(payload) && !memcmp(back, payload, size));
    free(back);
    CHECK(!readable(folder, other));

    REQUIRE(!weft_file_read(NULL, path, 1 << 20, &file));
    for (size_t length = 0; length < file.size; length++) {
        overwrite(path, file.bytes, length);
        CHECK(!readable(folder, key));
    }
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        overwrite(path, file.bytes, file.size);
        CHECK(!readable(folder, key));
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* weft_file_read puts a zero behind: one byte too many. */
    overwrite(path, file.bytes, file.size + 1);
    CHECK(!readable(folder, key));
    overwrite(path, file.bytes, file.size);
    CHECK(readable(folder, key));

    /* A whole entry under the name of another key. */
    char *moved = weft_path_join(
        folder, "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3.bin");
    REQUIRE(moved && rename(path, moved) == 0);
    CHECK(!readable(folder, other));
    unlink(moved);
    free(moved);
    free(path);
    weft_file_free(&file);
}

static bool trusted(weft_context *context, const char *path)
{
    char *opened = ocl_cache_open(context, path);
    free(opened);
    return opened != NULL;
}

static void test_folder(weft_context *context)
{
    struct stat info;
    char *deep = weft_path_join(dir, "a/b"), *link = weft_path_join(dir, "link");
    REQUIRE(deep && link);
    CHECK(trusted(context, deep) && stat(deep, &info) == 0);
    CHECK_INT(info.st_mode & 0777, 0700);
    warnings = 0;
    CHECK(chmod(deep, 0777) == 0 && !trusted(context, deep));
    CHECK(chmod(deep, 0720) == 0 && !trusted(context, deep));
    CHECK(chmod(deep, 0700) == 0 && trusted(context, deep));
    CHECK(symlink("a/b", link) == 0 && !trusted(context, link));
    CHECK(!trusted(context, "/dev/null"));
    CHECK(!trusted(context, "/dev/null/below"));
    CHECK_INT(warnings, 5);
    unlink(link);
    free(link);
    free(deep);
}

/* Builds and runs tanh on the device. */
static void run_once(weft_context *context, int index)
{
    weft_device *device = NULL;
    struct weft_command_list *list = NULL;
    struct weft_mem *mem = NULL;
    float x = 0.5f, y = 0;
    built = from_cache = 0;
    CHECK_OK(weft_device_open(context, index, NULL, &device));
    const struct weft_backend *b = &weft_backend_opencl;
    CHECK_OK(b->alloc(device, 256, &mem));
    CHECK_OK(b->write(device, mem, 0, &x, sizeof(x)));
    CHECK_OK(b->list_create(device, NULL, &list));
    CHECK_OK(list->primitives->act_forward(list, &(struct weft_act_args){
                                                     .activation = {WEFT_ACT_tanh, 0},
                                                     .x = {mem, 0, 1},
                                                     .y = {mem, 32, 1},
                                                 }));
    CHECK_OK(b->list_finalize(list));
    CHECK_OK(b->replay(list));
    CHECK_OK(b->read(device, &y, mem, 128, sizeof(y)));
    const struct weft_activation tanh_act = {WEFT_ACT_tanh, 0};
    CHECK_NEAR(y, tanh(0.5), act_error_bound(tanh_act, 0.5, 0, tanh(0.5)));
    b->list_destroy(list);
    b->free(device, mem);
    weft_device_close(&device);
}

static void test_device(weft_context *context, int index, const char *folder)
{
    struct weft_file file;
    int count;
    run_once(context, index);
    CHECK_INT(built, 1);
    run_once(context, index);
    CHECK_INT(from_cache, 1);
    CHECK_INT(built, 0);
    char *path = only_entry(folder, &count);
    CHECK_INT(count, 1);
    REQUIRE(path && !weft_file_read(NULL, path, 1 << 28, &file));

    /* Damaged: built again, and whole again. */
    for (size_t at = 0; at < file.size; at += file.size / 5 + 1) {
        file.bytes[at] ^= 0x10;
        overwrite(path, file.bytes, file.size);
        file.bytes[at] ^= 0x10;
        run_once(context, index);
        CHECK_INT(from_cache, 0);
        CHECK_INT(built, 1);
    }
    run_once(context, index);
    CHECK_INT(from_cache, 1);

    /* An intact entry that is no program of this driver is rejected by the driver. */
    uint8_t key[OCL_KEY_BYTES];
    memcpy(key, file.bytes + 16, sizeof(key));
    ocl_cache_write(folder, key, "", 0);
    run_once(context, index);
    CHECK_INT(built, 1);
    unlink(path);
    free(path);
    weft_file_free(&file);
}

/* A device whose driver does not keep programs itself; -1: none. */
static int keeping_device(const weft_context *context)
{
    struct weft_device_info info;
    for (int i = 0; !weft_device_info(context, i, &info); i++)
        if (strstr(info.name, "llvmpipe"))
            return i;
    return -1;
}

int main(void)
{
    weft_context *context = NULL;
    REQUIRE(mkdtemp(dir));
    char *folder = weft_path_join(dir, "programs");
    REQUIRE(folder);
    REQUIRE(!weft_context_create(
        &context, weft_context_params(.log = count_messages, .log_level = WEFT_LOG_DEBUG,
                                      .cache_dir = folder)));
    test_context = context;
    test_folder(context);
    REQUIRE(trusted(context, folder));
    test_entry(folder);
    int index = keeping_device(context);
    if (index >= 0)
        test_device(context, index, folder);
    else
        printf(
            "not on a device: llvmpipe is not here, or RUSTICL_ENABLE=swrast not set\n");
    weft_context_destroy(&context);

    char *deep = weft_path_join(dir, "a/b"), *middle = weft_path_join(dir, "a");
    CHECK(rmdir(folder) == 0 && rmdir(deep) == 0 && rmdir(middle) == 0 &&
          rmdir(dir) == 0);
    free(deep);
    free(middle);
    free(folder);
    return test_end();
}
