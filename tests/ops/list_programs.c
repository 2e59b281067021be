/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the programs that the library builds for the verification of every op on a
 * device, in every mode, and for roofline measurements: one line a program, "FILE
 * OPTIONS". Input of kernels.py.
 *
 *     list_programs [DEVICE] */
#include <weft/weft.h>

#include <stdio.h>
#include <string.h>

static void log_line(void *priv, enum weft_log_level level, const char *message)
{
    const char *built = strstr(message, " built, ");
    (void)priv;
    if (level == WEFT_LOG_DEBUG && !strncmp(message, "opencl: ", 8) && built)
        printf("%.*s%s\n", (int)(built - message - 8), message + 8, built + 7);
    else if (level == WEFT_LOG_ERROR)
        fprintf(stderr, "%s\n", message);
}

static const struct {
    enum weft_kernel_family family;
    enum weft_gemm_provider gemm;
    const char *op; /* NULL: all */
    int cases, seed;
    bool draw; /* kernels that these shapes would not be given by themselves */
    enum weft_precision precision;
} ways[] = {
    {WEFT_FAMILY_VEC, WEFT_GEMM_NATIVE, NULL, 2, 1, false},
    {WEFT_FAMILY_VEC, WEFT_GEMM_NATIVE, "conv", 10, 6, true},
    {WEFT_FAMILY_VEC, WEFT_GEMM_NATIVE, "batch", 4, 6, false},
    {WEFT_FAMILY_TILE, WEFT_GEMM_NATIVE, NULL, 2, 1, false},
    {WEFT_FAMILY_TILE, WEFT_GEMM_NATIVE, "conv", 5, 8, true},
    {WEFT_FAMILY_VEC, WEFT_GEMM_NATIVE, NULL, 2, 1, true, WEFT_PRECISION_FLOAT16},
    {WEFT_FAMILY_TILE, WEFT_GEMM_NATIVE, "conv", 3, 1, true, WEFT_PRECISION_FLOAT16},
    {WEFT_FAMILY_SUBGROUP, WEFT_GEMM_NATIVE, "dense", 2, 1, false},
    {WEFT_FAMILY_MMA, WEFT_GEMM_NATIVE, "dense", 2, 1, false},
    {WEFT_FAMILY_AUTO, WEFT_GEMM_CLBLAST, "dense", 2, 1, false},
};

int main(int argc, char **argv)
{
    weft_context *context = NULL;
    int index, failed = 0;
    if (weft_context_create(
            &context, weft_context_params(.log = log_line, .log_level = WEFT_LOG_DEBUG)))
        return 1;
    if (weft_device_find(context, argc > 1 ? argv[1] : NULL, &index, NULL)) {
        weft_context_destroy(&context);
        return 77;
    }
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways) && !failed; i++) {
        weft_device *device = NULL;
        struct weft_verify_result result;
        const struct weft_verify_params params =
            *weft_verify_params(.op = ways[i].op, .cases = ways[i].cases,
                                .seed = (uint64_t)ways[i].seed,
                                .tiny_shapes = ways[i].draw,
                                .random_kernels = ways[i].draw,
                                .precision = ways[i].precision);
        enum weft_status status = weft_device_open(
            context, index,
            weft_device_params(.family = ways[i].family, .gemm = ways[i].gemm), &device);
        if (status == WEFT_ERR_ARG && ways[i].gemm == WEFT_GEMM_CLBLAST)
            continue; /* weft was built without it */
        weft_bench *bench = NULL;
        if (!status)
            status = weft_verify(device, &params, &result);
        /* Results are another test's: here the launches may do nothing. The roofline's
         * programs are the same for all. */
        failed = (status && status != WEFT_ERR_MISMATCH) ||
                 (!i && weft_bench_create(device, NULL, &bench));
        weft_bench_destroy(&bench);
        weft_device_close(&device);
    }
    weft_context_destroy(&context);
    return failed;
}
