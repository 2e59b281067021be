/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what tuning found, and the text of its file. */
#include "unit/test.h"

#include "shared/random.h"
#include "device/tuning_file.h"

#include <stdlib.h>

static void empty(struct weft_tuning *t)
{
    for (int i = 0; i < t->count; i++) {
        free(t->rows[i].problem);
        free(t->rows[i].config);
        free(t->rows[i].parsed);
    }
    free(t->rows);
}

static void test_table(void)
{
    static const char text_of_problem[] =
        "vec conv_forward n=1 in=8x8x4 out=6x6x8 window=3x3 bias relu";
    struct weft_tuning a = {0}, b = {0};
    struct weft_problem problem;
    REQUIRE(weft_problem_parse(text_of_problem, &problem));
    struct weft_tuning_entry row = {.problem = (char *)text_of_problem,
                                    .config = (char *)"direct vector-width=8",
                                    .state = WEFT_TUNING_BEST,
                                    .seconds = 1.5e-3,
                                    .baseline = 2e-3,
                                    .fingerprint = 0x0123456789abcdef};
    size_t size;
    int damaged;
    REQUIRE(!weft_tuning_set(NULL, &a, &row));
    row.config = (char *)"other";
    REQUIRE(!weft_tuning_set(NULL, &a, &row)); /* takes the place of the first */
    row.state = WEFT_TUNING_HUNG;
    row.config = (char *)"third";
    REQUIRE(!weft_tuning_set(NULL, &a, &row)); /* stands beside it */
    CHECK_INT(a.count, 2);
    CHECK(weft_tuning_rejects(&a, &problem, "third", row.fingerprint));
    CHECK(!weft_tuning_rejects(&a, &problem, "third", 1));
    char *text = weft_tuning_write(&a, &size);
    REQUIRE(text);
    REQUIRE(!weft_tuning_read(NULL, &b, text, size, false, &damaged));
    CHECK_INT(damaged, 0);
    CHECK_INT(b.count, 2);
    CHECK_TEXT(b.rows[0].config, "other");
    CHECK(b.rows[0].seconds == 1.5e-3);
    CHECK_INT(b.rows[1].state, WEFT_TUNING_HUNG);
    CHECK(b.rows[1].fingerprint == row.fingerprint);
    free(text);
    static const char bad[] = "a | b\n" /* of those that ship */
                              "| b | best | 1 of 1 ms | 0123456789abcdef\n"
                              "a | b | good | 1 of 1 ms | 0123456789abcdef\n"
                              "a | b | best | 1 of ms | 0123456789abcdef\n"
                              "a | b | best | -1 of 1 ms | 0123456789abcdef\n"
                              "a | b | best | nan of 1 ms | 0123456789abcdef\n"
                              "a | b | best | 1 of 1 ms | 0123456789abcde\n"
                              "a | b | best | 1 of 1 ms | 0123456789abcdef | c\n"
                              "a | \001 | best | 1 of 1 ms | 0123456789abcdef\n"
                              "a | b | best | 1 of 1 ms | 0123";
    REQUIRE(!weft_tuning_read(NULL, &b, bad, sizeof(bad) - 1, false, &damaged));
    CHECK_INT(damaged, 10);
    CHECK_INT(b.count, 2);
    REQUIRE(!weft_tuning_read(NULL, &b, "a\0b\n# c\n\n", 9, false, &damaged));
    CHECK_INT(damaged, 1);
    empty(&a);
    empty(&b);
}

/* Problems that differ in one field are tuned apart. */
static void test_pool_keys(void)
{
    static const char *const texts[] = {
        "vec pool_forward n=1 in=8x8x4 out=8x8 window=3x3 stride=1x1 pad=1,1,1,1 "
        "mean",
        "vec pool_forward n=1 in=8x8x4 out=8x8 window=3x3 stride=1x1 pad=1,1,1,1 "
        "count=1,1,1,1 mean",
        "vec pool_forward n=1 in=8x8x4 out=8x8 window=3x3 stride=1x1 pad=1,1,1,1 "
        "max",
        "vec pool_forward n=1 in=8x8x4 out=8x8 window=3x3 stride=1x1 pad=0,0,2,2 "
        "mean",
    };
    struct weft_problem problems[WEFT_ARRAY_SIZE(texts)];
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(texts); i++) {
        char text[WEFT_PROBLEM_TEXT];
        REQUIRE(weft_problem_parse(texts[i], &problems[i]));
        weft_problem_format(&problems[i], text);
        CHECK_TEXT(text, texts[i]);
        for (size_t j = 0; j < i; j++) {
            CHECK(weft_problem_batch_ratio(&problems[i], &problems[j]) != 1);
            CHECK(weft_problem_hash(&problems[i]) != weft_problem_hash(&problems[j]));
        }
        CHECK(weft_problem_batch_ratio(&problems[i], &problems[i]) == 1);
    }
}

/* A file with any bytes changed: what is still read is written and read the same. */
static void test_damage(void)
{
    static const char text[] =
        "# weft tuning\n"
        "vec forward n=1 | direct vector-width=8 | best | 1.5 of 2 ms | "
        "0123456789abcdef\n"
        "tile backward-data n=9 | gemm m=64 | hung | 0 of 0 ms | "
        "fedcba9876543210\n";
    for (uint32_t round = 0; round < 4000; round++) {
        struct weft_tuning a = {0}, b = {0};
        char bytes[sizeof(text)];
        size_t size = sizeof(text) - 1;
        int damaged;
        memcpy(bytes, text, sizeof(text));
        for (uint32_t i = 0; i < 1 + round % 4; i++) {
            struct weft_random r = weft_philox(1, 0, i, round, 0, RANDOM_VERIFY);
            bytes[r.v[0] % size] =
                r.v[1] % 2 ? "\n|\0 -.9\xff"[r.v[2] % 8] : (char)r.v[2];
            if (r.v[3] % 8 == 0)
                size = 1 + r.v[1] % size;
        }
        REQUIRE(!weft_tuning_read(NULL, &a, bytes, size, false, &damaged));
        char *again = weft_tuning_write(&a, &size);
        REQUIRE(again && !weft_tuning_read(NULL, &b, again, size, false, &damaged));
        CHECK_INT(damaged, 0);
        CHECK_INT(b.count, a.count);
        free(again);
        empty(&a);
        empty(&b);
    }
}

int main(void)
{
    test_table();
    test_pool_keys();
    test_damage();
    return test_end();
}
