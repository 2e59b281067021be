/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of weights with their own learning rate and decay, as the optimizer reads them.
 * Read by C and OpenCL C. */
#ifndef WEFT_WEIGHT_GROUPS_H
#define WEFT_WEIGHT_GROUPS_H

enum {
    GROUP_WEIGHTS = 16, /* consecutive weights that are in one group */
    /* floats of a group */
    GROUP_RATE = 0,  /* factor of the learning rate; 0: the weights do not move */
    GROUP_DECAY = 1, /* weight decay */
    GROUP_SETTINGS = 2
};

#endif
