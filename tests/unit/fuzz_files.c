/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of saved results and what is made of them, of class names, and of the cache
 * of compiled kernels, fed with any bytes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "dataset/format.h"
#include "report/report.h"
#include "results/comparison_text.h"
#include "unit/fuzz_files.h"

static struct weft_context context;

/* In place of those of the command, which print. */
enum app_exit app_error(const struct app *app, enum app_exit code, const char *format,
                        ...)
{
    char text[1024];
    va_list args;
    (void)app;
    va_start(args, format);
    MUST(vsnprintf(text, sizeof(text), format, args) > 5);
    va_end(args);
    MUST(!strncmp(text, "input", 5));
    return code;
}

void app_print_written(const char *path)
{
    (void)path;
}

/* Everything that `weft compare` and its report make of runs. */
static void read_results(const uint8_t *bytes, size_t size)
{
    struct results results = {NULL};
    char label[RESULTS_LABEL_BYTES], sentence[COMPARISON_SENTENCE_BYTES];
    enum app_exit code =
        results_parse(NULL, &results, "input", (const char *)bytes, size);
    MUST(code == APP_OK || code == APP_BAD_INPUT);
    int count = results_count(&results);
    MUST(code || count >= 1);
    for (int i = 0; i < count && i < 4; i++) {
        results_label(&results, i, label);
        comparison_sentence(&results, 0, i, sentence);
        const json_t *rows = report_rows(&results, i);
        for (size_t k = 0; k < json_array_size(rows) && k < 8; k++) {
            double bounds[2];
            results_workload_key(json_array_get(rows, k), label);
            report_interval(json_array_get(rows, k), bounds);
        }
    }
    if (!code) {
        MUST(report_save(NULL, &results, "/dev/null") == APP_OK);
        fuzz_accepted++;
    }
    results_free(&results);
}

/* classes.txt beside images of three classes. */
static void read_classes(const uint8_t *bytes, size_t size)
{
    struct weft_raw_images raw = {.count = 3, .height = 2, .width = 2, .channels = 1};
    struct weft_reading reading = {.ctx = &context};
    weft_dataset *data = NULL;
    char *text = malloc(size + 1);
    raw.pixels = calloc(3, 4);
    raw.labels = calloc(3, sizeof(*raw.labels));
    MUST(text && raw.pixels && raw.labels);
    raw.labels[1] = 1;
    raw.labels[2] = 2;
    memcpy(text, bytes, size);
    text[size] = 0;
    struct weft_class_names_source naming = {.text = text, .file = "input"};
    enum weft_status status = weft_dataset_take(&reading, &raw, "input", &naming, &data);
    MUST(!status || status == WEFT_ERR_FORMAT || status == WEFT_ERR_NOMEM);
    MUST(!status || !strncmp(weft_error(&context), "input", 5));
    fuzz_accepted += !status;
    weft_dataset_destroy(&data);
    weft_raw_images_free(&raw);
    free(reading.notes);
    free(text);
    free(context.error);
    context.error = NULL;
}

#ifdef FUZZ_OPENCL
const uint8_t fuzz_cache_key[OCL_KEY_BYTES] = {7, 6, 5};
char fuzz_cache_folder[40] = "/tmp/weft-fuzz-XXXXXX";

static void remove_cache(void)
{
    rmdir(fuzz_cache_folder);
}

/* Where the entry of `key` is. */
const char *fuzz_cache_entry(void)
{
    static char path[sizeof(fuzz_cache_folder) + 2 * OCL_KEY_BYTES + 8];
    if (*path)
        return path;
    if (!access("/dev/shm", W_OK)) /* in memory, and faster */
        strcpy(fuzz_cache_folder, "/dev/shm/weft-fuzz-XXXXXX");
    MUST(mkdtemp(fuzz_cache_folder));
    atexit(remove_cache);
    int at = snprintf(path, sizeof(path), "%s/", fuzz_cache_folder);
    for (int i = 0; i < OCL_KEY_BYTES; i++)
        at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", fuzz_cache_key[i]);
    strcat(path, ".bin");
    return path;
}

static void read_cache(const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_cache_entry();
    size_t found;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    void *binary = ocl_cache_read(fuzz_cache_folder, fuzz_cache_key, &found);
    MUST(!binary || found < size);
    fuzz_accepted += binary != NULL;
    free(binary);
    unlink(path);
}
#endif

const struct fuzz_reader fuzz_readers[] = {{"results", read_results, false},
                                           {"classes", read_classes, false},
#ifdef FUZZ_OPENCL
                                           {"cache", read_cache, false},
#endif
                                           {NULL, NULL, false}};
