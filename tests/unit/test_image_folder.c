/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of images: classes, parts, files left out, sizes, decoded images in a file. */
#define _XOPEN_SOURCE 700
#include <sys/stat.h>
#include <unistd.h>

#include "dataset/dataset.h"
#include "os/threads.h"
#include "util/hash.h"
#include "unit/data_files.h"

static void make_folders(const char *const *names)
{
    for (; *names; names++)
        CHECK_OK(weft_folder_create(&context, *names, 0777));
}

/* A PNG whose pixels are all `value`. */
static void save_image(const char *path, int h, int w, int channels, int value)
{
    uint8_t samples[64 * 64 * 3];
    memset(samples, value, sizeof(samples));
    struct buffer b = png((uint32_t)h, (uint32_t)w, channels == 3 ? 2 : 0, samples);
    save(path, &b);
}

static weft_dataset *open_with(const char *spec, enum weft_split split,
                               const struct weft_dataset_open_params *params)
{
    weft_dataset *data = NULL;
    CHECK_OK(weft_dataset_open(&context, spec, split, params, &data));
    return data;
}

/* Opens a part, and compares its shape, classes, and label and first pixel of each
 * image: "0:10 0:20 1:30". */
static void check_part(const char *spec, enum weft_split split, int h, int w, int c,
                       const char *classes, const char *images)
{
    weft_dataset *data = open_with(spec, split, NULL);
    struct weft_dataset_info info;
    char names[200] = "", found[400] = "";
    if (!data)
        return;
    weft_dataset_info(data, &info);
    CHECK_INT(info.height, h);
    CHECK_INT(info.width, w);
    CHECK_INT(info.channels, c);
    for (int i = 0; i < info.classes; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                 i ? " " : "", info.class_names[i]);
    for (int i = 0; i < info.count; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%d:%d",
                 i ? " " : "", info.labels[i], info.pixels[i * h * w * c]);
    CHECK_TEXT(names, classes);
    CHECK_TEXT(found, images);
    weft_dataset_destroy(&data);
}

/* Opens the training part, whose notes contain `words`. */
static void check_notes(const char *spec, const char *words)
{
    weft_dataset *data = open_with(spec, WEFT_SPLIT_TRAIN, NULL);
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    CHECK(!*words ? !*info.notes : strstr(info.notes, words) != NULL);
    if (*words && !strstr(info.notes, words))
        fprintf(stderr, "notes: %s\n", info.notes);
    weft_dataset_destroy(&data);
}

static void test_classes(void)
{
    make_folders((const char *[]){"c/b", "c/a/deep/er", "c/Z", "c/empty", NULL});
    save_image("c/b/1.png", 2, 3, 1, 10);
    save_image("c/a/2.PNG", 2, 3, 1, 20);
    save_image("c/a/deep/er/1.png", 2, 3, 1, 30);
    save_image("c/Z/1.png", 2, 3, 1, 40);
    check_part("c", WEFT_SPLIT_TRAIN, 2, 3, 1, "Z a b", "0:40 1:20 1:30 2:10");
    check_part("c/", WEFT_SPLIT_TRAIN, 2, 3, 1, "Z a b", "0:40 1:20 1:30 2:10");
    check_notes("c", "");
    weft_dataset *data = NULL;
    CHECK_FAILS(weft_dataset_open(&context, "c", WEFT_SPLIT_TEST, NULL, &data),
                WEFT_ERR_ARG, "has no test images");
    CHECK_FAILS(weft_dataset_open(&context, "c", WEFT_SPLIT_VALIDATION, NULL, &data),
                WEFT_ERR_ARG, "has no validation images");

    /* Links: to a file, to a folder of images, to one that contains them, to nothing. */
    CHECK(!symlink("../b/1.png", "c/Z/2.png"));
    CHECK(!symlink("a/deep", "c/linked"));
    CHECK(!symlink("../..", "c/a/deep/loop"));
    check_part("c", WEFT_SPLIT_TRAIN, 2, 3, 1, "Z a b linked",
               "0:40 0:10 1:20 1:30 2:10 3:30");
    CHECK(!symlink("nowhere.png", "c/b/broken.png"));
    check_part("c", WEFT_SPLIT_TRAIN, 2, 3, 1, "Z a b linked",
               "0:40 0:10 1:20 1:30 2:10 3:30");
    check_notes("c", "1 of 7 files left out: c/b/broken.png: cannot be opened");

    save_text("c/b/.hidden.png", "");
    save_text("c/b/Thumbs.db", "");
    save_text("c/b/notes.txt", "");
    save_text("c/readme", "");
    check_notes("c", "1 hidden file skipped");
    check_notes("c", "3 files skipped that are no PNG, JPEG or PNM by name, Thumbs.db");
    save_text("c/b/bad.png", "\x89PNG\r\n\x1a\n");
    save_text("c/b/empty.jpg", "");
    check_notes("c", "3 of 9 files left out: c/b/bad.png: damaged PNG");
    CHECK(!mkdir("c/b/folder.png", 0777));
    CHECK(!mkfifo("c/b/pipe.png", 0666));
    check_notes("c", "4 of 10 files left out");
}

