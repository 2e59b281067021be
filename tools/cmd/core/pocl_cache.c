/* SPDX-License-Identifier: Apache-2.0 */
/* PoCL creates its cache folder when its platform is asked for devices, and reports none
 * if it cannot. Containers and services often have HOME=/nonexistent. */
#define _GNU_SOURCE
#include "core/pocl_cache.h"

#include "core/temporary_folder.h"
#include "core/term.h"
#include "os/private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A network's programs take a few MB. */
enum { LEAST_BYTES = 16 << 20 };

/* The folder as PoCL chooses it. True if the user chose it. */
static bool choose_folder(char out[PATHS_MAX])
{
    const char *set = getenv("POCL_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (set && *set)
        snprintf(out, PATHS_MAX, "%s", set);
    else if (cache && *cache)
        snprintf(out, PATHS_MAX, "%s/pocl/kcache", cache);
    else if (home && *home)
        snprintf(out, PATHS_MAX, "%s/.cache/pocl/kcache", home);
    else
        snprintf(out, PATHS_MAX, "/tmp/pocl/kcache");
    return set && *set;
}

/* Why kernels cannot be cached in the folder; NULL: they can. */
static const char *find_problem(const char *folder, bool chosen)
{
    struct statvfs system;
    if (!paths_make_folders(folder, 0700) ||
        faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS))
        return strerror(errno);
    char *real = realpath(folder, NULL);
    bool safe = chosen || (real && weft_folder_is_private(real, S_IWOTH));
    free(real);
    if (!safe)
        return "other users may write to it";
    if (!statvfs(folder, &system) &&
        (double)system.f_bavail * (double)system.f_frsize < LEAST_BYTES)
        return strerror(ENOSPC);
    return NULL;
}

bool pocl_cache_replace_unusable(void)
{
    char folder[PATHS_MAX], temporary[PATHS_MAX];
    const char *problem = find_problem(folder, choose_folder(folder));
    if (!problem)
        return false;
    if (!temporary_folder_create(temporary, temporary_folder_place(), ".weft-pocl-")) {
        term_warn("PoCL needs a folder for compiled kernels, but %s cannot be used (%s), "
                  "and no temporary folder can be created in %s (%s): set POCL_CACHE_DIR "
                  "to a folder that you can write to",
                  folder, problem, temporary_folder_place(), strerror(errno));
        return false;
    }
    term_warn("PoCL cannot cache kernels in %s (%s), so they are compiled again in each "
              "run, in a temporary folder; set POCL_CACHE_DIR to a folder that you can "
              "write to",
              folder, problem);
    setenv("POCL_CACHE_DIR", temporary, 1);
    return true;
}
