/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets written to files and read back, for tests of formats. */
#ifndef WEFT_TESTS_UNIT_DATA_FILES_H
#define WEFT_TESTS_UNIT_DATA_FILES_H

#include "dataset/format.h"
#include "unit/file_corpus.h"
#include "util/file.h"

static struct weft_context context;

static inline void save(const char *path, const struct buffer *b)
{
    CHECK_OK(weft_file_write(&context, path, b->bytes, b->size));
}

static inline void save_text(const char *path, const char *text)
{
    CHECK_OK(weft_file_write(&context, path, text, strlen(text)));
}

static inline void save_gz(const char *path, const struct buffer *b)
{
    gzFile file = gzopen(path, "wb");
    REQUIRE(file && gzwrite(file, b->bytes, (unsigned)b->size) == (int)b->size);
    REQUIRE(gzclose(file) == Z_OK);
}

/* Opens a file or folder and checks its shape and pixels; `labels` as digits. */
static inline weft_dataset *open_as(const char *spec, enum weft_split split, int h, int w,
                                    int c, const char *labels)
{
    weft_dataset *data = NULL;
    struct weft_dataset_info info;
    CHECK_OK(weft_dataset_open(&context, spec, split, NULL, &data));
    if (!data)
        return NULL;
    weft_dataset_info(data, &info);
    CHECK_INT(info.count, strlen(labels));
    CHECK_INT(info.height, h);
    CHECK_INT(info.width, w);
    CHECK_INT(info.channels, c);
    for (int i = 0; i < info.count; i++)
        CHECK_INT(test_labels(data)[i], labels[i] - '0');
    for (int i = 0; i < info.count * h * w * c; i++)
        CHECK_INT(test_pixels(data)[i], i * 37 % 256);
    return data;
}

static inline void check_open(const char *spec, enum weft_split split, int h, int w,
                              int c, const char *labels)
{
    weft_dataset *data = open_as(spec, split, h, w, c, labels);
    weft_dataset_destroy(&data);
    CHECK(!data);
}

static inline void check_fails(const char *spec, enum weft_status status,
                               const char *words)
{
    weft_dataset *data = NULL;
    CHECK_FAILS(weft_dataset_open(&context, spec, WEFT_SPLIT_TRAIN, NULL, &data), status,
                words);
    CHECK(!data);
}

#endif
