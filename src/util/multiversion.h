/* SPDX-License-Identifier: Apache-2.0 */
/* Functions in versions for several processors. */
#ifndef WEFT_UTIL_MULTIVERSION_H
#define WEFT_UTIL_MULTIVERSION_H

/* CPU_MULTIVERSION marks a function whose sums benefit from vectors: it is compiled, with
 * all its callees, for several vector widths, and the widest that the processor supports
 * is selected at run time. Lanes are separate sums, so the bits are the same. */
#ifndef CPU_MULTIVERSION
#define CPU_MULTIVERSION
#endif

#endif
