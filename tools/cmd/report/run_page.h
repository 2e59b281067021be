/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a training run, or of several with other seeds or folds: command, learning
 * curves, results, data, network. */
#ifndef WEFT_CMD_REPORT_RUN_PAGE_H
#define WEFT_CMD_REPORT_RUN_PAGE_H

#include "report/evaluation.h"
#include "report/layer_times.h"

#include <jansson.h>

struct run_page {
    const char *title;
    json_t *const *logs; /* run_log_load */
    int log_count;
    /* One for each run, whose curves are drawn one by one; NULL: they are repetitions,
     * whose curves are means with the range of all. */
    const char *const *names;
    bool running;                /* a browser loads the page again every few seconds */
    const struct table *results; /* of several runs; NULL: one */
    /* NULL while the run continues, as are the parts below; or without any images to
     * evaluate. */
    const struct report_evaluation *evaluation;
    const weft_dataset *train;              /* NULL: without the section on the data */
    const weft_net *net;                    /* NULL: without the section on the network */
    const struct report_layer_times *times; /* NULL: without that section */
};
void run_page_write(FILE *out, const void *run_page);

/* training_data.c. Counts, mean images and samples of the classes. */
void report_write_data(FILE *out, const weft_dataset *data);

/* net_graph.c. The layers, their connections, and where the cost is. */
void report_write_net(FILE *out, const weft_net *net);

#endif