static void test_refused(void)
{
    make_folders((const char *[]){"one/only", "all/a", "all/b", NULL});
    save_image("one/only/1.png", 2, 3, 1, 10);
    check_fails("one", WEFT_ERR_FORMAT, "all its images are in one folder, only");
    check_fails("one/only", WEFT_ERR_FILE, "image files in a folder for each class");
    save_text("all/a/1.png", "x");
    save_text("all/b/1.png", "y");
    check_fails("all", WEFT_ERR_FORMAT,
                "all: none of its 2 images can be read: all/a/1.png: is not a PNG");
}

static void test_parts(void)
{
    weft_dataset *data = NULL;
    make_folders((const char *[]){"p/Train/x", "p/Train/y", "p/Train/z", "p/val/y",
                                  "p/test/x", "p/test/z", NULL});
    save_image("p/Train/x/1.png", 2, 2, 1, 1);
    save_image("p/Train/y/1.png", 2, 2, 1, 2);
    save_image("p/Train/z/1.png", 2, 2, 1, 3);
    save_image("p/val/y/1.png", 2, 2, 1, 4);
    save_image("p/test/x/1.png", 2, 2, 1, 5);
    save_image("p/test/z/1.png", 2, 2, 1, 6);
    check_part("p", WEFT_SPLIT_TRAIN, 2, 2, 1, "x y z", "0:1 1:2 2:3");
    check_part("p", WEFT_SPLIT_VALIDATION, 2, 2, 1, "x y z", "1:4");
    check_part("p", WEFT_SPLIT_TEST, 2, 2, 1, "x y z", "0:5 2:6");
    make_folders((const char *[]){"p/validation/y", NULL});
    CHECK_FAILS(weft_dataset_open(&context, "p", WEFT_SPLIT_VALIDATION, NULL, &data),
                WEFT_ERR_FORMAT, "both p/val and p/validation are folders of one part");
    make_folders((const char *[]){"p/test/other", NULL});
    save_image("p/test/other/1.png", 2, 2, 1, 6);
    CHECK_FAILS(weft_dataset_open(&context, "p", WEFT_SPLIT_TEST, NULL, &data),
                WEFT_ERR_FORMAT, "has class other, which the training part has not");
}

