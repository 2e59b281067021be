/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `weft bench` share: options, rows of results, workloads. */
#ifndef WEFT_CMD_BENCH_BENCH_H
#define WEFT_CMD_BENCH_BENCH_H

#include "core/app.h"

/* Six samples are the fewest that an interval of their median can be told from. */
enum {
    BENCH_ROW_MAX_SAMPLES = 10000,
    BENCH_MIN_SAMPLES = 3,
    BENCH_TARGET_SAMPLES = 6,
    BENCH_MAX_LIST = 32
};

struct bench_options {
    struct app_options app;
    const char *nets, *data, *batches, *images, *shapes, *precisions;
    const char *save, *report;
    double limit, target;
    double seconds;
    uint64_t seed;
    bool quick, set;
};

/* What a row tells; other columns are not shown to people. */
enum bench_kind {
    BENCH_THROUGHPUT = 1, /* a network */
    BENCH_LATENCY = 2,
    BENCH_OP = 4,
    BENCH_ROOFLINE = 8,
    BENCH_LAYER = 16,
    BENCH_CONVERGENCE = 32,
    BENCH_ALL = 63
};

/* What learning came to. Numbers that nobody measured are NaN. */
struct bench_convergence {
    int steps;                    /* after which accuracy is compared; 0: none */
    double accuracy, error, loss; /* after these steps, on images that were not seen */
    double target, target_steps;  /* the accuracy to be reached, and after how many */
};

/* A result. Numbers that nobody measured are NaN. */
struct bench_row {
    enum bench_kind kind;
    const char *workload;
    char what[128]; /* the network or the shape */
    char direction[32], image[32];
    char layer[32], text[160]; /* of a network's part */
    int batch;                 /* 0: none */
    const char *precision;     /* "float16"; "": the row is not of inference */
    double speedup;            /* against the same in float32, if that was measured too */
    const char *unit;
    double *values; /* the samples, in that unit; freed with the row */
    int count;
    double median, min, max, p95, p99;
    double seconds;      /* the median, of one step or launch */
    double flops, bytes; /* of a step */
    double roof_share;   /* roof / time */
    const char *bound;   /* "multiply", "memory", "" */
    bool builtin;        /* weft's own C code, and not the device, was faster */
    int launches;
    double launch_share;
    double first_step, planned_bytes, taken_bytes, resident_bytes;
    double joules; /* of the whole machine, for 1,000 images */
    double error;
    struct bench_convergence convergence;
    char kernels[512], fault[256];
};

struct bench {
    struct app *app;
    const struct bench_options *options;
    const char *batches; /* of the workload that runs: a list, or NULL */
    double deadline;     /* as term_seconds; infinite without a limit */
    char note[256];      /* what was left out, and why; "": nothing */
    double startup;      /* seconds from the process's start to the first row */
    weft_dataset *data;  /* --data; opened when a workload asks for it */
    weft_bench *probes;  /* made when a workload asks for it */
    struct weft_roofline roofs;
    struct bench_row *rows;
    int row_count;
};

struct bench_workload {
    const char *name;
    enum app_exit (*run)(struct bench *bench, const struct bench_workload *self);
    const char *const *ops; /* of the library; NULL-terminated */
    const char *usual;      /* batches where devices are compared */
    bool set;               /* measured where devices are compared */
};

/* bench_net.c, bench_op.c */
enum app_exit bench_run_training(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_inference(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_latency(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_ops(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_bandwidth(struct bench *bench, const struct bench_workload *self);
enum app_exit bench_run_launch_overhead(struct bench *bench,
                                        const struct bench_workload *self);

/* bench_run_convergence.c, bench_run_layers.c */
enum app_exit bench_run_convergence(struct bench *bench,
                                    const struct bench_workload *self);
enum app_exit bench_run_layers(struct bench *bench, const struct bench_workload *self);

/* bench_net.c. --data's images, or with `image` noise of that size, and the network
 * for them. The data may be b->data, which is destroyed with it. */
enum app_exit bench_load_net_and_data(struct bench *bench, const char *net,
                                      const char *image, weft_net **out_net,
                                      weft_dataset **out_data);

/* bench_rows.c. A new row, all numbers NaN; it stays where it is until the next one. */
struct bench_row *bench_add_row(struct bench *bench, enum bench_kind kind,
                                const char *workload, const char *what);
/* Takes `count` samples, and works out what follows from them. */
void bench_row_set_samples(struct bench_row *row, const double *values, int count);
/* Writes all rows to stdout; how many are failed. */
int bench_print_rows(struct bench *bench);
void bench_rows_free(struct bench *bench);

/* bench_save_json.c. All rows and where they come from, as JSON; the same in memory, to
 * be freed, NULL where that fails; and in the file that --json names, if it does. */
void bench_write_json(const struct bench *bench, FILE *out);
char *bench_json_text(const struct bench *bench, size_t *size);
enum app_exit bench_save_json(const struct bench *bench);

/* bench_fresh_model.c. A model of fresh weights, since predictors are made of models. */
enum app_exit bench_fresh_model(struct app *app, const weft_net *net,
                                const weft_dataset *data, uint64_t seed,
                                weft_model **out);

/* cmd_bench.c. The probes of the device, made on the first call. */
enum app_exit bench_open_roofline(struct bench *bench);

/* Seconds of measuring for a row of a network, or of an op. */
double bench_row_seconds(const struct bench *bench, bool net);

/* Whether the time is over; then a note says so. */
bool bench_time_is_up(struct bench *bench);

/* The workloads of `words`, or those that compare devices, as words in a list with NULL
 * at its end; how many. */
int bench_comparison_workloads(const char **out, int room);

/* bench_all_devices.c. The same on every device, each in a process of its own. */
enum app_exit bench_all_devices(struct app *app, const struct bench_options *options,
                                char **words, int count);

/* A list such as "1,32,512": calls `each` for every piece, until one fails. */
enum app_exit bench_for_each_item(struct bench *bench, const char *list,
                                  enum app_exit (*each)(struct bench *bench,
                                                        const char *piece, void *priv),
                                  void *priv);

#endif
