/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that misbehave: the fault of a name is found and put in place. */
#include "opencl_layer/layer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct layer_fault *layer_active_fault;
cl_icd_dispatch layer_next;

static const struct layer_fault *const lists[] = {
    layer_answer_faults,
    layer_build_faults,
    layer_run_faults,
    layer_queue_faults,
};

void layer_report_triggered(void)
{
    static bool size_ret;
    if (!size_ret)
        fprintf(stderr, "layer: planted\n");
    size_ret = true;
}

void layer_crash(void)
{
    layer_report_triggered();
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}

void layer_hang(void)
{
    layer_report_triggered();
    for (;;)
        pause();
}

static const struct layer_fault *find(const char *word)
{
    bool all = !strcmp(word, "list");
    for (size_t i = 0; i < LAYER_COUNT(lists); i++)
        for (const struct layer_fault *f = lists[i]; f->name; f++)
            if (all)
                puts(f->name);
            else if (!strcmp(f->name, word))
                return f;
    if (all)
        exit(0);
    layer_exit_with_error("no such fault", word);
}

void layer_fault(cl_icd_dispatch *table, const char *word)
{
    void *from[sizeof(*table) / sizeof(void *)], *to[LAYER_COUNT(from)];
    layer_next = *table;
    if (layer_error(table, word))
        return;
    layer_active_fault = find(word);
    memcpy(from, &layer_active_fault->calls, sizeof(from));
    memcpy(to, table, sizeof(to));
    for (size_t i = 0; i < LAYER_COUNT(from); i++)
        to[i] = from[i] ? from[i] : to[i];
    memcpy(table, to, sizeof(to));
}
