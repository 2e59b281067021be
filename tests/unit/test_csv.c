/* SPDX-License-Identifier: Apache-2.0 */
/* Which column of CSV has the labels: by names, by numbers, or refused; and the scale of
 * pixels that are no bytes. */
#define _XOPEN_SOURCE 700
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "unit/test.h"
#include "util/file.h"

static struct weft_context context;

#define CHECK_MSG(condition, ...)   \
    do {                            \
        test_checks++;              \
        if (!(condition))           \
            TEST_FAIL(__VA_ARGS__); \
    } while (0)

/* A file read, or the words of its refusal. */
struct row {
    const char *text;
    const char *labels, *pixels; /* of the first two images, as digits; NULL: refused */
    const char *words;           /* of the error, or of the notes; NULL: no notes */
};

static weft_dataset *open_text(const char *name, const char *text)
{
    weft_dataset *data = NULL;
    CHECK_OK(weft_file_write(&context, name, text, strlen(text)));
    weft_dataset_open(&context, name, WEFT_SPLIT_TRAIN, NULL, &data);
    return data;
}

static void check_row(const struct row *row)
{
    struct weft_dataset_info info;
    weft_dataset *data = open_text("a.csv", row->text);
    CHECK_MSG(!data == !row->labels, "%s: %s", row->text, weft_error(&context));
    if (!data) {
        CHECK_MSG(strstr(weft_error(&context), row->words), "%s: says \"%s\", not \"%s\"",
                  row->text, weft_error(&context), row->words);
        return;
    }
    weft_dataset_info(data, &info);
    for (size_t i = 0; row->labels && row->labels[i]; i++)
        CHECK_MSG(info.labels[i] == row->labels[i] - '0', "%s: label %zu is %d",
                  row->text, i, info.labels[i]);
    for (size_t i = 0; row->labels && row->pixels[i]; i++)
        CHECK_MSG(info.pixels[i] == row->pixels[i] - '0', "%s: pixel %zu is %d",
                  row->text, i, info.pixels[i]);
    CHECK_MSG(row->words ? strstr(info.notes, row->words) != NULL : !*info.notes,
              "%s: notes are \"%s\"", row->text, info.notes);
    weft_dataset_destroy(&data);
}

