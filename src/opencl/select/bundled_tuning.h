/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning that ships with weft, by class of device: the files of curated/, embedded. */
#ifndef WEFT_OPENCL_SELECT_BUNDLED_TUNING_H
#define WEFT_OPENCL_SELECT_BUNDLED_TUNING_H

#include "opencl/runtime/ocl.h"

/* Made by tools/build/embed_text.py. A file is called after the class. */
struct ocl_bundled_tuning {
    const char *name; /* "cpu-8.txt" */
    const char *text;
};
extern const struct ocl_bundled_tuning ocl_bundled_tuning[];
extern const size_t ocl_bundled_tuning_count;

/* The rows for the class of this device, as lines of a tuning file; NULL: none. */
const char *ocl_bundled_tuning_for(const struct ocl_device *device);

#endif
