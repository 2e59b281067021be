/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the tests in C. A failed check prints its place and is counted; the program
 * continues and exits with test_end(). */
#ifndef WEFT_TESTS_UNIT_TEST_H
#define WEFT_TESTS_UNIT_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/dataset.h>

static int test_checks, test_failures;

/* The context that error messages are taken from, for CHECK_OK and CHECK_FAILS. */
static const weft_context *test_context;

/* The images and labels of a dataset. */
static inline const uint8_t *test_pixels(const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    return info.pixels;
}

static inline const int32_t *test_labels(const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    return info.labels;
}

#define TEST_FAIL(...)                                  \
    do {                                                \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
        fprintf(stderr, __VA_ARGS__);                   \
        fputc('\n', stderr);                            \
        test_failures++;                                \
    } while (0)

#define CHECK(condition)                         \
    do {                                         \
        test_checks++;                           \
        if (!(condition))                        \
            TEST_FAIL("not so: %s", #condition); \
    } while (0)

#define CHECK_INT(got, want)                                            \
    do {                                                                \
        long long got_ = (long long)(got), want_ = (long long)(want);   \
        test_checks++;                                                  \
        if (got_ != want_)                                              \
            TEST_FAIL("%s is %lld, should be %lld", #got, got_, want_); \
    } while (0)

#define CHECK_NEAR(got, want, tolerance)                                     \
    do {                                                                     \
        double got_ = (got), want_ = (want);                                 \
        test_checks++;                                                       \
        if (!(got_ - want_ <= (tolerance) && want_ - got_ <= (tolerance)))   \
            TEST_FAIL("%s is %.9g, should be %.9g +- %g", #got, got_, want_, \
                      (double)(tolerance));                                  \
    } while (0)

#define CHECK_TEXT(got, want)                                                         \
    do {                                                                              \
        const char *got_ = (got), *want_ = (want);                                    \
        test_checks++;                                                                \
        if (!got_ || strcmp(got_, want_) != 0)                                        \
            TEST_FAIL("%s is \"%s\", should be \"%s\"", #got, got_ ? got_ : "(null)", \
                      want_);                                                         \
    } while (0)

/* The call succeeds; else its error message is printed. */
#define CHECK_OK(call)                                                \
    do {                                                              \
        enum weft_status status_ = (call);                            \
        test_checks++;                                                \
        if (status_)                                                  \
            TEST_FAIL("%s: %s: %s", #call, weft_status_name(status_), \
                      weft_error(test_context));                      \
    } while (0)

/* The call fails with `status`, and its error message contains `words`. */
#define CHECK_FAILS(call, status, words)                                        \
    do {                                                                        \
        enum weft_status status_ = (call);                                      \
        test_checks++;                                                          \
        if (status_ != (status))                                                \
            TEST_FAIL("%s: %s, should be %s", #call, weft_status_name(status_), \
                      weft_status_name(status));                                \
        else if (!strstr(weft_error(test_context), (words)))                    \
            TEST_FAIL("%s: says \"%s\", should say \"%s\"", #call,              \
                      weft_error(test_context), (words));                       \
    } while (0)

/* Ends the test if the condition is false: for preconditions of later checks. */
#define REQUIRE(condition)                                        \
    do {                                                          \
        test_checks++;                                            \
        if (!(condition)) {                                       \
            TEST_FAIL("not so: %s; cannot continue", #condition); \
            exit(1);                                              \
        }                                                         \
    } while (0)

/* The exit code, after a line with the count. */
static inline int test_end(void)
{
    (void)test_context; /* not every test uses it */
    printf("%d checks, %d failed\n", test_checks, test_failures);
    return test_failures ? 1 : 0;
}

/* Ends the test as skipped. */
static inline void test_skip(const char *why)
{
    printf("skipped: %s\n", why);
    exit(77);
}

#endif
