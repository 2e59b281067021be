/* SPDX-License-Identifier: Apache-2.0 */
/* Detection of matrix units by a test kernel: OpenCL has no query for them, and compiling
 * does not prove correctness. */
#include "opencl/runtime/mma_probe.h"

#include "opencl/runtime/command_list.h"
#include "opencl/runtime/record.h"

#include <math.h>
#include <string.h>

static const struct mma_candidate {
    enum ocl_mma_path id;
    const char *vendor; /* NULL: any */
} mma_candidates[] = {
    {OCL_MMA_PTX, "NVIDIA"},
    {OCL_MMA_EMULATED, NULL},
};

/* The one product of cl/primitives/mma_probe.cl. */
enum { M = MMA_M, N = MMA_N, K = MMA_K };

struct mma_probe {
    float a[M * K], b[K * N], y[M * N];
};

/* Distinct 24-bit numbers, so that an element in a wrong lane and a missing part of the
 * three are both detected. */
static void fill(struct mma_probe *p)
{
    for (int i = 0; i < M * K; i++)
        p->a[i] = (float)((i * 7919 + 1) % 4001) / 3.0f - 600.0f;
    for (int i = 0; i < K * N; i++)
        p->b[i] = (float)((i * 104729 + 5) % 3001) / 7.0f - 200.0f;
}

static bool is_correct(const struct mma_probe *p)
{
    enum { ROUNDINGS = MMA_ROUNDINGS + 2 * K };
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            double sum = 0, size = 0;
            for (int k = 0; k < K; k++) {
                double term = (double)p->a[m * K + k] * (double)p->b[k * N + n];
                sum += term;
                size += fabs(term);
            }
            /* Also rejects NaN. */
            if (!(fabs((double)p->y[m * N + n] - sum) <=
                  ROUNDINGS * ldexp(1, -24) * size))
                return false;
        }
    return true;
}

static enum weft_status run_probe(struct ocl_device *d, struct weft_command_list *list,
                                  struct weft_mem *mem, struct mma_probe *p)
{
    struct weft_view a = {mem, 0, M * K}, b = {mem, M * K, K * N},
                     y = {mem, M * K + K * N, M * N};
    struct ocl_options options = {""};
    ocl_define(&options, "MMA_PATH", d->mma_path);
    struct ocl_launch launch = {.source = "mma_probe.cl",
                                .kernel = "probe_mma",
                                .global = {WARP},
                                .local = {WARP},
                                .arg_count = 3,
                                .args = {OCL_VIEW(a), OCL_VIEW(b), OCL_VIEW(y)}};
    WEFT_TRY(d->base.backend->write(&d->base, mem, 0, p, sizeof(*p)));
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    WEFT_TRY(ocl_list_finalize(list));
    WEFT_TRY(ocl_replay(list));
    return d->base.backend->read(&d->base, p->y, mem, offsetof(struct mma_probe, y),
                                 sizeof(p->y));
}

static bool works(struct ocl_device *d, struct weft_mem *mem)
{
    struct mma_probe p = {0};
    struct weft_command_list *list = NULL;
    fill(&p);
    if (d->max_work_group_size < WARP || ocl_list_create(&d->base, NULL, &list))
        return false;
    bool right = !run_probe(d, list, mem, &p) && is_correct(&p);
    ocl_list_destroy(list);
    return right;
}

enum weft_status ocl_mma_detect(struct ocl_device *d)
{
    weft_context *ctx = d->base.context;
    struct weft_mem *mem;
    bool found = false;
    WEFT_TRY(ocl_alloc(&d->base, sizeof(struct mma_probe), &mem));
    /* A failed attempt is not an error to report. */
    weft_log_fn log = ctx->log;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(mma_candidates) && !found; i++) {
        d->mma_path = mma_candidates[i].id;
        ctx->log = d->mma_path == OCL_MMA_EMULATED ? log : NULL;
        found = (!mma_candidates[i].vendor ||
                 strstr(d->base.info.vendor, mma_candidates[i].vendor)) &&
                works(d, mem);
    }
    ctx->log = log;
    ocl_free(&d->base, mem);
    if (!found)
        return weft_fail(
            ctx, WEFT_ERR_ARG,
            "%s: neither matrix units nor work-groups of %d items work here, "
            "which the kernels of family mma need: choose family vec",
            d->base.info.name, WARP);
    if (d->mma_path == OCL_MMA_EMULATED)
        weft_log_message(
            ctx, WEFT_LOG_WARN,
            "%s has no matrix units that weft knows: in the kernels of family mma "
            "local memory stands in for them, which is slow; choose another family",
            d->base.info.name);
    return WEFT_OK;
}