static void test_names(void)
{
    static const struct row rows[] = {
        {"label,p1,p2,p3,p4\n1,5,6,7,8\n0,1,2,3,4\n", "10", "56781234", NULL},
        {"p1,p2,p3,p4,class\n5,6,7,8,1\n1,2,3,4,0\n", "10", "56781234",
         "a.csv: column 5, \"class\", has the labels"},
        {"\"P1\",\"P2\",\"Target\",\"P3\",\"P4\"\n5,6,1,7,8\n1,2,0,3,4\n", "10",
         "56781234", "column 3, \"Target\", has the labels"},
        {"\xef\xbb\xbfid,Y,a1,a2,a3,a4\r\n7,1,5,6,7,8\r\n9,0,1,2,3,4\r\n", "10",
         "56781234", "1 column is skipped, from column 1 on"},
        {",digit,0,1,2,3\nx,1,5,6,7,8\ny,0,1,2,3,4\n", "10", "56781234",
         "column 2, \"digit\""},
        {"Unnamed: 0,1x1,1x2,2x1,2x2,Class Label\n0,5,6,7,8,1\n1,1,2,3,4,0\n", "10",
         "56781234", "column 6, \"Class Label\""},
        {"image_id;class_id;px0;px1;px2;px3\na.png;1;5;6;7;8\nb.png;0;1;2;3;4\n", "10",
         "56781234", "column 2, \"class_id\""},
        {"label\tp1\tp2\tp3\tp4\n1\t5\t6\t7\t8\n0\t1\t2\t3\t4\n", "10", "56781234", NULL},
        {"\"label\",\"p1\",\"p2\",\"p3\",\"p4\"\n\"1\",\"5\",\"6\",\"7\",\"8\"\n"
         "\"0\",\"1\",\"2\",\"3\",\"4\"\n",
         "10", "56781234", NULL},
        {"label,a,b,c,d\n1.0,5,6,7,8\n0.0,1,2,3,4\n", "10", "56781234", NULL},
        {"\xc2\xa0label\xc2\xa0,p1,p2,p3,p4\n1,\xc2\xa0"
         "5,6,7,8\xc2\xa0\n0,1,2,3,4\n",
         "10", "56781234", NULL},
        /* R's names of rows, and a delimiter at the end of each row */
        {"\"label\",\"V1\",\"V2\",\"V3\",\"V4\"\n\"r1\",1,5,6,7,8\n\"r2\",0,1,2,3,4\n",
         "10", "56781234", "1 column is skipped"},
        {"label,p1,p2,p3,p4,\n1,5,6,7,8,\n0,1,2,3,4,\n", "10", "56781234",
         "1 column is skipped, from column 6 on"},
        {"label,p1,p2,p3,p4\n1,5,6,7,8,\n0,1,2,3,4,\n", "10", "56781234",
         "1 column is skipped, from column 6 on"},
        {"sep=;\r\nlabel;p1;p2;p3;p4\r\n1;5;6;7;8\r\n0;1;2;3;4\r\n", "10", "56781234",
         NULL},
        {"pixel_0,pixel_1,pixel_2,pixel_3,label,character\n5,6,7,8,1,\xe4\xb8\x80\n"
         "1,2,3,4,0,\xe9\x9b\xb6\n",
         "10", "56781234", "1 column is skipped, from column 6 on"},
        {"r0,g0,b0,label\n5,6,7,1\n1,2,3,0\n", "10", "567123", "column 4, \"label\""},
        {"# label,p1,p2,p3,p4\n1,5,6,7,8\n0,1,2,3,4\n", "10", "56781234", NULL},
        {"label,r0c0,r0c1,r1c0,r1c1\n1,5,6,7,8\n0,1,2,3,4\n", "10", "56781234", NULL},
        {"label,p1,p2,p3,p4\r1,5,6,7,8\r0,1,2,3,4\r", "10", "56781234", NULL},
        /* refused by name */
        {"label,x0y0,x1y0,x0y1,x1y1\n1,5,6,7,8\n0,1,2,3,4\n", "10", "56781234", NULL},
        {"label,r1,g1,b1,r2,g2,b2\n1,5,6,7,8,9,1\n", "1", "567891", NULL},
        {"label,p1,p10,p2,p3\n1,5,6,7,8\n", NULL, NULL,
         "column 4, \"p2\", is not in the order of the pixels"},
        {"p4,p3,p2,p1,class\n5,6,7,8,1\n", NULL, NULL, "column 2, \"p3\", is not in the"},
        {"label,p1,p2,p2,p3\n1,5,6,7,8\n", NULL, NULL, "column 4, \"p2\", is not in the"},
        {"label,1x1,1x10,1x2,2x1\n1,5,6,7,8\n", NULL, NULL,
         "column 4, \"1x2\", is not in the"},
        {"label,p1,p2,p3,p4,class\n1,5,6,7,8,1\n", NULL, NULL,
         "both columns \"label\" and \"class\" may have the labels"},
        {"p1,p2,p3,p4\n5,6,7,8\n", NULL, NULL,
         "no column is called \"label\" or \"class\": from \"p1\" on there are images"},
        {"id,pixel0,pixel1,pixel2,pixel3\n0,5,6,7,8\n1,1,2,3,4\n", NULL, NULL,
         "from \"pixel0\" on there are images without labels"},
        {"emotion,pixel1,pixel2,pixel3,pixel4\n1,5,6,7,8\n", NULL, NULL,
         "column 1, \"emotion\", is neither labels nor pixels"},
        {"label,split,pixel1,pixel2,pixel3,pixel4\n1,0,5,6,7,8\n", NULL, NULL,
         "column 2, \"split\", is neither labels nor pixels"},
        {"class_0,class_1,p1,p2,p3,p4\n0,1,5,6,7,8\n", NULL, NULL,
         "2 columns like \"class_0\", which may be one-hot labels"},
        {"label,class_0,p1,p2,p3,p4,p5,p6,p7,p8\n0,1,1,2,3,4,5,6,7,8\n", NULL, NULL,
         "column 2, \"class_0\", is neither labels nor pixels by its name"},
        {"a,b\n1,5\n", NULL, NULL, "column 1, \"a\", is neither labels nor pixels"},
        {"label,p1,p2\n1,5,6,7,8\n", NULL, NULL,
         "line 2: has 5 columns, but the header has 3"},
        {"label,p1\n1,5\n0,5\n0,5\n0,5\n0,5\ncat,5\n", NULL, NULL,
         "line 7, column 1: \"cat\" is not an integer from 0 to 65535, as most labels "
         "are"},
        {"label,p1\n1.5,5\n", NULL, NULL, "line 2, column 1: \"1.5\" is not an integer"},
        {"label;p1\n1;0,5\n", NULL, NULL,
         "line 2, column 2: a number with a decimal comma"},
        {"label,p1\n1,\"0,5\"\n", NULL, NULL, "column 2: a number with a decimal comma"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

/* Labels that are names: sorted, in any column. */
static void test_class_names(void)
{
    static const struct row rows[] = {
        {"label,p1\ncat,5\nant,6\ncat,7\n", "101", "567", NULL},
        {"p1,p2,p3,p4,class\n5,6,7,8,\"b, c\"\n1,2,3,4,a\n", "10", "56781234",
         "column 5, \"class\""},
        {"p1,label,p2,p3,p4\n5,\xc3\xa4 b,6,7,8\n1,zed,2,3,4\n", "10", "56781234",
         "column 2"},
        {"label,p1,p2,p3,p4\nb,5,6,.7e1,8\na,1,2,3,4\n", "10", "56781234", NULL},
        {"label,p1,p2,p3,p4\n9,5,6,7,8\nA,1,2,3,4\nB,1,2,3,4\n", "012", "56781234", NULL},
        {"id,p1,p2,p3,p4,label_name\nx,5,6,7,8,b\ny,1,2,3,4,a\n", "10", "56781234",
         "column 6, \"label_name\""},
        /* without a header */
        {"b,5,6,7,8\na,1,2,3,4\nb,1,2,3,4\n", "101", "56781234", "column 1 has"},
        {"5,6,7,8,b\n1,2,3,4,a\n1,2,3,4,b\n", "101", "56781234", "column 5 has"},
        {"a.png,5,6,7,8,b\nb.png,1,2,3,4,a\nc.png,1,2,3,4,b\n", "101", "56781234",
         "column 6 has"},
        /* refused */
        {"label,p1\ncat,5\ncat,6\n", NULL, NULL, "all its images are of one class, cat"},
        {"label,p1\ncat,5\n,6\n", NULL, NULL,
         "line 3, column 1: the name of a class must be 1 to 127 bytes"},
        {"label,p1\ncat,5\nz\xff,6\n", NULL, NULL, "line 3, column 1: the name of a"},
        {"label,p1\ncat,5\ndog,6,7\n", NULL, NULL, "line 3: more than the 2 columns"},
    };
    struct weft_dataset_info info;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
    weft_dataset *data = open_text("a.csv", "label,p1\ncat,5\nant,6\nB,7\n");
    REQUIRE(data);
    weft_dataset_info(data, &info);
    CHECK_INT(info.classes, 3);
    CHECK_TEXT(info.class_names[0], "B");
    CHECK_TEXT(info.class_names[1], "ant");
    CHECK_TEXT(info.class_names[2], "cat");
    weft_dataset_destroy(&data);
}

/* Opens a text whose names follow those of training: b, a, 7. */
static void check_follows(const char *text, const char *labels, const char *words)
{
    static const char *const names[] = {"b", "a", "7"};
    const struct weft_dataset_open_params params =
        *weft_dataset_open_params(.class_names = names, .classes = 3);
    struct weft_dataset_info info;
    weft_dataset *data = NULL;
    CHECK_OK(weft_file_write(&context, "a.csv", text, strlen(text)));
    if (words) {
        CHECK_FAILS(weft_dataset_open(&context, "a.csv", WEFT_SPLIT_TEST, &params, &data),
                    WEFT_ERR_FORMAT, words);
        return;
    }
    CHECK_OK(weft_dataset_open(&context, "a.csv", WEFT_SPLIT_TEST, &params, &data));
    if (!data)
        return;
    weft_dataset_info(data, &info);
    for (size_t i = 0; labels[i]; i++)
        CHECK_INT(info.labels[i], labels[i] - '0');
    weft_dataset_destroy(&data);
}

/* Another part has the classes of training, though it lacks some. */
static void test_training_names(void)
{
    static const char train[] = "label,p1\ncat,5\nant,6\nbee,7\n",
                      test[] = "label,p1\ncat,8\n", other[] = "label,p1\ndog,8\n";
    struct weft_dataset_info info;
    weft_dataset *data = NULL;
    CHECK_OK(weft_folder_create(&context, "named", 0777));
    CHECK_OK(weft_file_write(&context, "named/train.csv", train, strlen(train)));
    CHECK_OK(weft_file_write(&context, "named/test.csv", test, strlen(test)));
    CHECK_OK(weft_dataset_open(&context, "named", WEFT_SPLIT_TEST, NULL, &data));
    REQUIRE(data);
    weft_dataset_info(data, &info);
    CHECK_INT(info.classes, 3);
    CHECK_INT(info.labels[0], 2);
    CHECK_TEXT(info.class_names[1], "bee");
    weft_dataset_destroy(&data);
    CHECK_OK(weft_file_write(&context, "named/test.csv", other, strlen(other)));
    CHECK_FAILS(weft_dataset_open(&context, "named", WEFT_SPLIT_TEST, NULL, &data),
                WEFT_ERR_FORMAT,
                "test.csv: has class \"dog\", which the training data has not: its 3 "
                "classes are ant, bee, cat; correct");
    static const char numbers[] = "label,p1\n1,5\n0,6\n";
    CHECK_OK(weft_file_write(&context, "named/train.csv", numbers, strlen(numbers)));
    CHECK_FAILS(weft_dataset_open(&context, "named", WEFT_SPLIT_TEST, NULL, &data),
                WEFT_ERR_FORMAT, "but those of the training part are numbers");
    check_follows("label,p1\nb,5\na,6\n", "01", NULL);
    check_follows("label,p1\na,5\na,6\n7,6\n", "112", NULL);
    check_follows("label,p1\na,5\n0,6\n", NULL, "has class \"0\", which");
    check_follows("label,p1\n2,5\n1,6\n", "21", NULL);
    check_follows("label,p1\nA,5\n", NULL, "has class \"A\", which the training data");
}

/* Without names. Corners of images are dark; labels take every value. */
static void test_numbers(void)
{
    static const struct row rows[] = {
        {"1,0,6,7,0\n0,0,2,3,0\n2,0,2,3,0\n", "10", "06700230",
         "column 1 has the labels"},
        {"0,6,7,0,1\n0,2,3,0,0\n0,2,3,0,2\n", "10", "06700230",
         "column 5 has the labels, by its numbers"},
        {"9,6,7,90,1\n0,2,3,0,0\n200,2,3,0,2\n4,4,4,4,1\n", "10", "", "column 5"},
        {"1,5,6,7,8\n", "1", "5678", "column 1 has the labels"},
        {"1.0,5,6,7,8\n0.0,1,2,3,4\n", "10", "56781234", "column 1"},
        /* a pandas index, and names that are numbers */
        {"7,1,5,6,7,8\n8,0,1,2,3,4\n9,2,1,2,3,4\n", "10", "56781234",
         "column 2 has the labels"},
        {"V1,V2,V3,V4,V5\n0,6,7,0,1\n0,2,3,0,0\n0,2,3,0,2\n", "10", "06700230",
         "column 5"},
        {"0,1,2,3,4,5,6,7,8,9\n1,0,2,3,4,5,6,7,8,0\n0,0,1,1,1,1,1,1,1,0\n2,0,1,1,1,1,1,1,"
         "1,0\n",
         "10", "023456780", "column 1"},
        /* images without a dark border */
        {"0,90,6,7,200\n1,255,3,0,100\n0,2,3,0,7\n2,1,1,1,255\n", "01", "", "column 1"},
        {"200,90,6,7,0\n100,255,3,0,1\n7,2,3,0,0\n5,1,1,1,2\n", "01", "", "column 5"},
        /* undecidable */
        {"0,6,1,7,0\n0,2,0,3,0\n0,2,2,3,0\n", NULL, NULL,
         "either of columns 1 and 5 may have the labels"},
        {"0,6,7,0,1\n1,2,3,0,0\n2,2,3,0,2\n", NULL, NULL,
         "either of columns 1 and 5 may have the labels"},
        {"0,1,2,3,4,5,6,7,0\n0,1,2,3,4,5,6,7,0\n", NULL, NULL,
         "has 9 columns, which are images without labels"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        struct row row = rows[i];
        row.pixels = row.pixels ? row.pixels : "";
        check_row(&row);
    }
}

/* Pixels of `text`, whose label is 1. */
static void check_pixels(const char *text, const int pixels[4], const char *notes)
{
    struct weft_dataset_info info;
    weft_dataset *data = open_text("a.csv", text);
    CHECK_MSG(data, "%s", weft_error(&context));
    if (!data)
        return;
    weft_dataset_info(data, &info);
    for (int i = 0; i < 4; i++)
        CHECK_INT(info.pixels[i], pixels[i]);
    CHECK_MSG(strstr(info.notes, notes), "notes are \"%s\", not \"%s\"", info.notes,
              notes);
    weft_dataset_destroy(&data);
}

static void test_scale(void)
{
    enum { SIZE = 1 << 14 };
    static char text[SIZE];
    check_pixels("label,a,b,c,d\n1,0,0.5,1,1e0\n", (int[]){0, 128, 255, 255}, "");
    check_pixels("label,a,b,c,d\n1,0.0,1.0,255.0,6e1\n", (int[]){0, 1, 255, 60}, "");
    check_pixels("label,a,b,c,d\n1,0,0.5,1.00000012,.25\n", (int[]){0, 128, 255, 64},
                 "1 of 4 are greater, at most 1.00000012, and are taken as 1");
    /* One damaged pixel of many does not decide. */
    size_t at = (size_t)snprintf(text, SIZE, "label,a,b,c,d\n1,0,0.5,1,200\n");
    for (int i = 0; i < 1000; i++)
        at += (size_t)snprintf(text + at, SIZE - at, "0,.5,1,1,1\n");
    check_pixels(text, (int[]){0, 128, 255, 255}, "1 of 4004 are greater, at most 200");
    static const struct row refused[] = {
        {"label,a,b,c,d\n1,0,0.5,1,200\n", NULL, NULL,
         "3 are 0 to 1 and 1 are greater, at most 200"},
        {"label,a,b,c,d\n1,0.5,0.5,1.5,1.9\n", NULL, NULL, "2 are greater, at most 1.9"},
        {"label,a,b,c,d\n1,0.5,0.5,-0.5,1\n", NULL, NULL, "line 2, column 4: \"-0.5\""},
        {"label,a,b,c,d\n1,0.5,0.5,nan,1\n", NULL, NULL, "line 2, column 4: \"nan\""},
        {"label,a,b,c,d\n1,0.5,0.5,1e999,1\n", NULL, NULL, "line 2, column 4: \"1e999\""},
        {"label,a,b,c,d\n1,500.5,600.5,1,1\n", NULL, NULL, "at most 600.5"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(refused); i++)
        check_row(&refused[i]);
}

/* The test part follows its training part. */
static void test_parts(void)
{
    static const char train[] = "label,a,b,c,d\n1,0,0.5,1,1\n0,0.1,0.2,0.3,1\n";
    weft_dataset *data = NULL;
    struct weft_dataset_info info;
    CHECK_OK(weft_folder_create(&context, "parts", 0777));
    CHECK_OK(weft_file_write(&context, "parts/train.csv", train, strlen(train)));
    static const char test[] = "label,a,b,c,d\n1,0.0,1.0,2.0,0.0\n";
    CHECK_OK(weft_file_write(&context, "parts/test.csv", test, strlen(test)));
    CHECK_FAILS(weft_dataset_open(&context, "parts", WEFT_SPLIT_TEST, NULL, &data),
                WEFT_ERR_FORMAT, "those of the training part are 0 to 1");
    static const char ones[] = "label,a,b,c,d\n1,0.0,1.0,1.05,0.0\n";
    CHECK_OK(weft_file_write(&context, "parts/test.csv", ones, strlen(ones)));
    CHECK_OK(weft_dataset_open(&context, "parts", WEFT_SPLIT_TEST, NULL, &data));
    if (!data)
        return;
    weft_dataset_info(data, &info);
    CHECK_INT(info.pixels[1], 255);
    CHECK_INT(info.pixels[2], 255);
    weft_dataset_destroy(&data);
}

int main(void)
{
    char folder[] = "/tmp/weft-test-XXXXXX", command[100];
    test_context = &context;
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    test_names();
    test_class_names();
    test_training_names();
    test_numbers();
    test_scale();
    test_parts();
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK_INT(system(command), 0);
    free(context.error);
    return test_end();
}
