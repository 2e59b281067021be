/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms that have failed a known-answer test on this device and driver, or do not
 * build. */
#include "opencl/select/trust.h"

#include "opencl/runtime/command_list.h"
#include "opencl/runtime/test_results.h"
#include "opencl/select/dispatch.h"

#include <stdlib.h>
#include <string.h>

/* An algorithm with its sources, for a problem; NULL: for any. */
static void make_key(const struct ocl_device *d, enum weft_primitive primitive,
                     const struct ocl_algorithm *algorithm,
                     const struct weft_problem *problem, uint8_t key[OCL_KEY_BYTES])
{
    const struct ocl_kernel_config config = {.algorithm = algorithm};
    uint64_t fingerprint = ocl_config_fingerprint(d, &config);
    const char *name = weft_primitive_names[primitive];
    char text[WEFT_PROBLEM_TEXT] = "";
    struct weft_sha256_state hash;
    if (problem)
        weft_problem_format(problem, text);
    weft_sha256_init(&hash);
    weft_sha256_add(&hash, &fingerprint, sizeof(fingerprint));
    weft_sha256_add(&hash, name, strlen(name) + 1);
    weft_sha256_add(&hash, algorithm->name, strlen(algorithm->name) + 1);
    weft_sha256_add(&hash, text, strlen(text) + 1);
    weft_sha256_finish(&hash, key);
}

enum ocl_trust ocl_trust_of(const struct ocl_device *d,
                            const struct weft_problem *problem,
                            const struct ocl_algorithm *algorithm)
{
    uint8_t key[OCL_KEY_BYTES];
    if (!ocl_test_result_exists(d, OCL_FAILED_SOMEWHERE))
        return OCL_TRUST_TRUSTED;
    make_key(d, problem->call.primitive, algorithm, problem, key);
    if (ocl_test_result_known(d, OCL_FAILED_NOW, key))
        return OCL_TRUST_REFUTED;
    if (ocl_test_result_known(d, OCL_FAILED, key))
        return OCL_TRUST_REJECTED;
    make_key(d, problem->call.primitive, algorithm, NULL, key);
    return ocl_test_result_known(d, OCL_FAILED_SOMEWHERE, key) ? OCL_TRUST_DISTRUSTED
                                                               : OCL_TRUST_TRUSTED;
}

void ocl_warn_of_distrusted(struct ocl_device *d, const struct weft_problem *problem,
                            const struct ocl_algorithm *chosen)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_test_result_exists(d, OCL_FAILED_SOMEWHERE)
                    ? ocl_list_algorithms(d, problem->call.primitive, all)
                    : 0;
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES];
        uint8_t key[OCL_KEY_BYTES];
        make_key(d, problem->call.primitive, all[i], all[i] == chosen ? problem : NULL,
                 key);
        if (!all[i]->applicability(d, problem, values) ||
            ocl_trust_of(d, problem, all[i]) == OCL_TRUST_TRUSTED ||
            ocl_test_result_known(d, OCL_WARNED, key))
            continue;
        char *path = ocl_test_results_path(d), text[WEFT_PROBLEM_TEXT];
        weft_problem_format(problem, text);
        weft_log_message(d->base.context, WEFT_LOG_WARN,
                         "opencl: algorithm %s has failed a known-answer test, or does "
                         "not build, on %s (driver %s): %s %s; without %s it is trusted "
                         "again",
                         all[i]->name, d->base.info.name, d->base.info.driver,
                         all[i] == chosen ? "there is no other, so it is tested again for"
                                          : "another replaces it, as for",
                         text, path ? path : "this process");
        free(path);
        ocl_test_result_add(d, OCL_WARNED, key);
    }
}

/* The problem of a call and the algorithm that computes it. */
static bool find_algorithm(const struct weft_command_list *list,
                           const struct weft_recorded_call *call,
                           struct weft_problem *problem,
                           const struct ocl_algorithm **algorithm)
{
    struct ocl_device *d = ocl_device_of(list);
    struct weft_launch_description launch = {.config = ""};
    struct ocl_kernel_config config;
    if (call->end > call->first)
        ocl_describe_launch(list, call->end - 1, &launch);
    if (!weft_problem_of(&d->base, &call->call, problem) ||
        !ocl_config_parse(d, problem, launch.config, &config))
        return false;
    *algorithm = config.algorithm;
    return true;
}

bool ocl_reject(struct weft_command_list *list, const struct weft_recorded_call *call)
{
    struct ocl_device *d = ocl_device_of(list);
    struct weft_problem problem;
    const struct ocl_algorithm *algorithm;
    uint8_t key[OCL_KEY_BYTES], any[OCL_KEY_BYTES];
    if (!find_algorithm(list, call, &problem, &algorithm) ||
        ocl_trust_of(d, &problem, algorithm) == OCL_TRUST_REFUTED)
        return false;
    make_key(d, problem.call.primitive, algorithm, &problem, key);
    make_key(d, problem.call.primitive, algorithm, NULL, any);
    ocl_test_result_add(d, OCL_WARNED, any);
    if (!ocl_test_result_add(d, OCL_FAILED_NOW, key) ||
        !ocl_test_result_add(d, OCL_FAILED_SOMEWHERE, any) ||
        !ocl_test_result_add(d, OCL_FAILED, key))
        return false;
    const struct ocl_kernel_config next = ocl_select_config(d, &problem);
    return next.algorithm &&
           ocl_trust_of(d, &problem, next.algorithm) > OCL_TRUST_REFUTED;
}

/* Excludes the algorithm of a call that does not build, with a warning. False: it was
 * demanded, or there is no other. */
static bool replace_refused(struct weft_command_list *list)
{
    const struct weft_recorded_call *call = ocl_list_refused_call(list);
    const struct weft_device *device = list->device;
    struct weft_problem problem;
    const struct ocl_algorithm *algorithm;
    char text[WEFT_PROBLEM_TEXT];
    if (!call || list->params.config || list->params.like ||
        list->params.random_config_seed || list->params.no_replacement ||
        !find_algorithm(list, call, &problem, &algorithm) || !ocl_reject(list, call))
        return false;
    weft_problem_format(&problem, text);
    weft_log_message(device->context, WEFT_LOG_WARN,
                     "opencl: algorithm %s does not build on %s (driver %s): another "
                     "replaces it, as for %s; report this driver to its vendor",
                     algorithm->name, device->info.name, device->info.driver, text);
    weft_log_message(device->context, WEFT_LOG_DEBUG, "%s", weft_error(device->context));
    return true;
}

enum weft_status ocl_list_finalize_or_replace(struct weft_command_list *list)
{
    enum weft_status status = ocl_list_finalize(list);
    while (status == WEFT_ERR_BUILD && replace_refused(list)) {
        status = ocl_list_record_again(list);
        if (!status)
            status = ocl_list_finalize(list);
    }
    return status;
}
