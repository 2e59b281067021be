/* SPDX-License-Identifier: Apache-2.0 */
/* State of weft audience: customers.c finds customers and their images, classify.c runs
 * the model on them, shares.c estimates shares, audience_output.c and audience_page.c
 * write results. */
#ifndef WEFT_CMD_AUDIENCE_AUDIENCE_H
#define WEFT_CMD_AUDIENCE_AUDIENCE_H

#include "audience/shares.h"
#include "core/decision.h"
#include "core/image_list.h"
#include "core/tta.h"

struct audience_options {
    struct app_options app;
    const char *by, *report;
};

struct customer {
    char *name;
    int images;           /* with an answer or without */
    int unread;           /* files that are no images */
    int *answers;         /* classes + 1: of each class, and none */
    struct share *shares; /* classes; those of no images are not numbers */
    int leader;           /* the leading class, or -1 */
};

struct audience {
    struct app *app;
    const struct audience_options *options;
    const char *model_path, *source; /* the operands */
    weft_model *model;
    struct weft_net_info net;
    const char *const *names; /* of the classes */
    struct weft_preprocess_params preprocess;
    struct decision decision;
    double *rates; /* shares_rates; NULL: the model has no confusion */
    weft_predictor *predictor;
    struct tta tta;

    struct image_list list; /* the images of one customer follow each other */
    int *owners;            /* of each path: the customer */
    int owner_count;
    struct customer *customers;
    int customer_count;
    int homeless; /* images that belong to no customer */

    struct customer all; /* all images together */
    int nonfinite;       /* images whose outputs are not numbers */
};

/* customers.c. From the folders of a folder; or, with --by, from a CSV. */
enum app_exit audience_find_customers(struct audience *audience);
struct customer *audience_add_customer(struct audience *audience, char *name);
void audience_free_customers(struct audience *audience);

/* classify.c. Counts the answers to all images. */
enum app_exit audience_classify(struct audience *audience);

/* audience_output.c: the table or document on stdout. */
void audience_write(const struct audience *audience);

/* audience_page.c: the page, for page_save. */
void audience_write_page(FILE *out, const void *audience);

#endif
