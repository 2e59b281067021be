/* SPDX-License-Identifier: Apache-2.0 */
/* The test harness itself: guard zones report writes outside a tensor, comparison reports
 * every kind of wrong result, timing takes the median of interleaved rounds. */
#include "unit/test.h"

#include "lab/compare.h"
#include "lab/timing.h"

#include <math.h>
#include <string.h>

static weft_context *ctx;
static weft_device *device;
static char fault[256];

struct fixture {
    struct lab_case c;
    struct lab_random random;
    struct lab_tensor *x, *y;
    struct lab_tensor *outputs[2];
};

static void open_fixture(struct fixture *f, bool own_buffers, bool half)
{
    *f = (struct fixture){.random = lab_random_begin(1, 0, 0)};
    f->c.random = &f->random;
    f->c.device[LAB_DEVICE] = f->c.device[LAB_REFERENCE] = device;
    f->x = lab_add_tensor(&f->c, "x", LAB_FLOAT, 2, 1, 1, 5);
    f->y = f->outputs[0] = lab_add_tensor(&f->c, "y", LAB_FLOAT, 2, 3, 4, 5);
    f->y->half = half;
    CHECK_OK(lab_allocate(&f->c, own_buffers, NULL));
    lab_fill_integers(&f->c, f->x, -9, 9);
}

/* Writes one value on the device at an element counted from the tensor's start. */
static void poke(struct fixture *f, const struct lab_tensor *t, int element, size_t bytes)
{
    static const uint8_t value[4] = {1, 2, 3, 4};
    size_t at = (size_t)((long)t->at + element * (long)bytes);
    CHECK_OK(device->backend->write(device, f->c.buffers[t->buffer].mem[LAB_DEVICE], at,
                                    value, bytes));
}

static bool overwrites(struct fixture *f, const struct lab_tensor *t, int element,
                       size_t bytes)
{
    lab_poison(&f->c, f->outputs);
    CHECK_OK(lab_upload(&f->c, LAB_DEVICE));
    poke(f, t, element, bytes);
    CHECK_OK(lab_download(&f->c, LAB_DEVICE));
    fault[0] = 0;
    return lab_find_overwrite(&f->c, LAB_DEVICE, f->outputs, fault, sizeof(fault));
}

static void test_guards(bool own_buffers)
{
    struct fixture f;
    open_fixture(&f, own_buffers, false);
    CHECK(!overwrites(&f, f.y, 0, 4) && !overwrites(&f, f.y, 119, 4));
    CHECK(overwrites(&f, f.x, 3, 4));
    CHECK_TEXT(fault, "x was changed at element 3, and is only to be read");
    CHECK(overwrites(&f, f.x, -1, 4));
    CHECK(strstr(fault, "before the first tensor"));
    CHECK(overwrites(&f, f.y, -1, 4));
    if (!own_buffers) {
        CHECK(overwrites(&f, f.x, 10, 4));
        CHECK_TEXT(fault, "byte 0 beyond the end of x was overwritten");
        CHECK(overwrites(&f, f.y, 121, 4));
        CHECK_TEXT(fault, "byte 4 beyond the end of y was overwritten");
    }
    lab_finish(&f.c);
    open_fixture(&f, own_buffers, true);
    CHECK(!overwrites(&f, f.y, 119, 2));
    CHECK(overwrites(&f, f.y, 120, 2));
    CHECK(strstr(fault, "float16"));
    lab_finish(&f.c);
}

/* An array of three that has `got` in place of `want`. */
static bool accepts(enum lab_type type, const void *got, const void *want,
                    const double *bound, struct lab_comparison params)
{
    params.type = type;
    params.got = got;
    params.want = want;
    params.count = 3;
    params.bound = bound;
    bool right = lab_compare(&params);
    CHECK(right == !params.wrong);
    if (!right)
        lab_describe_mismatch(&params, "", fault, sizeof(fault));
    return right;
}
#define FLOATS(...) ((const float[]){__VA_ARGS__})
#define PARAMS(...) ((struct lab_comparison){__VA_ARGS__})

