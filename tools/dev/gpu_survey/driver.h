/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenCL implementation that records: it describes any device, keeps the programs and
 * launches that it is given, and runs nothing but the probes by which the library finds
 * matrix units and sub-groups. Linked into a program, it replaces the loader. */
#ifndef WEFT_TOOLS_DEV_GPU_SURVEY_DRIVER_H
#define WEFT_TOOLS_DEV_GPU_SURVEY_DRIVER_H

/* Programs are written to folder/HASH.cl, and printed, one JSON object per line.
 * Properties of the device are "KEY=VALUE", NULL after the last; driver.c has the keys.
 */
void driver_open(const char *folder, char **properties);

/* Forgets the launches that were recorded. */
void driver_forget_launches(void);

/* Prints the first `count` recorded launches, one JSON object per line. */
void driver_print_launches(int count);

/* Prints a JSON string. */
void driver_print_text(const char *text);

#endif
