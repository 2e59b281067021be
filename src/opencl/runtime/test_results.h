/* SPDX-License-Identifier: Apache-2.0 */
/* Results of known-answer tests: launches that have passed, algorithms that have failed.
 * One file for each device and driver keeps them, beside the compiled programs. */
#ifndef WEFT_OPENCL_RUNTIME_TEST_RESULTS_H
#define WEFT_OPENCL_RUNTIME_TEST_RESULTS_H

#include "opencl/runtime/ocl.h"
#include "opencl/runtime/program.h"

enum ocl_test_result {
    OCL_PASSED,           /* the launches of a list */
    OCL_FAILED,           /* an algorithm, for one problem */
    OCL_FAILED_SOMEWHERE, /* an algorithm, for any problem */
    OCL_KEPT_RESULTS,
    /* In this process alone: an algorithm and problem whose test failed in it; an
     * algorithm of which a warning was given. */
    OCL_FAILED_NOW = OCL_KEPT_RESULTS,
    OCL_WARNED
};

/* Reads the file, if there is one. `dir` is that of ocl_cache_open; NULL: nothing is
 * kept beyond the process. Without memory nothing is known. */
void ocl_test_results_open(struct ocl_device *device, const char *dir);
void ocl_test_results_close(struct ocl_device *device);

bool ocl_test_result_known(const struct ocl_device *device, enum ocl_test_result result,
                           const uint8_t key[OCL_KEY_BYTES]);
/* True if it is known of anything. */
bool ocl_test_result_exists(const struct ocl_device *device, enum ocl_test_result result);
/* False: there is no memory for it. A file that cannot be written means that the test is
 * repeated. */
bool ocl_test_result_add(struct ocl_device *device, enum ocl_test_result result,
                         const uint8_t key[OCL_KEY_BYTES]);

/* The file's path, to be freed; NULL: nothing is kept. */
char *ocl_test_results_path(const struct ocl_device *device);

/* As in struct weft_backend. Launches are known by what compiled programs are known by,
 * sources and options, and by their sizes. */
bool ocl_is_proven(const struct weft_command_list *list);
void ocl_set_proven(struct weft_command_list *list);

#endif
