/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that live as long as this process. */
#ifndef WEFT_CMD_CORE_TEMPORARY_FOLDER_H
#define WEFT_CMD_CORE_TEMPORARY_FOLDER_H

#include "core/paths.h"

/* The folder for temporary files: $TMPDIR or /tmp. */
const char *temporary_folder_place(void);

/* Creates place/PREFIXxxxxxx with mode 0700. It is removed with its contents when the
 * process exits, or, if it is killed, when the next folder with this prefix is created
 * there. False on failure, with errno set. */
bool temporary_folder_create(char out[PATHS_MAX], const char *place, const char *prefix);

#endif
