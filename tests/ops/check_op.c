/* SPDX-License-Identifier: Apache-2.0 */
/* weft_verify on one device, for the tests; with --bench, timings of realistic cases
 * instead, of an op or OP/SHAPE as in weft/bench.h.
 *
 *     check_op [-d DEVICE] [-f vec|tile|sg|mma] [-g native|clblast] [-n CASES]
 *              [-s SEED] [--seconds N] [--small] [--random-kernels] [--half]
 *              [--sub-buffers] [--bench] [-v] [OP...]
 *
 * --sub-buffers: every view is bound as it is beyond the range of 32-bit offsets.
 *
 * Exit code 0: all passed, 1: a check failed, 2: usage, 77: no such device. */
#include "ops/check_bench.h"

#include "device/backend.h"

#include <weft/verify.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SKIPPED = 77, MAX_OPS = 32 };

struct check_options {
    const char *device;
    struct weft_device_params open;
    struct weft_verify_params verify;
    bool bench, all; /* all: passed checks are printed too */
    bool sub_buffers;
    const char *ops[MAX_OPS];
    int op_count;
    int seconds; /* 0: one round; else rounds with other seeds until this time is over */
    time_t end;
    int apart; /* programs of several kernels that did not build */
    long exact, bounded, gradients, mismatches; /* results of all ops so far */
    double max_error_ratio;
};

static int usage(const char *wrong)
{
    fprintf(
        stderr,
        "check_op: %s\n"
        "usage: check_op [-d DEVICE] [-f vec|tile|sg|mma] [-g native|clblast] [-n "
        "CASES]\n"
        "                [-s SEED] [--seconds N] [--small] [--random-kernels] [--half]\n"
        "                [--sub-buffers] [--bench] [-v] [OP...]\n",
        wrong);
    return 2;
}

static const struct {
    const char *word;
    enum weft_kernel_family family;
} families[] = {{"auto", WEFT_FAMILY_AUTO},
                {"vec", WEFT_FAMILY_VEC},
                {"tile", WEFT_FAMILY_TILE},
                {"sg", WEFT_FAMILY_SUBGROUP},
                {"mma", WEFT_FAMILY_MMA}};

static const struct {
    const char *word;
    enum weft_gemm_provider gemm;
} gemms[] = {{"native", WEFT_GEMM_NATIVE}, {"clblast", WEFT_GEMM_CLBLAST}};

static bool set_family(struct check_options *o, const char *value)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
        if (!strcmp(value, families[i].word)) {
            o->open.family = families[i].family;
            return true;
        }
    return false;
}

static bool set_gemm(struct check_options *o, const char *value)
{
    for (size_t i = 0; i < sizeof(gemms) / sizeof(*gemms); i++)
        if (!strcmp(value, gemms[i].word)) {
            o->open.gemm = gemms[i].gemm;
            return true;
        }
    return false;
}

static bool set_device(struct check_options *o, const char *value)
{
    o->device = value;
    return true;
}

static bool set_cases(struct check_options *o, const char *value)
{
    char *end;
    long cases = strtol(value, &end, 10);
    o->verify.cases = (int)cases;
    return !*end && cases > 0 && cases <= 1000000;
}

static bool set_seed(struct check_options *o, const char *value)
{
    char *end;
    o->verify.seed = strtoull(value, &end, 10);
    return !*end;
}

static bool set_seconds(struct check_options *o, const char *value)
{
    o->seconds = atoi(value);
    return o->seconds > 0;
}

static const struct {
    const char *flag;
    bool (*set)(struct check_options *o, const char *value);
} flags[] = {{"-d", set_device}, {"-f", set_family}, {"-g", set_gemm},
             {"-n", set_cases},  {"-s", set_seed},   {"--seconds", set_seconds}};

/* The invalid argument of the command line, or NULL. */
static const char *parse(int argc, char **argv, struct check_options *o)
{
    for (int i = 1; i < argc; i++) {
        size_t f = 0;
        while (f < sizeof(flags) / sizeof(*flags) && strcmp(argv[i], flags[f].flag))
            f++;
        if (f < sizeof(flags) / sizeof(*flags)) {
            if (++i == argc)
                return "a value is missing";
            if (!flags[f].set(o, argv[i]))
                return argv[i];
        } else if (!strcmp(argv[i], "--small"))
            o->verify.tiny_shapes = true;
        else if (!strcmp(argv[i], "--random-kernels"))
            o->verify.random_kernels = true;
        else if (!strcmp(argv[i], "--half"))
            o->verify.precision = WEFT_PRECISION_FLOAT16;
        else if (!strcmp(argv[i], "--sub-buffers"))
            o->sub_buffers = true;
        else if (!strcmp(argv[i], "--bench"))
            o->bench = true;
        else if (!strcmp(argv[i], "-v"))
            o->all = true;
        else if (argv[i][0] == '-' || o->op_count == MAX_OPS)
            return argv[i];
        else
            o->ops[o->op_count++] = argv[i];
    }
    return NULL;
}

