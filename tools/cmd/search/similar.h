/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest images: cmd_similar.c reads and prints, neighbors.c searches, similar_page.c
 * draws. */
#ifndef WEFT_CMD_SEARCH_SIMILAR_H
#define WEFT_CMD_SEARCH_SIMILAR_H

#include "core/vector_file.h"

/* neighbors.c */

/* Duplicates are as near as this, and their hashes differ in at most as many bits. */
#define SIMILAR_DUPLICATE_COSINE 0.95
enum { SIMILAR_DUPLICATE_BITS = 6 };

struct neighbor_params {
    int k;
    bool within_category; /* only images of the class that is predicted for the query */
};

/* The k nearest of `base` to each query, other than the same image: queries->count x k in
 * `out`, index -1 where there are fewer. *seconds: of the search on the device, without
 * the writing of `base` to it. */
enum app_exit neighbors_find(struct app *app, const struct vector_set *base,
                             const struct vector_set *queries,
                             const struct neighbor_params *params,
                             struct weft_neighbor *out, double *seconds);

/* Novelty: an image of something that is not in `base` is far from it. The distance is
 * the one to the 5th nearest vector (Sun et al. 2022, arXiv:2204.06507). */
enum { NOVELTY_NEIGHBORS = 5 };
double novelty_distance(const struct weft_neighbor *fifth);

/* The distance that 95 % of `known`, images of known things that are not in `base`, do
 * not exceed. */
enum app_exit novelty_threshold(struct app *app, const struct vector_set *base,
                                const struct vector_set *known, bool within_category,
                                double *out);

/* similar_page.c */

struct similar_result {
    struct app *app;
    const struct vector_set *base, *queries;
    const struct weft_neighbor *found; /* queries->count x k */
    int k;                             /* neighbours found for each query */
    int shown;                         /* of these */
    bool duplicates;                   /* only these are shown */
    bool self;                         /* base and queries are the same set */
    double novelty;                    /* its threshold; NaN: not requested */
};

/* True for a neighbour to show, and for a duplicate. */
bool similar_is_shown(const struct similar_result *result, int64_t query, int rank);
bool similar_is_duplicate(const struct similar_result *result, int64_t query, int rank);
double similar_distance(const struct similar_result *result, int64_t query);

/* A page of the queries, with their neighbours. */
enum app_exit similar_write_page(const struct similar_result *result, const char *path);

#endif
