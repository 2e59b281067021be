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

/* A problem of each kind, as its text is written. */
static const char *const problem_texts[] = {
    "vec conv_forward n=2 in=9x8x4 out=9x4x8 window=3x2 stride=1x2 dilation=2x1 "
    "pad=2,0,2,0 groups=2 bias gelu",
    "tile conv_forward n=2 in=8x8x4 out=8x8x8 window=3x3 pad=1,1,1,1 "
    "pool=2,2,2,2,0,0,4,4 argmax relu",
    "sg conv_backward_data n=1 in=5x5x2 out=3x3x7 window=3x3 tanh",
    "mma conv_backward_data n=1 in=5x5x2 out=4x4x6 window=2x2 pool=3,3,2,2,1,1,2,2",
    "vec conv_backward_weights n=3 in=1x1x30 out=1x1x20 window=1x1 bias",
    "vec conv_backward_weights n=3 in=4x4x5 out=4x4x6 window=1x1 pool=2,2,2,2,0,0,2,2",
    "vec pool_forward n=1 in=8x8x4 out=4x4 window=3x3 stride=2x2 pad=1,1,0,0 "
    "count=1,1,0,0 mean",
    "vec pool_forward n=1 in=8x8x4 out=4x4 window=2x2 stride=2x2 max argmax",
    "tile pool_backward n=1 in=8x8x4 out=4x4 window=2x2 stride=2x2 max",
    "vec copy_channels rows=50 count=3 from=8x2 to=5x1 zero-rest relu",
    "vec copy_channels rows=50 count=3 from=8x2 to=5x1",
    "vec scale n=4 positions=36 channels=5 sigmoid",
    "vec scale_gradient n=4 positions=36 channels=5 sums",
    "vec scale_gradient n=4 positions=36 channels=5",
    "vec channel_shuffle rows=50 channels=12 groups=3",
    "vec prelu_forward rows=50 channels=12",
    "vec prelu_backward rows=50 channels=12 dx",
    "vec layer_norm_forward rows=50 channels=12 relu mean",
    "vec layer_norm_forward rows=50 channels=12",
    "tile layer_norm_backward rows=50 channels=12 dx",
    "vec batch_norm_forward rows=50 channels=12 relu",
    "vec batch_norm_inference rows=50 channels=12",
    "vec batch_norm_backward rows=50 channels=12 dx",
    "vec fold_batch_norm rows=50 channels=12 w bias out-bias",
    "vec softmax n=50 classes=10",
    "vec loss n=50 classes=10 dlogits weights shares",
    "vec loss n=50 classes=10",
    "vec optimizer_step w=1000 adamw metrics=50",
    "vec optimizer_step w=1000 sgd nesterov",
    "vec make_batch n=50 pixels=784 channels=1 state labels augment=1 mix=1",
    "vec make_batch n=50 pixels=784 channels=1",
};

/* A parsed problem has work, and a text that means the same. */
static bool is_stable(const char *text)
{
    struct weft_problem problem, again;
    char written[WEFT_PROBLEM_TEXT];
    if (!weft_problem_parse(text, &problem))
        return true;
    weft_problem_format(&problem, written);
    double work = weft_problem_work(&problem);
    return work > 0 && work < 1e30 && weft_problem_parse(written, &again) &&
           weft_problem_batch_ratio(&problem, &again) == 1 &&
           weft_problem_hash(&problem) == weft_problem_hash(&again);
}

/* Each word of a text left out, and each number replaced: no problem, or another one. */
static void test_problems(void)
{
    static const char *const numbers[] = {"0", "1", "7", "65536", "999999999", "-1", "x"};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(problem_texts); i++) {
        const char *text = problem_texts[i];
        struct weft_problem problem;
        char written[WEFT_PROBLEM_TEXT], changed[2 * WEFT_PROBLEM_TEXT];
        REQUIRE(weft_problem_parse(text, &problem) && is_stable(text));
        weft_problem_format(&problem, written);
        CHECK_TEXT(written, text);
        for (const char *at = text; (at = strchr(at, ' ')); at++) {
            snprintf(changed, sizeof(changed), "%.*s%s", (int)(at - text), text,
                     at + 1 + strcspn(at + 1, " "));
            CHECK(is_stable(changed));
        }
        for (const char *at = text; *(at += strcspn(at, "0123456789"));) {
            size_t length = strspn(at, "0123456789");
            for (size_t k = 0; k < WEFT_ARRAY_SIZE(numbers); k++) {
                snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text,
                         numbers[k], at + length);
                CHECK(is_stable(changed));
            }
            at += length;
        }
    }
    struct weft_problem none;
    CHECK(!weft_problem_parse(
        "vec conv_forward n=1 in=1x3x4 out=1x1x8 window=3x3 stride=5x1",
        &none)); /* a window of 3 in an extent of 1 */
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
    test_problems();
    test_damage();
    return test_end();
}
