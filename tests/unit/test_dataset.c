/* SPDX-License-Identifier: Apache-2.0 */
/* Files of data: every format read back, every kind of damage refused with its sentence,
 * files found by name. */
#define _XOPEN_SOURCE 700
#include <sys/stat.h>
#include <unistd.h>

#include "unit/data_files.h"

static void test_idx(void)
{
    struct buffer images = idx_images(5, 3, 2), labels = idx_labels("02120");
    save("a-images-idx3-ubyte", &images);
    check_fails("a-images-idx3-ubyte", WEFT_ERR_FILE,
                "labels file not found, expected a-labels-idx1-ubyte");
    save("a-labels-idx1-ubyte", &labels);
    check_open("a-images-idx3-ubyte", WEFT_SPLIT_TRAIN, 3, 2, 1, "02120");
    unlink("a-labels-idx1-ubyte");
    save_gz("a-labels-idx1-ubyte.gz", &labels);
    check_open("a-images-idx3-ubyte", WEFT_SPLIT_TEST, 3, 2, 1, "02120");
    check_fails("a-labels-idx1-ubyte.gz", WEFT_ERR_FORMAT, "contains labels, not images");

    struct buffer four = idx_labels("0212");
    save_gz("a-labels-idx1-ubyte.gz", &four);
    check_fails("a-images-idx3-ubyte", WEFT_ERR_FORMAT, "5 images, but");
    save_gz("a-labels-idx1-ubyte.gz", &images);
    check_fails("a-images-idx3-ubyte", WEFT_ERR_FORMAT,
                "3 dimensions, but labels have one");
    labels.size--;
    save_gz("a-labels-idx1-ubyte.gz", &labels);
    check_fails("a-images-idx3-ubyte", WEFT_ERR_FORMAT,
                "declares 5 labels, the file has 4");

    for (size_t size = 0; size < images.size; size++) {
        struct buffer cut = images;
        cut.size = size;
        save("cut-images-idx3-ubyte", &cut);
        check_fails("cut-images-idx3-ubyte", WEFT_ERR_FORMAT,
                    size == 0   ? "is empty"
                    : size == 1 ? "neither IDX"
                    : size < 4  ? "not an IDX"
                                : "truncated");
    }
    add(&images, "x", 1);
    save("cut-images-idx3-ubyte", &images);
    check_fails("cut-images-idx3-ubyte", WEFT_ERR_FORMAT, "1 extra bytes");
    images.bytes[2] = 0x0d;
    save("cut-images-idx3-ubyte", &images);
    check_fails("cut-images-idx3-ubyte", WEFT_ERR_FORMAT, "IDX type 0x0d");

    /* Extents whose product wraps around to what is there, and none. */
    static const struct {
        uint32_t n, h, w;
        const char *words;
    } rows[] = {
        {0, 3, 2, "has 0 images"},
        {5, 0, 2, "has 0 rows"},
        {5, 3, 65536, "has 65536 columns"},
        {0x80000000u, 2, 1, "has 2147483648 images"},
        {1 << 30, 65535, 65535, "truncated"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        struct buffer b = idx_images(0, 0, 0);
        b.size = 4;
        add_be32(&b, rows[i].n);
        add_be32(&b, rows[i].h);
        add_be32(&b, rows[i].w);
        save("cut-images-idx3-ubyte", &b);
        check_fails("cut-images-idx3-ubyte", WEFT_ERR_FORMAT, rows[i].words);
    }
}

static void test_csv(void)
{
    static const char grey[] = "1,0,37,74,111\n0,148,185,222,3\n2,40,77,114,151\n";
    static const struct {
        const char *text, *words; /* words: NULL if it is fine */
    } rows[] = {
        {"label,pixel1,pixel2,pixel3,pixel4\n%s", NULL},
        {"\"label\",\"1x1\",\"1x2\",\"2x1\",\"2x2\"\r\n%s", NULL},
        {"\xef\xbb\xbflabel,a,b,c,d\n%s\n\n", NULL},
        {"%s", NULL},
        {"%s9,1,2,3,4,5\n", "line 4: more than the 5 columns"},
        {"label,b,c,d,e\n%s9,1,2,3\n0,1,2,3,4\n",
         "line 5: has 4 columns, but the rows before have 5"},
        {"%s9,1,2",
         "line 4: has 3 columns, but the rows before have 5; the file is truncated"},
        {"%s9,1,2,256,4\n", "line 4, column 4: \"256\" is not an integer from 0 to 255"},
        {"%s9,1,2,-3,4\n", "line 4, column 4: \"-3\" is not"},
        {"%s9,1,2,3,4x\n", "line 4, column 5: \"4x\" is not"},
        {"%s9,1,2,x,4\n", "line 4, column 4: \"x\" is not"},
        {"%s9,1,,3,4\n", "line 4, column 3: \"\" is not"},
        {"%s9,99999999999999999999,2,3,4\n", "line 4, column 2"},
        {"%s65536,1,2,3,4\n",
         "line 4, column 1: \"65536\" is not an integer from 0 to 65535"},
        {"%s\n0,1,2,3,4\n", "line 4, column 1"},
        {"1,2,3\n%s", "line 2: more than the 3 columns"},
        {"1\n%s", "line 1: 0 pixels beside the label, must be 1 to 65535"},
        {"label,a,b,c,d\n", "has no rows"},
        {",\n", "has no rows"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        char text[400];
        snprintf(text, sizeof(text), rows[i].text, grey);
        save_text("a.csv", text);
        if (rows[i].words) {
            check_fails("a.csv", WEFT_ERR_FORMAT, rows[i].words);
            continue;
        }
        check_fails("none.csv", WEFT_ERR_FILE, "no such file");
        weft_dataset *data = NULL;
        CHECK_OK(weft_dataset_open(&context, "a.csv", WEFT_SPLIT_TRAIN, NULL, &data));
        if (data) {
            struct weft_dataset_info info;
            weft_dataset_info(data, &info);
            CHECK_INT(info.count, 3);
            CHECK_INT(info.height, 2);
            CHECK_INT(info.classes, 3);
            CHECK_TEXT(info.class_names[2], "2");
            CHECK_INT(test_labels(data)[0], 1);
            CHECK_INT(test_pixels(data)[3], 111);
            CHECK_INT(test_pixels(data)[11], 151);
        }
        weft_dataset_destroy(&data);
    }

    /* CRLF, spaces, colours, packed. */
    struct buffer b = {.size = 0};
    for (int i = 0; i < 12; i++) {
        char field[16];
        snprintf(field, sizeof(field), "%s , %d", i ? "" : "7", i * 37 % 256);
        add(&b, field, strlen(field));
    }
    add(&b, "\r\n", 2);
    save_gz("a.csv.gz", &b);
    check_open("a.csv.gz", WEFT_SPLIT_TRAIN, 2, 2, 3, "7");
    save_text("a.csv", "label,a,b,c,d,e,f\n1,0,37,74,111,148,185\n");
    check_open("a.csv", WEFT_SPLIT_TRAIN, 1, 6, 1, "1");

    /* A first row of many columns and many short ones: no memory is taken for them. */
    struct buffer wide = {.size = 0};
    add(&wide, "1", 1);
    for (int i = 0; i < 10000; i++)
        add(&wide, ",1", 2);
    for (int i = 0; i < 20000; i++)
        add(&wide, "\n1", 2);
    save("wide.csv", &wide);
    check_fails("wide.csv", WEFT_ERR_FORMAT, "line 2: has 1 columns");
}

/* Checks that folder `f` has the right images, and words of the notes. */
static void check_folder(const char *folder, const char *notes)
{
    struct weft_dataset_info info;
    weft_dataset *data = open_as(folder, WEFT_SPLIT_TRAIN, 2, 2, 1, "0412");
    if (!data)
        return;
    weft_dataset_info(data, &info);
    CHECK(strstr(info.notes, notes) && (*notes || !*info.notes));
    weft_dataset_destroy(&data);
}

/* Folders as Kaggle and download programs leave them. */
static void test_layouts(void)
{
    struct buffer images = idx_images(4, 2, 2), labels = idx_labels("0412");
    CHECK_OK(weft_folder_create(&context, "k/train-images-idx3-ubyte", 0777));
    CHECK_OK(weft_folder_create(&context, "k/train-labels-idx1-ubyte", 0777));
    save("k/train-images-idx3-ubyte/train-images-idx3-ubyte", &images);
    save("k/train-labels-idx1-ubyte/train-labels-idx1-ubyte", &labels);
    check_folder("k", "");
    save("k/train-images.idx3-ubyte", &images);
    save("k/train-labels.idx1-ubyte", &labels);
    check_folder("k", "");

    CHECK_OK(weft_folder_create(&context, "l", 0777));
    save("l/TRAIN-IMAGES-IDX3-UBYTE", &images);
    save_gz("l/Train-Labels-idx1-ubyte.gz", &labels);
    save_text("l/train-images-idx3-ubyte.md5", "0");
    save_text("l/train-images-idx3-ubyte.gz.part", "0");
    save_text("l/train-images-idx3-ubyte (1)", "0");
    check_folder("l", "");
    CHECK(symlink("absent", "l/train-images.idx3-ubyte") == 0);
    check_folder("l", "l/train-images.idx3-ubyte is skipped: it is a link to a file that "
                      "does not exist");
    CHECK(unlink("l/train-images.idx3-ubyte") == 0);
    CHECK(mkfifo("l/train-images.idx3-ubyte", 0600) == 0);
    check_folder("l", "is skipped: it is a pipe");
    CHECK(unlink("l/TRAIN-IMAGES-IDX3-UBYTE") == 0);
    check_fails("l", WEFT_ERR_FILE, "is skipped: it is a pipe");
    CHECK(mkfifo("l/train-labels-idx1-ubyte", 0600) == 0);
    save("l/train-images-idx3-ubyte", &images);
    check_fails("l", WEFT_ERR_FILE, "labels file not found");

    /* A file that cannot be examined is not absent. */
    CHECK(symlink("classes.txt", "k/classes.txt") == 0);
    check_fails("k", WEFT_ERR_FILE, "k/classes.txt: cannot be examined: ");
    CHECK(unlink("k/classes.txt") == 0 && mkfifo("k/classes.txt", 0600) == 0);
    check_fails("k", WEFT_ERR_FILE, "k/classes.txt: is a FIFO, not a regular file");
    CHECK(unlink("k/classes.txt") == 0);
    CHECK(symlink("train-x.npy", "k/train-x.npy") == 0);
    check_fails("k", WEFT_ERR_FILE, "k/train-x.npy: cannot be examined: ");
    CHECK(unlink("k/train-x.npy") == 0);
    check_fails("/dev/null", WEFT_ERR_FILE, "is a socket or a device");

    CHECK_OK(weft_folder_create(&context, "v/MNIST/raw", 0777));
    save_text("v/archive.ZIP", "PK");
    check_fails("v", WEFT_ERR_FILE, "v: has no train images; unpack v/archive.ZIP");
    save("v/MNIST/raw/train-images-idx3-ubyte", &images);
    check_fails("v", WEFT_ERR_FILE, "has no train images; give the folder v/MNIST/raw");

    struct buffer pixels = npy(1, "|u1", "False", "(4, 2, 2)");
    struct buffer classes = npy(1, "|u1", "False", "(4,)");
    add_pixels(&pixels, 16);
    add(&classes, "\0\4\1\2", 4);
    CHECK_OK(weft_folder_create(&context, "n", 0777));
    save("n/trainX.npy", &pixels);
    save("n/trainY.npy", &classes);
    check_folder("n", "");
}

/* Texts of other encodings and systems; labels from 1; files of other kinds. */
static void test_texts(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } files[] = {
        {"\xff\xfel\0a\0,\0", 8, "is a text in UTF-16; save it in UTF-8"},
        {"l\0a\0,\0b\0", 8, "is a text in UTF-16; save it in UTF-8"},
        {"PK\3\4,,,,", 8, "a ZIP archive without its directory"},
        {"<!DOCTYPE html>, ", 17, "but a web page; download the file again"},
    };
    struct buffer images = idx_images(4, 2, 2), labels = idx_labels("1321");
    struct weft_dataset_info info;
    weft_dataset *data = NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(files); i++) {
        CHECK_OK(weft_file_write(&context, "t.csv", files[i].bytes, files[i].size));
        check_fails("t.csv", WEFT_ERR_FORMAT, files[i].words);
    }
    CHECK_OK(weft_folder_create(&context, "t", 0777));
    save("t/train-images-idx3-ubyte", &images);
    save("t/train-labels-idx1-ubyte", &labels);
    CHECK_OK(weft_dataset_open(&context, "t", WEFT_SPLIT_TRAIN, NULL, &data));
    if (data)
        weft_dataset_info(data, &info);
    CHECK(data && strstr(info.notes, "labels begin at 1, so that class 0 has no images"));
    weft_dataset_destroy(&data);
    save_text("t/classes.txt", "a\rb\rc\r");
    check_fails("t", WEFT_ERR_FORMAT,
                "labels begin at 1: begin it with a name for class");
    save_text("t/classes.txt", "\xef\xbb\xbfnone\r\na\xc2\xa0\r\nb\nc\n");
    CHECK_OK(weft_dataset_open(&context, "t", WEFT_SPLIT_TRAIN, NULL, &data));
    if (data) {
        weft_dataset_info(data, &info);
        CHECK_TEXT(info.class_names[0], "none");
        CHECK_TEXT(info.class_names[1], "a");
        CHECK_TEXT(info.notes, "");
    }
    weft_dataset_destroy(&data);
    CHECK_OK(weft_file_write(&context, "t/classes.txt",
                             "\xff\xfe"
                             "a\0\n\0b\0",
                             8));
    check_fails("t", WEFT_ERR_FORMAT, "classes.txt: is a text in UTF-16");
}

