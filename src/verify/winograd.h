/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of the matrices of Winograd's algorithm with 3x3 filters. */
#ifndef WEFT_VERIFY_WINOGRAD_H
#define WEFT_VERIFY_WINOGRAD_H

enum { WINOGRAD_SIDE = 6 }; /* of the largest input tile */

/* |B^T|, |G| and |A|, a row for each point: an input tile x, a filter w and the output
 * tile are A^T [(G w G^T) * (B^T x B)] A. */
struct winograd_sizes {
    int outputs, side; /* of tiles */
    double input[WINOGRAD_SIDE][WINOGRAD_SIDE], weights[WINOGRAD_SIDE][WINOGRAD_SIDE],
        output[WINOGRAD_SIDE][WINOGRAD_SIDE];
};

/* `outputs`: 2 to 4. */
struct winograd_sizes winograd_sizes_of(int outputs);

#endif
