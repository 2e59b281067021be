/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of `weft bench`: options, result rows, workloads.
 *
 * Layers, each calling only those below: cmd_bench.c; bench_all.c; bench_workloads.c; one
 * file per workload; bench_rows.c, bench_save.c, bench_context.c. */
#ifndef WEFT_CMD_BENCH_BENCH_H
#define WEFT_CMD_BENCH_BENCH_H

#include "core/app.h"

/* A 95 % interval of the median needs six samples. */
enum {
    BENCH_ROW_MAX_SAMPLES = 10000,
    BENCH_MIN_SAMPLES = 3,
    BENCH_TARGET_SAMPLES = 6,
    BENCH_MAX_LIST = 32
};

struct bench_options {
    struct app_options app;
    const char *nets, *data, *batches, *inputs, *shapes, *precisions;
    const char *json, *report;
    double time_limit, target_accuracy;
    double seconds;
    uint64_t seed;
    bool quick, compares_devices;
};

/* The kind of a row selects its columns in text. */
enum bench_kind {
    BENCH_THROUGHPUT = 1, /* a network */
    BENCH_LATENCY = 2,
    BENCH_OP = 4,
    BENCH_ROOFLINE = 8,
    BENCH_LAYER = 16,
    BENCH_CONVERGENCE = 32,
    BENCH_ALL = 63
};

/* Result of the workload convergence. Unmeasured numbers are NaN. */
struct bench_convergence {
    int steps; /* after which the test accuracy is compared; 0: not reached */
    double accuracy, standard_error, loss;
    double target_accuracy, target_steps;
};

/* One result. Unmeasured numbers are NaN. */
struct bench_row {
    enum bench_kind kind;
    const char *workload;
    char subject[128]; /* the network or the shape */
    char phase[32], input[32];
    char layer[32], layer_text[160];
    int batch;             /* 0: none */
    const char *precision; /* "float16"; "": not of a network */
    double speedup;        /* relative to the same in float32, if also measured */
    const char *unit;
    double *values; /* the samples, in that unit; owned by the row */
    int count;
    double median, min, max, p95, p99;
    double seconds;           /* median duration of one step or launch */
    double flops, bytes;      /* of a step */
    double roofline_fraction; /* roofline time / measured time */
    const char *bound;        /* "compute", "memory", "" */
    bool on_host;             /* the host backend was faster than the device */
    int launches;
    double launch_fraction; /* launch overhead / measured time */
    double first_step, planned_bytes, allocated_bytes, resident_bytes;
    double joules; /* of the whole machine, per 1,000 images */
    double relative_error, verify_seconds;
    struct bench_convergence convergence;
    char kernels[512], error[256]; /* error "": none */
};

struct bench {
    struct app *app;
    const struct bench_options *options;
    const char *batches; /* list of the running workload, or NULL */
    double deadline;     /* as term_seconds; infinite without a limit */
    char error[256];     /* why results are missing; "": complete */
    double startup;      /* seconds from the process's start to the first row */
    weft_dataset *data;  /* --data; opened on demand */
    weft_bench *probes;  /* roofline probes; created on demand */
    struct weft_roofline roofline;
    struct bench_row *rows;
    int row_count;
};

struct bench_workload {
    const char *name;
    enum app_exit (*run)(struct bench *bench, const struct bench_workload *self);
    const char *const *ops;      /* of the library; NULL-terminated */
    const char *default_batches; /* for comparing devices */
    bool compares_devices;       /* part of the default comparison of devices */
};

/* bench_net.c, bench_op.c, bench_convergence.c, bench_layers.c */
enum app_exit bench_run_training(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_inference(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_latency(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_ops(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_bandwidth(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_launch_overhead(struct bench *bench,
                                        const struct bench_workload *self);
enum app_exit bench_run_convergence(struct bench *bench,
                                    const struct bench_workload *self);
enum app_exit bench_run_layers(struct bench *bench, const struct bench_workload *self);

/* bench_workloads.c. The workload named `word`; an error lists the names. */
enum app_exit bench_find_workload(const struct app *app, const char *word,
                                  const struct bench_workload **out);
/* The names of the default comparison of devices, NULL-terminated; returns their
 * number. */
int bench_comparison_workloads(const char **out, int room);

/* bench_data.c. The images of --data, or noise of size `input` if it is not NULL, and the
 * network for them. *out_data may be bench->data, which is destroyed with the bench. */
enum app_exit bench_load_net_and_data(struct bench *bench, const char *net,
                                      const char *input, weft_net **out_net,
                                      weft_dataset **out_data);

/* bench_rows.c. A new row, all numbers NaN; valid until the next one is added. */
struct bench_row *bench_add_row(struct bench *bench, enum bench_kind kind,
                                const char *workload, const char *subject);
/* Copies `count` samples and computes their statistics. */
void bench_row_set_samples(struct bench_row *row, const double *values, int count);
/* Writes all rows to stdout; returns the number of failed ones. */
int bench_print_rows(struct bench *bench);
void bench_rows_free(struct bench *bench);

/* bench_save.c. All rows and their provenance as JSON: to a stream; to memory (caller
 * frees, NULL on failure); and to the file of --json, if given. */
void bench_write_json(const struct bench *bench, FILE *out);
char *bench_json_text(const struct bench *bench, size_t *size);
enum app_exit bench_save_json(const struct bench *bench);

/* bench_model.c. A model of initial weights, for predictors. */
enum app_exit bench_fresh_model(struct app *app, const weft_net *net,
                                const weft_dataset *data, uint64_t seed,
                                weft_model **out);

/* bench_context.c. Creates the roofline probes on the first call. */
enum app_exit bench_open_roofline(struct bench *bench);
/* Measuring time of a row, of a network or of an op. */
double bench_row_seconds(const struct bench *bench, bool net);
/* True after --time-limit; bench->error then reports it. */
bool bench_time_is_up(struct bench *bench);
/* Calls `each` for every item of a comma-separated list until one fails; once with NULL
 * without a list. */
enum app_exit bench_for_each_item(struct bench *bench, const char *list,
                                  enum app_exit (*each)(struct bench *bench,
                                                        const char *item, void *priv),
                                  void *priv);

/* bench_all.c. Measures every device, each in a process of its own. */
enum app_exit bench_all_devices(struct app *app, const struct bench_options *options,
                                char **words, int count);

#endif
