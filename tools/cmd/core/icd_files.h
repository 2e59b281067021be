/* SPDX-License-Identifier: Apache-2.0 */
/* .icd files, which register OpenCL drivers: each contains the name of a library. */
#ifndef WEFT_CMD_CORE_ICD_FILES_H
#define WEFT_CMD_CORE_ICD_FILES_H

#include "core/paths.h"

/* Their default folder. */
#define ICD_FOLDER "/etc/OpenCL/vendors"

enum { ICD_MAX_FILES = 64, ICD_NAME_BYTES = 256 };

struct icd_list {
    char place[PATHS_MAX];
    bool single; /* `place` is itself an .icd file */
    char names[ICD_MAX_FILES][ICD_NAME_BYTES];
    int count;
};

/* Lists the .icd files of a folder, sorted by name; or `place` alone if it is a file. */
void icd_list_files(struct icd_list *list, const char *place);

/* The path of one file. False: too long. */
bool icd_file_path(const struct icd_list *list, int index, char out[PATHS_MAX]);

/* The library the file names: a path, or a name for the dynamic loader; "" for an empty
 * file. NULL on failure, with errno set. Caller frees it. */
char *icd_read_library(const char *path);

#endif