static void test_compare(void)
{
    static const double bound[3] = {0.5, 0, 0.25};
    static const uint8_t bytes[2][3] = {{1, 2, 3}, {1, 2, 4}};
    static const uint32_t words[2][3] = {{1, 2, 1u << 31}, {1, 2, 0}};
    const float *want = FLOATS(1, 2, 3);
    CHECK(accepts(LAB_FLOAT, FLOATS(1.5f, 2, 2.75f), want, bound, PARAMS(.half = false)));
    CHECK(
        !accepts(LAB_FLOAT, FLOATS(1, 2.001f, 3.5f), want, bound, PARAMS(.half = false)));
    CHECK_TEXT(fault, "2.00099993, should be 2, may differ by 0; 2 of 3 wrong");
    CHECK(!accepts(LAB_FLOAT, FLOATS(1, 2, NAN), want, bound, PARAMS(.half = false)));
    CHECK(accepts(LAB_FLOAT, FLOATS(1, 2, NAN), want, bound,
                  PARAMS(.nan_may_spread = true)));
    CHECK(accepts(LAB_FLOAT, FLOATS(1.2f, 2.3f, 3.4f), want, NULL,
                  PARAMS(.absolute = 0.11, .relative = 0.1)));
    CHECK(!accepts(LAB_FLOAT, FLOATS(1, 2, 3.5f), want, NULL,
                   PARAMS(.absolute = 0.11, .relative = 0.1)));
    want = FLOATS(INFINITY, NAN, 3);
    CHECK(!accepts(LAB_FLOAT, want, want, NULL, PARAMS(.absolute = 1)));
    CHECK(accepts(LAB_FLOAT, want, want, NULL, PARAMS(.allow_nonfinite = true)));
    CHECK(!accepts(LAB_FLOAT, FLOATS(-INFINITY, NAN, 3), want, NULL,
                   PARAMS(.allow_nonfinite = true)));
    want = FLOATS(1.0001f, 2, 3); /* 1 as float16 */
    CHECK(accepts(LAB_FLOAT, FLOATS(1, 2, 3), want, NULL, PARAMS(.half = true)));
    CHECK(!accepts(LAB_FLOAT, FLOATS(1, 2, 3), want, NULL, PARAMS(.half = false)));
    CHECK(accepts(LAB_BYTE, bytes[0], bytes[0], NULL, PARAMS(.half = false)));
    CHECK(!accepts(LAB_BYTE, bytes[0], bytes[1], NULL, PARAMS(.half = false)));
    CHECK(accepts(LAB_INT32, words[0], words[0], NULL, PARAMS(.half = false)));
    CHECK(!accepts(LAB_INT32, words[0], words[1], NULL, PARAMS(.half = false)));
    /* -0 and 0 are one float of two bit patterns. */
    CHECK(accepts(LAB_INT32, words[0], words[1], bound, PARAMS(.half = false)));
}

static void test_compare_sides(void)
{
    struct fixture f;
    double worst = 0;
    open_fixture(&f, false, false);
    lab_poison(&f.c, f.outputs);
    for (int side = 0; side < LAB_SIDE_COUNT; side++) {
        CHECK_OK(lab_upload(&f.c, (enum lab_side)side));
        CHECK_OK(lab_download(&f.c, (enum lab_side)side));
    }
    float *got = lab_result(&f.c, f.y, LAB_DEVICE);
    float *want = lab_result(&f.c, f.y, LAB_REFERENCE);
    CHECK(lab_find_degenerate(&f.c, f.y, fault, sizeof(fault)));
    CHECK(strstr(fault, "not finite"));
    for (size_t i = 0; i < f.y->count; i++)
        want[i] = 0;
    CHECK(lab_find_degenerate(&f.c, f.y, fault, sizeof(fault)));
    CHECK(strstr(fault, "are zero"));
    for (size_t i = 0; i < f.y->count; i++)
        got[i] = want[i] = (float)i;
    CHECK(!lab_find_degenerate(&f.c, f.y, fault, sizeof(fault)));
    CHECK(lab_compare_sides(&f.c, f.y, &worst, fault, sizeof(fault)));
    memcpy(&got[67], (float *)lab_initial(&f.c, f.y) + 67, sizeof(*got));
    CHECK(!lab_compare_sides(&f.c, f.y, &worst, fault, sizeof(fault)));
    CHECK(strstr(fault, "y[1,0,1,2] is ") && strstr(fault, "never written"));
    uint64_t hash = lab_hash_results(&f.c, LAB_DEVICE);
    got[3] = -3;
    CHECK(lab_hash_results(&f.c, LAB_DEVICE) != hash);
    lab_finish(&f.c);
}

