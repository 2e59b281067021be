/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: a run on the device compared with the same run on the reference. */
#include "verify/verify.h"

#include <stdio.h>

/* `fault`: NULL if the case passed; `status`: of a kernel that does not build, else
 * WEFT_OK. */
static void report_run(struct verify_case *c, const char *what, const char *fill,
                       double worst, const char *fault, enum weft_status status)
{
    struct verify_context *k = c->check;
    char name[96], detail[4096];
    snprintf(name, sizeof(name), "%s%s%s", what, *fill ? ", " : "", fill);
    snprintf(detail, sizeof(detail), "%s%s%s", c->text, fault ? ": " : "",
             fault ? fault : "");
    struct weft_verify_case result = {.op = weft_verify_op_name(k->op),
                                      .direction = name,
                                      .detail = detail,
                                      .passed = !fault,
                                      .max_error_ratio = worst,
                                      .index = k->number,
                                      .count = k->end,
                                      .build_failed = status == WEFT_ERR_BUILD};
    k->result->build_failures += result.build_failed;
    if (fault)
        k->result->failed++;
    else
        k->result->passed++;
    if (worst > k->result->max_error_ratio)
        k->result->max_error_ratio = worst;
    if (fault && !k->first_fault[0])
        snprintf(k->first_fault, sizeof(k->first_fault), "%s %s, %.600s", result.op, name,
                 detail);
    if (k->params->report)
        k->params->report(k->params->priv, &result);
}

void report_result(struct verify_case *c, const char *what, const char *fill,
                   double worst, const char *fault)
{
    report_run(c, what, fill, worst, fault, WEFT_OK);
}

/* The first fault after both sides ran. */
static bool find_fault(struct verify_case *c, const struct verify_run *run, double *worst,
                       char *fault, size_t size)
{
    if (lab_find_overwrite(&c->lab, LAB_DEVICE, run->outputs, fault, size))
        return true;
    for (int i = 0; run->outputs[i]; i++) {
        const struct lab_tensor *t = run->outputs[i];
        if (!t->not_compared && !lab_compare_sides(&c->lab, t, worst, fault, size))
            return true;
    }
    for (int i = 0; run->outputs[i]; i++)
        if (lab_find_degenerate(&c->lab, run->outputs[i], fault, size))
            return true;
    return false;
}

enum weft_status run_and_compare(struct verify_case *c, struct verify_run *run,
                                 const char *fill)
{
    char fault[640];
    double worst = 0;
    if (run->unsupported)
        return WEFT_OK;
    enum weft_status status = run_execute(c, run, LAB_DEVICE);
    if (status == WEFT_ERR_BUILD || status == WEFT_ERR_ARG) {
        run->unsupported = true;
        report_run(c, run->what, fill, 0,
                   weft_error(c->check->device[LAB_DEVICE]->context), status);
        return WEFT_OK;
    }
    WEFT_TRY(status);
    uint64_t first = lab_hash_results(&c->lab, LAB_DEVICE);
    WEFT_TRY(run_execute(c, run, LAB_DEVICE));
    bool same = lab_hash_results(&c->lab, LAB_DEVICE) == first;
    WEFT_TRY(run_execute(c, run, LAB_REFERENCE));
    bool wrong = find_fault(c, run, &worst, fault, sizeof(fault));
    if (!wrong && !same)
        snprintf(fault, sizeof(fault), "the second run gave other bits than the first");
    report_result(c, run->what, fill, worst, wrong || !same ? fault : NULL);
    return WEFT_OK;
}