/* CSV that lists image files. */
static void test_lists(void)
{
    weft_dataset *data = NULL;
    make_folders((const char *[]){"l/i", NULL});
    save_image("l/i/1.png", 2, 3, 1, 10);
    save_image("l/2.PNG", 2, 3, 1, 20);
    save_image("l/i/3.png", 2, 3, 1, 30);
    save_text("l/a.csv", "path,label\ni/1.png,cat\n2.PNG,ant\n./i/3.png,cat\n");
    check_part("l/a.csv", WEFT_SPLIT_TRAIN, 2, 3, 1, "ant cat", "1:10 0:20 1:30");
    check_notes("l/a.csv", "");
    save_text("l/a.csv", "1;i/1.png\n0;2.PNG\n0;2.PNG\n");
    check_part("l/a.csv", WEFT_SPLIT_TRAIN, 2, 3, 1, "0 1", "1:10 0:20 0:20");
    save_text("l/a.csv", "animal,file\nx,i/1.png\ny,2.PNG\n");
    check_part("l/a.csv", WEFT_SPLIT_TRAIN, 2, 3, 1, "x y", "0:10 1:20");
    save_text("l/a.csv", "id,file,kind,label,split\n1,i/1.png,0,x,train\n2,2.PNG,7,y,\n");
    check_part("l/a.csv", WEFT_SPLIT_TRAIN, 2, 3, 1, "x y", "0:10 1:20");
    check_notes("l/a.csv", "column 2 has the paths of image files, column 4 the labels");
    /* left out, with the reason */
    save_text("l/bad.png", "x");
    save_text("l/a.csv", "i/1.png,x\nnone.png,x\n2.PNG,y\nbad.png,y\ni,x\n");
    check_part("l/a.csv", WEFT_SPLIT_TRAIN, 2, 3, 1, "x y", "0:10 1:20");
    check_notes("l/a.csv",
                "l/a.csv: 3 of 5 files left out: l/none.png: cannot be opened");
    check_notes("l/a.csv", "l/bad.png: is not a PNG");
    /* parts in a folder; decoded once */
    struct weft_dataset_info info;
    const struct weft_dataset_open_params kept =
        *weft_dataset_open_params(.cache_dir = "lc", .threads = 2);
    save_text("l/train.csv", "path,label\ni/1.png,cat\n2.PNG,ant\n");
    save_text("l/test.csv", "path,label\ni/3.png,cat\n");
    for (int i = 0; i < 2; i++) {
        data = open_with("l", WEFT_SPLIT_TEST, &kept);
        REQUIRE(data);
        weft_dataset_info(data, &info);
        CHECK_INT(info.labels[0], 1);
        CHECK_INT(info.pixels[0], 30);
        CHECK_INT(info.decoded, i ? 0 : 1);
        CHECK_TEXT(info.files[0], "l/i/3.png");
        weft_dataset_destroy(&data);
    }
    /* refused */
    static const char *const rows[][2] = {
        {"path,label\nx.png,a\n", "none of its 1 images can be read"},
        {"a.png,0,1\nb.png,0,1\n", "call the column of their classes \"label\""},
        {"path,x,z\na.png,0,1\n", "call the column of their classes \"label\""},
        {"path,label,class\na.png,0,1\n", "both columns \"label\" and \"class\""},
        {"path,label\ni/1.png,a\ni/3.png\n", "line 3: has 1 columns"},
        {"label,path\na,i/1.png\nb\n", "line 3: has 1 columns"},
        {"path,label\ni/1.png,a\n,b\n", "line 3, column 1: must be the path"},
        {"path,label\ni/1.png,0\n2.PNG,0\n2.PNG,0\n2.PNG,-1\n", "\"-1\" is not an"},
        {"path,label\ni/1.png,a\n2.PNG,a\n", "all its images are of one class, a"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        save_text("l/a.csv", rows[i][0]);
        check_fails("l/a.csv", WEFT_ERR_FORMAT, rows[i][1]);
    }
    /* class folders of another part follow the names of training too */
    static const char *const names[] = {"z", "y", "x"};
    data = open_with("p", WEFT_SPLIT_TRAIN,
                     weft_dataset_open_params(.class_names = names, .classes = 3));
    REQUIRE(data);
    weft_dataset_info(data, &info);
    CHECK_INT(info.labels[0], 2);
    weft_dataset_destroy(&data);
    CHECK_FAILS(weft_dataset_open(
                    &context, "p", WEFT_SPLIT_TRAIN,
                    weft_dataset_open_params(.class_names = names, .classes = 2), &data),
                WEFT_ERR_FORMAT, "p: has class \"x\", which the training data has not");
}

static void test_sizes(void)
{
    make_folders((const char *[]){"s/a", "s/b", NULL});
    save_image("s/a/1.png", 4, 6, 1, 10);
    save_image("s/b/1.png", 4, 6, 3, 20);
    check_part("s", WEFT_SPLIT_TRAIN, 4, 6, 3, "a b", "0:10 1:20");
    check_notes("s", "");
    save_image("s/b/2.png", 6, 4, 1, 30);
    check_part("s", WEFT_SPLIT_TRAIN, 64, 64, 3, "a b", "0:10 1:20 1:30");
    check_notes("s", "images of different sizes are made 64x64x3");
    const struct weft_preprocess_params crop =
        *weft_preprocess_params(.height = 2, .width = 5, .channels = 1,
                                .fit = WEFT_FIT_CROP);
    struct weft_dataset_info info;
    weft_dataset *data =
        open_with("s", WEFT_SPLIT_TRAIN, weft_dataset_open_params(.preprocess = &crop));
    weft_dataset_info(data, &info);
    CHECK_INT(info.count, 3);
    CHECK_INT(info.height, 2);
    CHECK_INT(info.width, 5);
    CHECK_INT(info.channels, 1);
    CHECK_INT(info.preprocess->fit, WEFT_FIT_CROP);
    CHECK_INT(info.preprocess->width, 5);
    CHECK_TEXT(info.files[2], "s/b/2.png");
    CHECK_INT(info.file_extents[4], 6);
    CHECK_INT(info.file_extents[5], 4);
    CHECK_TEXT(info.notes, "");
    weft_dataset_destroy(&data);
    const struct weft_preprocess_params none = *weft_preprocess_params(.height = 2);
    CHECK_FAILS(weft_dataset_open(&context, "s", WEFT_SPLIT_TRAIN,
                                  weft_dataset_open_params(.preprocess = &none), &data),
                WEFT_ERR_ARG, "height and width must be");
}

/* Opens with the folder of decoded images, and computes the hash of all pixels; the
 * number that was decoded. */
static int decoded_with(const char *spec, const char *cache, int threads, uint64_t *hash)
{
    struct weft_dataset_info info;
    weft_dataset *data =
        open_with(spec, WEFT_SPLIT_TRAIN,
                  weft_dataset_open_params(.cache_dir = cache, .threads = threads));
    weft_dataset_info(data, &info);
    size_t each = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    *hash = weft_hash64(info.pixels, (size_t)info.count * each);
    weft_dataset_destroy(&data);
    return info.decoded;
}

/* The only file of the folder of decoded images. */
static struct weft_file read_cache(char path[300])
{
    struct weft_file file = {NULL, 0};
    FILE *list = popen("ls k/*", "r");
    REQUIRE(list && fgets(path, 300, list));
    path[strcspn(path, "\n")] = 0;
    pclose(list);
    CHECK_OK(weft_file_read(&context, path, 1 << 20, &file));
    return file;
}

static void test_cache(void)
{
    uint64_t first, hash;
    char path[300];
    make_folders((const char *[]){"d/a", "d/b", NULL});
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "d/%s/%d.png", i % 3 ? "a" : "b", i);
        save_image(path, 3, 3, 1, i);
    }
    save_text("d/b/bad.png", "");
    CHECK_INT(decoded_with("d", NULL, 1, &first), 41);
    CHECK_INT(decoded_with("d", "k", 4, &hash), 41);
    CHECK(hash == first);
    CHECK_INT(decoded_with("d", "k", 0, &hash), 0);
    CHECK(hash == first);
    weft_dataset *data =
        open_with("d", WEFT_SPLIT_TRAIN, weft_dataset_open_params(.cache_dir = "k"));
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    CHECK(strstr(info.notes, "1 of 41 files left out: d/b/bad.png: is empty") != NULL);
    CHECK_INT(info.file_extents[0], 3);
    weft_dataset_destroy(&data);

    /* Any byte changed, and any length: decoded again, with the same result. */
    struct weft_file file = read_cache(path);
    struct stat mode;
    CHECK(!stat(path, &mode) && (mode.st_mode & 0777) == 0600);
    for (size_t i = 0; i < file.size; i += 7) {
        struct weft_file damaged = {malloc(file.size), file.size};
        REQUIRE(damaged.bytes);
        memcpy(damaged.bytes, file.bytes, file.size);
        damaged.bytes[i] ^= 1;
        CHECK_OK(weft_file_write_mode(&context, path, 0600, damaged.bytes,
                                      i % 2 ? file.size : i));
        free(damaged.bytes);
        int decoded = decoded_with("d", "k", 1, &hash);
        bool unused = i % 2 && i >= 88 + 41 * 24 + 40 * 9 && i < 88 + 41 * 24 + 41 * 9;
        CHECK(unused ? decoded <= 1 : decoded >= 1);
        CHECK(hash == first);
    }
    weft_file_free(&file);

    save_image("d/a/1.png", 3, 3, 1, 200);
    CHECK_INT(decoded_with("d", "k", 1, &hash), 41);
    CHECK(hash != first);
    CHECK_INT(decoded_with("d", "k", 1, &hash), 0);
    file = read_cache(path); /* replaced, and not another */
    weft_file_free(&file);
    CHECK(!chmod("k", 0777));
    CHECK_INT(decoded_with("d", "k", 1, &hash), 41);
    CHECK(!chmod("k", 0700));
    CHECK_INT(decoded_with("d", "k", 1, &hash), 0);
}