/* Windows that reach beyond each edge of the image. */
static void test_argmax(void)
{
    const struct weft_pool pool = {.n = 2,
                                   .h = 4,
                                   .w = 5,
                                   .c = 3,
                                   .r = 3,
                                   .s = 2,
                                   .stride_y = 2,
                                   .stride_x = 2,
                                   .pad_top = 1,
                                   .pad_left = 1,
                                   .pad_bottom = 2,
                                   .pad_right = 1,
                                   .out_h = 3,
                                   .out_w = 3};
    struct lab_random random = lab_random_begin(1, 0, 0);
    struct lab_case c = {.device = {device}, .random = &random};
    struct lab_tensor *t = lab_add_tensor(&c, "argmax", LAB_BYTE, 2, 3, 3, 3);
    CHECK_OK(lab_allocate(&c, true, NULL));
    lab_fill_argmax(&c, t, &pool);
    const uint8_t *at = lab_initial(&c, t);
    for (int i = 0; i < (int)t->count; i++) {
        int y = i / 9 % 3 * 2 - 1 + at[i] / 2, x = i / 3 % 3 * 2 - 1 + at[i] % 2;
        CHECK(y >= 0 && y < 4 && x >= 0 && x < 5);
    }
    lab_finish(&c);
}

/* A runner that reports the times of a table. */
struct fake_runner {
    const double *seconds;
    int count;
};

static enum weft_status next_time(void *priv, double *seconds)
{
    struct fake_runner *r = priv;
    *seconds = r->seconds[r->count++];
    return WEFT_OK;
}

static int measure(const double *a, const double *b, const struct lab_rounds *rounds,
                   double medians[2])
{
    struct fake_runner runners[2] = {{a, 0}, {b, 0}};
    double seconds[2][8];
    int count;
    CHECK_OK(lab_time_interleaved(next_time, (void *[]){&runners[0], &runners[1]}, rounds,
                                  (double *[]){seconds[0], seconds[1]}, &count));
    CHECK_INT(runners[0].count, runners[1].count);
    for (int k = 0; k < 2 && count; k++)
        medians[k] = lab_median(seconds[k], count);
    return count;
}

static void test_timing(void)
{
    static const double steady[] = {9, 1, 3, 2, 8, 2}, slow[] = {9, 5, 5, 90, 5, 5};
    double medians[2], values[] = {4, 1, 3, 2};
    CHECK(lab_median(values, 4) == 2.5 && lab_median(values, 3) == 2);
    /* The first round is a warm-up. */
    CHECK_INT(measure(steady, slow, &(struct lab_rounds){.warmup = 1, .min = 5, .max = 5},
                      medians),
              5);
    CHECK(medians[0] == 2 && medians[1] == 5);
    CHECK_INT(measure(slow, steady, &(struct lab_rounds){.min = 2, .max = 6}, medians),
              6);
    CHECK_INT(measure(slow, steady,
                      &(struct lab_rounds){.min = 2, .max = 6, .time_limit = 1e-12},
                      medians),
              2);
    /* Far behind after the first round, or in the warm-up. */
    CHECK_INT(measure(&steady[1], slow,
                      &(struct lab_rounds){.min = 4, .max = 4, .give_up_ratio = 8},
                      medians),
              1);
    CHECK_INT(
        measure(steady, slow,
                &(struct lab_rounds){.warmup = 2, .min = 4, .max = 4, .give_up_ratio = 4},
                medians),
        0);
}

static void test_significance(void)
{
    struct lab_ab_result r = {.speedup = 1.1, .won = 24};
    CHECK(lab_ab_significant(&r));
    r.won = 15;
    CHECK(!lab_ab_significant(&r));
    r = (struct lab_ab_result){.speedup = 1.01, .won = 25};
    CHECK(!lab_ab_significant(&r));
}

int main(void)
{
    REQUIRE(!weft_context_create(&ctx, NULL));
    test_context = ctx;
    CHECK_OK(weft_device_open(ctx, WEFT_HOST_DEVICE, NULL, &device));
    test_guards(false);
    test_guards(true);
    test_compare();
    test_compare_sides();
    test_argmax();
    test_timing();
    test_significance();
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    return test_end();
}
