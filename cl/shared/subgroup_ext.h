/* SPDX-License-Identifier: Apache-2.0 */
/* Values of SUBGROUP_EXT: the extension that exchanges registers between the lanes of a
 * sub-group. Read by C and OpenCL C. */
#ifndef WEFT_SUBGROUP_EXT_H
#define WEFT_SUBGROUP_EXT_H

#define SUBGROUP_EMULATED 0 /* through local memory */
#define SUBGROUP_INTEL    1 /* cl_intel_subgroups */
#define SUBGROUP_KHR      2 /* cl_khr_subgroups */

#endif