/* Names of files in a folder, and names of classes. */
static void test_find(void)
{
    struct buffer train = idx_images(4, 2, 2), labels = idx_labels("0412");
    struct buffer test = idx_images(2, 2, 2), few = idx_labels("01");
    CHECK_OK(weft_folder_create(&context, "f", 0777));
    check_fails("f", WEFT_ERR_FILE,
                "f: has no train images; they are recognized by name");
    save_gz("f/train-images-idx3-ubyte.gz", &train);
    save("f/train-labels-idx1-ubyte", &labels);
    save("f/t10k-images-idx3-ubyte", &test);
    save_gz("f/t10k-labels-idx1-ubyte.gz", &few);
    check_open("f", WEFT_SPLIT_TRAIN, 2, 2, 1, "0412");
    check_open("f/", WEFT_SPLIT_TEST, 2, 2, 1, "01");

    /* A test part that lacks the last classes has as many as its training part. */
    weft_dataset *data = open_as("f", WEFT_SPLIT_TEST, 2, 2, 1, "01");
    struct weft_dataset_info info = {0};
    if (data)
        weft_dataset_info(data, &info);
    CHECK_INT(info.classes, 5);
    CHECK_TEXT(info.known_as, "");
    weft_dataset_destroy(&data);

    save_text("f/classes.txt", "zero\r\none\ntwo two\nthree\nfour\nfive\n\n");
    data = open_as("f", WEFT_SPLIT_TRAIN, 2, 2, 1, "0412");
    if (data)
        weft_dataset_info(data, &info);
    CHECK_INT(info.classes, 6);
    CHECK_TEXT(info.class_names[0], "zero");
    CHECK_TEXT(info.class_names[2], "two two");
    CHECK_TEXT(info.class_names[5], "five");
    weft_dataset_destroy(&data);
    save_text("f/classes.txt", "zero\none\ntwo\n");
    check_fails("f", WEFT_ERR_FORMAT, "names 3 classes, but label 4 occurs");
    save_text("f/classes.txt", "zero\none\n\033[2Jtwo\na\nb\n");
    check_fails("f", WEFT_ERR_FORMAT, "classes.txt, line 3: a name must be");
    save_text("f/classes.txt", "zero\none\nStra\xdf"
                               "e\na\nb\n");
    check_fails("f", WEFT_ERR_FORMAT, "classes.txt, line 3: a name must be");
    save_text("f/classes.txt", "zero\n");
    check_fails("f", WEFT_ERR_FORMAT, "names 1 classes");
    unlink("f/classes.txt");

    /* A plain file beats its packed twin, IDX beats CSV; two of a kind are a question. */
    save_text("f/train.csv", "broken");
    save("f/train-images-idx3-ubyte", &train);
    check_open("f", WEFT_SPLIT_TRAIN, 2, 2, 1, "0412");
    save("f/other-train-images-idx3-ubyte", &train);
    check_fails("f", WEFT_ERR_FORMAT,
                "both other-train-images-idx3-ubyte and train-images-idx3-ubyte");

    CHECK_OK(weft_folder_create(&context, "g", 0777));
    save_text("g/my_train.csv", "0,0\n3,37\n");
    save_text("g/my_Test.CSV", "1,0\n");
    check_open("g", WEFT_SPLIT_TRAIN, 1, 1, 1, "03");
    data = open_as("g", WEFT_SPLIT_TEST, 1, 1, 1, "1");
    if (data)
        weft_dataset_info(data, &info);
    CHECK_INT(info.classes, 4);
    weft_dataset_destroy(&data);
    save_text("image.png", "\x89PNG\r\n\x1a\n");
    check_fails("image.png", WEFT_ERR_FORMAT, "is neither IDX, NPY, NPZ nor CSV");
}

int main(void)
{
    char folder[] = "/tmp/weft-test-XXXXXX", command[100];
    test_context = &context;
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    test_idx();
    test_csv();
    test_find();
    test_layouts();
    test_texts();
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK_INT(system(command), 0);
    free(context.error);
    return test_end();
}
