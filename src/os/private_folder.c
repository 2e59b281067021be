/* SPDX-License-Identifier: Apache-2.0 */
/* Owner and permissions of a folder and of the one above it. */
#define _XOPEN_SOURCE 700
#include "os/private_folder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* True if only this user or the administrator can rename entries of the folder that
 * contains `path`. A group may write there: users often have a group of their own. */
static bool parent_is_safe(const char *path)
{
    struct stat info;
    char *parent = malloc(strlen(path) + 4);
    if (!parent)
        return false;
    strcat(strcpy(parent, path), "/..");
    bool known = !stat(parent, &info);
    free(parent);
    return known && (info.st_uid == 0 || info.st_uid == geteuid()) &&
           (!(info.st_mode & S_IWOTH) || (info.st_mode & S_ISVTX));
}

bool weft_folder_is_private(const char *path, mode_t others)
{
    struct stat info;
    return !lstat(path, &info) && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           !(info.st_mode & others) && parent_is_safe(path);
}
