/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest vectors, against all products in double: the same indices, ties too, and
 * the same bits of the scores. */
#include "device/backend.h"
#include "unit/trainer_fixture.h"

#include <math.h>

enum { COUNT = 1003, WIDE = 37, QUERIES = 70, MOST = 12 };

static float values[COUNT * WIDE], queries[QUERIES * WIDE];
static struct weft_neighbor found[QUERIES * MOST], expected[QUERIES * MOST];

static float draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

/* Vector 7 is there again as 500 and 1002; some queries are vectors. */
static void fill(void)
{
    uint32_t state = 1;
    for (int i = 0; i < COUNT * WIDE; i++)
        values[i] = draw(&state);
    for (int i = 0; i < QUERIES * WIDE; i++)
        queries[i] = draw(&state);
    memcpy(values + 500 * WIDE, values + 7 * WIDE, WIDE * sizeof(float));
    memcpy(values + 1002 * WIDE, values + 7 * WIDE, WIDE * sizeof(float));
    memcpy(queries + 3 * WIDE, values + 7 * WIDE, WIDE * sizeof(float));
    memcpy(queries + 69 * WIDE, values + 1001 * WIDE, WIDE * sizeof(float));
}

static double multiply(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < WIDE; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The k largest by repeated search for the largest. */
static void expect(int count, int k)
{
    static double scores[COUNT];
    for (int q = 0; q < QUERIES; q++) {
        for (int i = 0; i < count; i++)
            scores[i] = multiply(values + i * WIDE, queries + q * WIDE);
        for (int n = 0; n < k; n++) {
            int best = -1;
            for (int i = 0; i < count; i++)
                if (!isnan(scores[i]) && (best < 0 || scores[i] > scores[best]))
                    best = i;
            expected[q * k + n] =
                (struct weft_neighbor){best, best < 0 ? (double)NAN : scores[best]};
            if (best >= 0)
                scores[best] = (double)NAN;
        }
    }
}

static int count_differences(int k)
{
    int differences = 0;
    for (int i = 0; i < QUERIES * k; i++) {
        const struct weft_neighbor *a = &found[i], *b = &expected[i];
        bool same = a->index == b->index &&
                    (isnan(a->score) ? isnan(b->score) : a->score == b->score);
        differences += !same;
    }
    return differences;
}

static void test_exact(int count, int k, int batch)
{
    weft_vectors *vectors = NULL;
    CHECK_OK(weft_vectors_create(device,
                                 weft_vectors_params(.values = values, .count = count,
                                                     .dimensions = WIDE, .batch = batch),
                                 &vectors));
    REQUIRE(vectors);
    CHECK_OK(weft_vectors_nearest(vectors, queries, QUERIES, k, found));
    expect(count, k);
    CHECK_INT(count_differences(k), 0);
    weft_vectors_destroy(&vectors);
    CHECK(!vectors);
}

/* A buffer has room for a part of the vectors only. */
static void test_slices(void)
{
    uint64_t limit = device->info.max_alloc_bytes;
    device->info.max_alloc_bytes =
        (uint64_t)WEFT_BUFFER_PADDING + WEFT_ALIGN + 50 * 6 * WIDE * sizeof(float);
    test_exact(COUNT, 5, 64);
    device->info.max_alloc_bytes = limit;
}

/* Vectors of which each is nearer than those before, and equal ones: more groups may have
 * answers than there is room for. */
static void test_many(bool equal)
{
    enum { MANY = 12000, K = 5 };
    weft_vectors *vectors = NULL;
    float *lines = calloc((size_t)MANY * WIDE, sizeof(*lines));
    REQUIRE(lines);
    for (int i = 0; i < MANY; i++)
        lines[i * WIDE] = equal ? 3 : (float)i;
    for (int q = 0; q < QUERIES; q++)
        queries[q * WIDE] = 1;
    CHECK_OK(weft_vectors_create(
        device, weft_vectors_params(.values = lines, .count = MANY, .dimensions = WIDE),
        &vectors));
    REQUIRE(vectors);
    CHECK_OK(weft_vectors_nearest(vectors, queries, QUERIES, K, found));
    for (int i = 0; i < QUERIES * K; i++) {
        int index = equal ? i % K : MANY - 1 - i % K;
        expected[i] = (struct weft_neighbor){index, equal ? (double)3 : (double)index};
    }
    CHECK_INT(count_differences(K), 0);
    weft_vectors_destroy(&vectors);
    free(lines);
}

static void test_planted(void)
{
    weft_vectors *vectors = NULL;
    struct weft_neighbor kept = expected[2];
    expected[2] = expected[3]; /* the comparison itself */
    CHECK_INT(count_differences(5), 1);
    expected[2] = kept;
    /* The device multiplies other vectors than there are. */
    REQUIRE(!weft_vectors_create(
        device, weft_vectors_params(.values = values, .count = COUNT, .dimensions = WIDE),
        &vectors));
    int row = 7 * WIDE;
    values[row] += 1;
    CHECK_FAILS(weft_vectors_nearest(vectors, queries, QUERIES, 5, found),
                WEFT_ERR_MISMATCH, "vectors 6 to 11: the largest product is");
    values[row] -= 1;
    weft_vectors_destroy(&vectors);
}

static void test_refused(void)
{
    weft_vectors *vectors = NULL;
    struct weft_vectors_params p =
        *weft_vectors_params(.values = values, .count = 0, .dimensions = WIDE);
    CHECK_FAILS(weft_vectors_create(device, &p, &vectors), WEFT_ERR_ARG, "count");
    p.count = INT64_MAX;
    CHECK_FAILS(weft_vectors_create(device, &p, &vectors), WEFT_ERR_ARG, "count");
    p.count = 8;
    p.dimensions = 0;
    CHECK_FAILS(weft_vectors_create(device, &p, &vectors), WEFT_ERR_ARG, "dimensions");
    p.dimensions = WIDE;
    p.batch = -1;
    CHECK_FAILS(weft_vectors_create(device, &p, &vectors), WEFT_ERR_ARG, "batch");
    p.batch = 64;
    values[WIDE] = INFINITY;
    CHECK_FAILS(weft_vectors_create(device, &p, &vectors), WEFT_ERR_FORMAT, "vector 1 ");
    values[WIDE] = 1e30f;
    REQUIRE(!weft_vectors_create(device, &p, &vectors));
    float kept = queries[0];
    queries[0] = 1e30f;
    CHECK_FAILS(weft_vectors_nearest(vectors, queries, 1, 1, found), WEFT_ERR_ARG,
                "too large");
    queries[0] = NAN;
    CHECK_FAILS(weft_vectors_nearest(vectors, queries, 1, 1, found), WEFT_ERR_FORMAT,
                "not finite");
    queries[0] = kept;
    CHECK_FAILS(weft_vectors_nearest(vectors, queries, 1, 0, found), WEFT_ERR_ARG,
                "k must be");
    weft_vectors_destroy(&vectors);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    fill();
    test_exact(COUNT, 5, 0);
    test_planted();
    test_exact(COUNT, MOST, 64);
    test_exact(5, MOST, 64);
    test_exact(1, 1, 64);
    test_slices();
    test_refused();
    test_many(false);
    test_many(true);
    return close_device();
}