static void report(void *priv, const struct weft_verify_case *checked)
{
    struct check_options *o = priv;
    o->mismatches += !checked->passed;
    if (strstr(checked->direction, "gradient"))
        o->gradients++;
    else if (checked->max_error_ratio > 0 || strstr(checked->direction, "real"))
        o->bounded++;
    else
        o->exact++;
    if (!checked->passed)
        printf("FAIL %s %s, %s\n", checked->op, checked->direction, checked->detail);
    else if (o->all)
        printf("pass %s %s, %s (%.3g)\n", checked->op, checked->direction,
               checked->detail, checked->max_error_ratio);
    fflush(stdout);
}

/* Verifies one op and prints its summary: false if a check failed. */
static bool verify(weft_context *context, weft_device *device, struct check_options *o,
                   const char *op)
{
    struct weft_verify_result result;
    o->verify.op = op;
    o->verify.report = report;
    o->verify.priv = o;
    enum weft_status status = weft_verify(device, &o->verify, &result);
    if (status && status != WEFT_ERR_MISMATCH) {
        printf("FAIL %s: %s\n", op, weft_error(context));
        return false;
    }
    if (result.max_error_ratio > o->max_error_ratio)
        o->max_error_ratio = result.max_error_ratio;
    printf("%-9s %5d passed, %d failed, %d skipped; largest error %.2f of its bound\n",
           op, result.passed, result.failed, result.skipped, result.max_error_ratio);
    return !status && (result.passed > 0 || o->verify.precision);
}

/* The number of ops that failed. */
static int run_ops(weft_context *context, weft_device *device, struct check_options *o)
{
    int failed = 0;
    for (int i = 0;; i++) {
        const char *op = !o->op_count      ? weft_verify_op_name(i)
                         : i < o->op_count ? o->ops[i]
                                           : NULL;
        if (!op || (o->seconds && i && time(NULL) >= o->end))
            return failed;
        failed += o->bench ? !print_op_timings(context, device, op)
                           : !verify(context, device, o, op);
    }
}

/* For tools/dev/scorecard. */
static void print_figures(const struct check_options *o)
{
    bool host = o->device && !strcmp(o->device, "cpu");
    const char *kind = o->verify.precision ? "half_" : host ? "" : "opencl_";
    printf("%ld exact, %ld bounded, %ld gradients, %ld mismatches; largest error "
           "%.2f of its bound\n",
           o->exact, o->bounded, o->gradients, o->mismatches, o->max_error_ratio);
    printf("figures: %sexact=%ld %sbounded=%ld %sgradients=%ld wrong=%ld %sbound=%.4f\n",
           kind, o->exact, kind, o->bounded, kind, o->gradients, o->mismatches,
           o->verify.precision ? kind : "", o->max_error_ratio);
}

static int verify_or_time_ops(weft_context *context, struct check_options *o)
{
    int index, failed = 0;
    weft_device *device = NULL;
    struct weft_device_info info;
    enum weft_status status = weft_device_find(context, o->device, &index, NULL);
    if (status == WEFT_ERR_NO_DEVICE) {
        printf("skipped: %s\n", weft_error(context));
        return SKIPPED;
    }
    if (status || (status = weft_device_info(context, index, &info)) ||
        (status = weft_device_open(context, index, &o->open, &device))) {
        printf("FAIL %s\n", weft_error(context));
        return 1;
    }
    printf("%s, %s\n", info.name, info.platform);
    if (o->sub_buffers)
        device->max_offset = 0;
    o->end = time(NULL) + o->seconds;
    do {
        failed += run_ops(context, device, o);
        o->verify.seed++;
    } while (time(NULL) < o->end);
    if (!o->bench)
        print_figures(o);
    weft_device_close(&device);
    return failed || o->apart ? 1 : 0;
}

/* Kernels that build separately must build in one program, too
 * (src/opencl/runtime/program_bundle.c). Those that do not build at all fail by
 * themselves. */
static void log_line(void *priv, enum weft_log_level level, const char *message)
{
    struct check_options *o = priv;
    (void)level;
    if (strstr(message, " do not build as one program")) {
        printf("%s\n", message);
        o->apart++;
    }
}

int main(int argc, char **argv)
{
    struct check_options o = {.open = *weft_device_params(),
                              .verify = *weft_verify_params(.seed = 1)};
    weft_context *context = NULL;
    const char *wrong = parse(argc, argv, &o);
    if (wrong)
        return usage(wrong);
    if (weft_context_create(&context, weft_context_params(.log = log_line, .log_priv = &o,
                                                          .log_level = WEFT_LOG_WARN))) {
        printf("FAIL no context\n");
        return 1;
    }
    int code = verify_or_time_ops(context, &o);
    weft_context_destroy(&context);
    return code;
}