/* The first pixel of an image; -1: it cannot be read, for a reason with these words. */
static int first_pixel(const weft_dataset *data, int image, const char *words)
{
    uint8_t pixels[9];
    if (!weft_dataset_gather(&context, data, &(uint32_t){(uint32_t)image}, 1, pixels))
        return pixels[0];
    CHECK(strstr(weft_error(&context), words) != NULL);
    return -1;
}

static weft_dataset *open_as_needed(const char *cache, int decoded, bool decoding)
{
    struct weft_dataset_info info;
    weft_dataset *data =
        open_with("n", WEFT_SPLIT_TRAIN,
                  weft_dataset_open_params(.cache_dir = cache, .threads = 2,
                                           .decode_as_needed = true));
    weft_dataset_info(data, &info);
    CHECK_INT(info.decoded, decoded);
    CHECK(info.decoding == decoding && !info.pixels == (decoded || decoding));
    CHECK_INT(info.height, 3);
    return data;
}

/* Image files that are decoded when their images are read. */
static void test_as_needed(void)
{
    enum { COUNT = 600, MEASURED = 512, BAD = 74 };
    char path[300];
    struct weft_file file;
    struct weft_dataset_info info, later;
    make_folders((const char *[]){"n/a", "n/b", NULL});
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "n/%s/%03d.png", i < COUNT / 2 ? "a" : "b", i);
        save_image(path, 3, 3, 1, i % 256);
    }
    save_text("n/b/cut.png", "\x89PNG\r\n\x1a\n");
    weft_dataset *all = open_with("n", WEFT_SPLIT_TRAIN, NULL);
    weft_dataset *data = open_as_needed("kn", MEASURED + 1, true);
    weft_dataset *same = open_as_needed("kn", MEASURED + 1, true); /* of its own file */
    weft_dataset *part[2] = {NULL, NULL};
    weft_dataset_info(all, &info);
    weft_dataset_info(data, &later);
    CHECK_INT(later.count, COUNT);
    CHECK(strstr(later.notes, "1 of 601 files left out: n/b/cut.png") != NULL);
    CHECK(later.hash == info.hash && later.mean[0] == info.mean[0]);
    for (int i = COUNT - 1; i >= 0; i--) {
        CHECK_INT(first_pixel(data, i, ""), i % 256);
        CHECK_INT(later.file_extents[2 * i], 3);
    }
    weft_dataset_info(data, &later);
    CHECK(!later.decoding && later.decoded == COUNT + 1);
    weft_dataset_destroy(&data);
    CHECK_INT(first_pixel(same, BAD, ""), BAD);
    CHECK(weft_dataset_is_decoding(same));
    weft_dataset_destroy(&same);
    data = open_as_needed("kn", 0, false);
    weft_dataset_destroy(&data);

    /* interrupted: the others are decoded, also for a part */
    data = open_as_needed("kp", MEASURED + 1, true);
    weft_dataset_destroy(&data);
    data = open_as_needed("kp", 1, true);
    CHECK_OK(weft_dataset_holdout(data, 100, 1, &part[0], &part[1]));
    weft_dataset_info(part[0], &later);
    CHECK(later.mean[0] == info.mean[0] && later.hash != info.hash);
    CHECK_OK(weft_dataset_finish_decoding(&context, part[1]));
    weft_dataset_info(data, &later);
    CHECK(!later.decoding);
    CHECK_INT(later.decoded, COUNT + 1 - MEASURED);
    weft_dataset_destroy(&part[0]);
    weft_dataset_destroy(&part[1]);
    weft_dataset_destroy(&data);

    /* damaged between both ends: found when it is read, then left out */
    CHECK(!weft_dataset_is_measured(BAD, COUNT + 1));
    snprintf(path, sizeof(path), "n/a/%03d.png", BAD);
    CHECK_OK(weft_file_read(&context, path, 1 << 20, &file));
    file.bytes[45] ^= 0xff;
    CHECK_OK(weft_file_write(&context, path, file.bytes, file.size));
    weft_file_free(&file);
    data = open_as_needed("kn", MEASURED + 1, true);
    CHECK_INT(first_pixel(data, BAD + 1, ""), BAD + 1);
    CHECK_INT(first_pixel(data, BAD, "left out when you start again: n/a/074.png"), -1);
    weft_dataset_destroy(&data);
    data = open_as_needed("kn", 0, false);
    weft_dataset_info(data, &later);
    CHECK_INT(later.count, COUNT - 1);
    weft_dataset_destroy(&data);
    weft_dataset_destroy(&all);
}

