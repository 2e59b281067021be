/* SPDX-License-Identifier: Apache-2.0 */
/* Folders into which no other user can write: SECURITY.md, "Limits". */
#ifndef WEFT_OS_PRIVATE_FOLDER_H
#define WEFT_OS_PRIVATE_FOLDER_H

#include <stdbool.h>
#include <sys/stat.h>

/* True for a folder, not a link to one, that belongs to this user and that none of
 * `others`, S_IWGRP | S_IWOTH or less, may write to, in a folder where no other user may
 * rename it. */
bool weft_folder_is_private(const char *path, mode_t others);

#endif
