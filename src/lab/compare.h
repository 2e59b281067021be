/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of results with what they should be. */
#ifndef WEFT_LAB_COMPARE_H
#define WEFT_LAB_COMPARE_H

#include "lab/tensors.h"

/* Two arrays. An element may differ by bound[i], or where `bound` is NULL by
 * absolute + relative |expected|; bytes and words without a bound must be equal. */
struct lab_comparison {
    enum lab_type type;
    const void *got, *want;
    size_t count;
    const double *bound;
    double absolute, relative;
    bool half;            /* `got` was rounded to float16 afterwards */
    bool allow_nonfinite; /* as in struct lab_tensor */
    bool nan_may_spread;

    /* Results of lab_compare. */
    double worst;        /* error over what is allowed; infinite where nothing is */
    size_t wrong, first; /* elements, and the first of them */
};

/* True: nothing is wrong. */
bool lab_compare(struct lab_comparison *c);
/* "0.5, should be 1, may differ by 0.1; 3 of 8 wrong", of the first wrong element. */
void lab_describe_mismatch(const struct lab_comparison *c, const char *after_got,
                           char *text, size_t size);

/* Compares an output of both sides. *worst grows to the largest error over its bound.
 * False: `fault` has a sentence, "y[0,1] is 3, should be 4, may differ by 0; 1 of 9
 * wrong". */
bool lab_compare_sides(const struct lab_case *c, const struct lab_tensor *t,
                       double *worst, char *fault, size_t size);

/* True, and a sentence, where a run changed anything but its outputs. */
bool lab_find_overwrite(const struct lab_case *c, enum lab_side side,
                        struct lab_tensor *const outputs[], char *fault, size_t size);

/* True, and a sentence, where the reference's result proves nothing: all zeros, or not
 * finite. */
bool lab_find_degenerate(const struct lab_case *c, const struct lab_tensor *t,
                         char *fault, size_t size);

/* The bound of a value that is rounded to float16 after an error of `bound`. */
double lab_fp16_error_bound(double want, double bound);

#endif