static void count_call(void *priv, size_t i)
{
    unsigned char *calls = priv;
    __atomic_fetch_add(&calls[i], 1, __ATOMIC_RELAXED);
}

static void test_threads(void)
{
    enum { COUNT = 10000 };
    static unsigned char calls[COUNT];
    static const int threads[] = {0, 1, 2, 5, 1000};
    for (size_t t = 0; t < WEFT_ARRAY_SIZE(threads); t++) {
        memset(calls, 0, sizeof(calls));
        weft_parallel_for(threads[t], COUNT, count_call, calls);
        int wrong = 0;
        for (int i = 0; i < COUNT; i++)
            wrong += calls[i] != 1;
        CHECK_INT(wrong, 0);
    }
    weft_parallel_for(4, 0, count_call, NULL);
}

int main(void)
{
    char folder[] = "/tmp/weft-test-XXXXXX", command[100];
    struct buffer b = png(1, 1, 0, (const uint8_t *)"x");
    struct weft_image image;
    test_context = &context;
    umask(022);
    if (weft_image_decode(&context, "x", b.bytes, b.size, NULL, &image))
        test_skip("a build without libpng");
    weft_image_free(&image);
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    test_threads();
    test_classes();
    test_refused();
    test_parts();
    test_lists();
    test_sizes();
    test_cache();
    test_as_needed();
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK_INT(system(command), 0);
    free(context.error);
    return test_end();
}
