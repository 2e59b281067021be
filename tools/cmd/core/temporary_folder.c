/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary folders. Their process holds a lock on each: one that is unlocked is left
 * over from a process that was killed. */
#define _GNU_SOURCE
#include "core/temporary_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* A new folder is locked within this time. */
enum { MAX_FOLDERS = 4, LOCK_SECONDS = 60 };

static char folders[MAX_FOLDERS][PATHS_MAX];
static int folder_count;
static pid_t owner;

static int remove_entry(const char *path, const struct stat *info, int kind,
                        struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path) && errno != ENOENT;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_folders(void)
{
    for (int i = 0; i < folder_count && getpid() == owner; i++)
        remove_tree(folders[i]);
}

/* A folder of this user that no process holds. */
static bool is_abandoned(int place, const char *name)
{
    struct stat info;
    int folder = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return false;
    bool abandoned = !fstat(folder, &info) && info.st_uid == geteuid() &&
                     labs((long)(time(NULL) - info.st_ctime)) > LOCK_SECONDS &&
                     !flock(folder, LOCK_EX | LOCK_NB);
    close(folder);
    return abandoned;
}

static void remove_abandoned(const char *place, const char *prefix)
{
    char path[PATHS_MAX];
    size_t length = strlen(prefix);
    DIR *entries = opendir(place);
    for (struct dirent *e; entries && (e = readdir(entries));)
        if (!strncmp(e->d_name, prefix, length) &&
            is_abandoned(dirfd(entries), e->d_name) && paths_join(path, place, e->d_name))
            remove_tree(path);
    if (entries)
        closedir(entries);
}

const char *temporary_folder_place(void)
{
    const char *place = getenv("TMPDIR");
    return place && *place == '/' ? place : "/tmp";
}

bool temporary_folder_create(char out[PATHS_MAX], const char *place, const char *prefix)
{
    char name[64];
    remove_abandoned(place, prefix);
    snprintf(name, sizeof(name),
             "%s"
             "XXXXXX",
             prefix);
    errno = ENOSPC;
    if (folder_count == MAX_FOLDERS || !paths_join(out, place, name) || !mkdtemp(out))
        return false;
    int folder = open(out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0)
        flock(folder, LOCK_SH); /* until the process ends */
    if (!folder_count)
        atexit(remove_folders);
    owner = getpid();
    memcpy(folders[folder_count++], out, PATHS_MAX);
    return true;
}
