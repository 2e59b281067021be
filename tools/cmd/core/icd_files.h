/* SPDX-License-Identifier: Apache-2.0 */
/* The .icd files that tell the OpenCL loader of drivers: each holds a library's name. */
#ifndef WEFT_CMD_CORE_ICD_FILES_H
#define WEFT_CMD_CORE_ICD_FILES_H

#include "core/paths.h"

/* Where they lie, unless the environment says otherwise. */
#define ICD_FOLDER "/etc/OpenCL/vendors"

enum { ICD_MAX_FILES = 64, ICD_NAME_BYTES = 256 };

struct icd_list {
    char place[PATHS_MAX];
    bool single; /* the place is itself such a file */
    char names[ICD_MAX_FILES][ICD_NAME_BYTES];
    int count;
};

/* Those in a folder, by name; or `place` alone if it is a file. */
void icd_list_files(struct icd_list *list, const char *place);

/* The path of one of them. False: it is too long. */
bool icd_file_path(const struct icd_list *list, int index, char out[PATHS_MAX]);

/* The library that the file names: a path, or a name for the dynamic loader; "" for an
 * empty file. NULL: errno tells. Free it. */
char *icd_read_library(const char *path);

#endif
