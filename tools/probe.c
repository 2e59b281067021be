/* SPDX-License-Identifier: Apache-2.0 */
/* The first touch of the OpenCL drivers. A child makes a context and has each device
 * compile and run a kernel; if it dies or hangs, each driver's .icd file is tried alone,
 * all at a time, and the good ones are copied to a folder of ours that OCL_ICD_VENDORS
 * then names.
 *
 * What was found is kept in $XDG_CACHE_HOME/weft/probe-KEY, where KEY is a hash of all
 * that could change it: the .icd files, the libraries they name, the loader's
 * environment. A line of the file is "good NAME" or "bad NAME REASON". Bad ones are
 * believed for an hour, for a driver may have crashed only because its device was
 * busy. */
#define _GNU_SOURCE
#include "probe.h"

#include "paths.h"
#include "term.h"

#include <weft/device.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ICD_FOLDER "/etc/OpenCL/vendors"

enum { MOST_DRIVERS = 64, NAME_SIZE = 256, BELIEVED = 3600 };

/* Seconds that a driver may take. */
static int patience(void)
{
    const char *text = getenv("WEFT_PROBE_SECONDS");
    int seconds = text ? atoi(text) : 0;
    return seconds > 0 && seconds < 3600 ? seconds : 20;
}

struct driver {
    char name[NAME_SIZE]; /* of the .icd file, without its folder */
    char reason[96];      /* "" if it is good */
};

struct probe {
    char folder[PATHS_MAX]; /* of .icd files, or one file */
    bool single;            /* it is one file */
    struct driver drivers[MOST_DRIVERS];
    int count;
    uint64_t key;
};

/* FNV-1a, 64 bits. */
static void mix(struct probe *p, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        p->key = (p->key ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
}

static void mix_text(struct probe *p, const char *text)
{
    mix(p, text ? text : "\1", text ? strlen(text) + 1 : 2);
}

static void mix_file(struct probe *p, const char *path)
{
    struct stat s;
    mix_text(p, path);
    if (stat(path, &s))
        return;
    int64_t facts[] = {s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_mode};
    mix(p, facts, sizeof(facts));
}

/* The library that an .icd file names: a path, or a name to be looked for where the
 * dynamic loader would. */
static void mix_library(struct probe *p, const char *icd)
{
    static const char *const places[] = {"/usr/local/lib/%s", "/usr/lib/*-linux-*/%s",
                                         "/usr/lib64/%s", "/usr/lib/%s"};
    size_t size;
    char *text = paths_read(icd, 4096, &size);
    if (!text)
        return;
    text[strcspn(text, "\r\n")] = '\0';
    if (strchr(text, '/')) {
        mix_file(p, text);
    } else {
        for (size_t i = 0; *text && i < sizeof(places) / sizeof(*places); i++) {
            char pattern[PATHS_MAX];
            glob_t found = {0};
            snprintf(pattern, sizeof(pattern), places[i], text);
            if (!glob(pattern, 0, NULL, &found))
                for (size_t k = 0; k < found.gl_pathc; k++)
                    mix_file(p, found.gl_pathv[k]);
            globfree(&found);
        }
    }
    free(text);
}

static bool is_icd(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && n < NAME_SIZE && !strcmp(name + n - 4, ".icd");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct driver *)a)->name, ((const struct driver *)b)->name);
}

static void list_drivers(struct probe *p)
{
    static const char *const settings[] = {
        "OCL_ICD_FILENAMES", "OPENCL_LAYERS", "LD_LIBRARY_PATH", "LD_PRELOAD",
        "RUSTICL_ENABLE",    "POCL_DEVICES",  "OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"};
    p->key = 0xcbf29ce484222325u;
    mix_text(p, weft_version());
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        mix_text(p, getenv(settings[i]));
    p->single = paths_exists(p->folder) && !paths_is_folder(p->folder);
    mix_file(p, p->folder);
    if (p->single) {
        memcpy(p->drivers[p->count++].name, p->folder, strnlen(p->folder, NAME_SIZE - 1));
        mix_library(p, p->folder);
        return;
    }
    DIR *folder = opendir(p->folder);
    for (struct dirent *e; folder && (e = readdir(folder)) && p->count < MOST_DRIVERS;)
        if (is_icd(e->d_name))
            snprintf(p->drivers[p->count++].name, NAME_SIZE, "%.255s", e->d_name);
    if (folder)
        closedir(folder);
    qsort(p->drivers, (size_t)p->count, sizeof(*p->drivers), by_name);
    for (int i = 0; i < p->count; i++) {
        char path[PATHS_MAX];
        if (paths_join(path, p->folder, p->drivers[i].name)) {
            mix_file(p, path);
            mix_library(p, path);
        }
    }
}

