/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of a convolution, as the host and PASS of the kernels number them. Read by C
 * and OpenCL C. */
#ifndef WEFT_CONV_PASS_H
#define WEFT_CONV_PASS_H

#define PASS_FORWARD     0
#define PASS_BWD_DATA    1
#define PASS_BWD_WEIGHTS 2

#endif
