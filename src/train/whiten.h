/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that whiten the patches of the training images. */
#ifndef WEFT_TRAIN_WHITEN_H
#define WEFT_TRAIN_WHITEN_H

#include "train/trainer.h"

/* Eigenvalues of the symmetric matrix a of n x n, in falling order, and its
 * eigenvectors as rows of `vectors`, whose largest component is positive. Changes a. */
void weft_eigenvectors(double *a, int n, double *values, double *vectors);

/* Sets the weights of every conv with init=whiten: e / sqrt(l + 5e-4) for the largest
 * eigenvalues l and their eigenvectors e of the mean of x x' over the patches x of the
 * first normalized images, then the negatives. `weights` are those of the network.
 * WEFT_ERR_NOMEM, WEFT_ERR_FILE. */
enum weft_status weft_whiten(const struct weft_net *net, const weft_dataset *data,
                             const struct weft_normalization *normalization,
                             float *weights);

/* True if a conv of the network has init=whiten. */
bool weft_whitens(const struct weft_net *net);

#endif