/* A device that refuses says so when it is used. */
static void try_device(weft_context *context, int index)
{
    weft_device *device = NULL;
    struct weft_verify_result result;
    const struct weft_verify_params one = {.op = "add", .cases = 1, .small = true};
    if (!weft_device_open(context, index, NULL, &device))
        weft_verify(device, &one, &result);
    weft_device_close(&device);
}

/* In a child: tries all devices of the drivers that are in `vendors`, or of that one
 * alone. */
static void touch(const char *vendors, bool alone, int done)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(2 * (unsigned)patience());
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    if (alone)
        setenv("OCL_ICD_VENDORS", vendors, 1);
    weft_context *context = NULL;
    struct weft_context_params params = {.icd_dir = vendors};
    if (!weft_context_create(&context, &params)) {
        for (int i = 0; i < weft_device_count(context); i++)
            try_device(context, i);
        weft_context_destroy(&context);
    }
    _exit(write(done, "k", 1) == 1 ? 0 : 1);
}

struct child {
    pid_t id;
    int done; /* gets a byte when all went well, and ends when the child does */
};

static bool start(struct child *child, const char *vendors, bool alone)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return false;
    child->id = fork();
    if (!child->id) {
        setpgid(0, 0);
        touch(vendors, alone, ends[1]);
    }
    close(ends[1]);
    child->done = ends[0];
    if (child->id < 0)
        close(ends[0]);
    return child->id > 0;
}

/* Waits for the child until `deadline`; "" in `reason` if all went well. */
static void finish(struct child *child, double deadline, bool tell, char reason[96])
{
    char byte = 0;
    bool hung = false;
    while (!hung) {
        double left = deadline - term_seconds();
        struct pollfd end = {child->done, POLLIN, 0};
        int got = poll(&end, 1, left <= 0 ? 0 : left < 1 ? (int)(left * 1e3) + 1 : 1000);
        if (got > 0 && read(child->done, &byte, 1) >= 0)
            break;
        hung = got == 0 && left <= 0;
        if (got == 0 && tell)
            term_say("Trying the OpenCL drivers for the first time ...");
        tell = tell && got;
    }
    close(child->done);
    if (hung)
        kill(-child->id, SIGKILL);
    int status = 0;
    while (waitpid(child->id, &status, 0) < 0 && errno == EINTR) {
    }
    reason[0] = '\0';
    if (hung)
        snprintf(reason, 96, "did not answer within %d s", patience());
    else if (!byte && WIFSIGNALED(status))
        snprintf(reason, 96, "crashes when it is first used (%s)",
                 strsignal(WTERMSIG(status)));
    else if (!byte)
        snprintf(reason, 96, "ends the program when it is first used (exit status %d)",
                 WEXITSTATUS(status));
}

static bool remembered(struct probe *p, const char *path, bool again)
{
    struct stat s;
    size_t size;
    char *text = paths_read(path, 1 << 20, &size);
    if (!text)
        return false;
    int known = 0;
    bool bad = false;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char verdict[8], name[NAME_SIZE];
        int at = 0;
        if (sscanf(line, "%7s %255s %n", verdict, name, &at) < 2)
            break;
        if (known >= p->count || strcmp(p->drivers[known].name, name))
            break;
        if (!strcmp(verdict, "bad")) {
            snprintf(p->drivers[known].reason, 96, "%.95s", line + at);
            bad = true;
        }
        known++;
    }
    free(text);
    bool fresh = !stat(path, &s) && time(NULL) - s.st_mtime < BELIEVED;
    if (known == p->count && (!bad || (fresh && !again)))
        return true;
    for (int i = 0; i < p->count; i++)
        p->drivers[i].reason[0] = '\0';
    return false;
}

static void remember(const struct probe *p, const char *path)
{
    char text[MOST_DRIVERS * (NAME_SIZE + 112)] = "";
    size_t at = 0;
    for (int i = 0; i < p->count; i++) {
        const struct driver *d = &p->drivers[i];
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s %s\n",
                               *d->reason ? "bad" : "good", d->name, d->reason);
    }
    paths_replace(path, text, at);
}

/* Tries all drivers at once, and on trouble each alone, side by side. */
static void try_all(struct probe *p)
{
    struct child child, children[MOST_DRIVERS] = {{0}};
    char reason[96];
    if (!start(&child, p->folder, false))
        return;
    finish(&child, term_seconds() + patience(), true, reason);
    if (!*reason)
        return;
    if (p->count == 1) {
        memcpy(p->drivers[0].reason, reason, sizeof(reason));
        return;
    }
    term_say("An OpenCL driver %s; trying them one by one ...", reason);
    double deadline = term_seconds() + patience();
    for (int i = 0; i < p->count; i++) {
        char path[PATHS_MAX];
        if (!paths_join(path, p->folder, p->drivers[i].name) ||
            !start(&children[i], path, true))
            children[i].id = 0;
    }
    bool found = false;
    for (int i = 0; i < p->count; i++)
        if (children[i].id) {
            finish(&children[i], deadline, false, p->drivers[i].reason);
            found = found || *p->drivers[i].reason;
        }
    for (int i = 0; !found && i < p->count; i++)
        snprintf(p->drivers[i].reason, 96, "works alone, but not beside the others");
}

static char made_folder[PATHS_MAX]; /* to be removed at the end; "" if it is kept */

static void remove_made_folder(void)
{
    DIR *folder = opendir(made_folder);
    for (struct dirent *e; folder && (e = readdir(folder));)
        unlinkat(dirfd(folder), e->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(made_folder);
}

static char own_folder[PATHS_MAX];   /* of copies; "" if there is none */
static char given_folder[PATHS_MAX]; /* what they are copies of */

/* Points the loader at copies of the good .icd files. The folder may be there from an
 * earlier time, when others were good: what is bad now is removed from it. */
static void leave_out(struct probe *p, const char *cache)
{
    char folder[PATHS_MAX], name[32];
    snprintf(name, sizeof(name), "icd-%016" PRIx64, p->key);
    if (!cache || !paths_join(folder, cache, name) || !paths_make(folder, 0700)) {
        const char *place = getenv("TMPDIR");
        if (!paths_join(folder, place && *place ? place : "/tmp", "weft-XXXXXX") ||
            !mkdtemp(folder))
            return;
        memcpy(made_folder, folder, sizeof(folder));
        atexit(remove_made_folder);
    }
    for (int i = 0; i < p->count; i++) {
        char from[PATHS_MAX], to[PATHS_MAX];
        size_t size;
        if (!paths_join(from, p->folder, p->drivers[i].name) ||
            !paths_join(to, folder, p->drivers[i].name))
            continue;
        char *text = *p->drivers[i].reason ? NULL : paths_read(from, 4096, &size);
        if (!text || !paths_replace(to, text, size))
            unlink(to);
        free(text);
    }
    setenv("OCL_ICD_VENDORS", folder, 1);
    memcpy(given_folder, p->folder, sizeof(folder));
    memcpy(own_folder, folder, sizeof(folder));
    memcpy(p->folder, folder, sizeof(folder));
}

static void warn(const struct probe *p, const struct driver *d)
{
    char path[PATHS_MAX];
    if (p->single || !paths_join(path, p->folder, d->name))
        snprintf(path, sizeof(path), "%s", d->name);
    term_warn("the OpenCL driver %s %s; it is left out. Remove or reinstall its package "
              "(dpkg -S %s).",
              path, d->reason, path);
}

static const char *misled_by;

const char *probe_misled_by(void)
{
    return misled_by;
}

void probe_tell(const char *note, char out[PROBE_NOTE])
{
    size_t at = 0, length = strlen(own_folder);
    for (out[0] = '\0'; *note && at + 1 < PROBE_NOTE;) {
        bool own = length && !strncmp(note, own_folder, length);
        at += (size_t)snprintf(out + at, PROBE_NOTE - at, "%.*s", own ? PATHS_MAX : 1,
                               own ? given_folder : note);
        note += own ? length : 1;
    }
}

static struct probe probe;

const char *probe_folder(void)
{
    return *given_folder ? given_folder : probe.folder;
}

const char *probe_left_out(int index, const char **reason)
{
    static char path[PATHS_MAX];
    for (int i = 0; i < probe.count; i++) {
        const struct driver *d = &probe.drivers[i];
        if (!*d->reason || index--)
            continue;
        if (probe.single || !paths_join(path, given_folder, d->name))
            snprintf(path, sizeof(path), "%s", d->name);
        *reason = d->reason;
        return path;
    }
    return NULL;
}

const char *probe_drivers(bool again)
{
    struct probe *p = &probe;
    const char *name_set = "OCL_ICD_VENDORS", *set = getenv(name_set);
    if (!set || !*set)
        set = getenv(name_set = "OPENCL_VENDOR_PATH");
    snprintf(p->folder, sizeof(p->folder), "%s", set && *set ? set : ICD_FOLDER);
    list_drivers(p);
    if (!p->count) {
        /* Without a slash it may name a library, which the dynamic loader looks for. */
        if (set && strchr(set, '/') && !getenv("OCL_ICD_FILENAMES"))
            misled_by = name_set;
        return p->folder;
    }

    char cache[PATHS_MAX], kept[PATHS_MAX], name[32];
    bool keep = paths_cache(cache);
    snprintf(name, sizeof(name), "probe-%016" PRIx64, p->key);
    keep = keep && paths_join(kept, cache, name);
    if (!keep || !remembered(p, kept, again)) {
        try_all(p);
        if (keep)
            remember(p, kept);
    }
    int bad = 0;
    for (int i = 0; i < p->count; i++)
        if (*p->drivers[i].reason) {
            warn(p, &p->drivers[i]);
            bad++;
        }
    if (bad)
        leave_out(p, keep ? cache : NULL);
    return bad < p->count || getenv("OCL_ICD_FILENAMES") ? p->folder : NULL;
}
