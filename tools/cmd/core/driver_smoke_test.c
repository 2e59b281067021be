/* SPDX-License-Identifier: Apache-2.0 */
/* Smoke test of the OpenCL drivers. A child process creates a context and compiles and
 * runs a kernel on each device. If it crashes or hangs, each driver's .icd file is tested
 * separately, in parallel, and the working ones are copied to a folder that
 * OCL_ICD_VENDORS is set to.
 *
 * Results are cached in $XDG_CACHE_HOME/weft/drivers-KEY, where KEY hashes the .icd
 * files, their libraries and the loader's environment. A line is "good NAME" or "bad NAME
 * REASON". Failures expire after an hour, since a driver may crash only while its device
 * is busy. */
#define _GNU_SOURCE
#include "core/driver_smoke_test.h"

#include "core/icd_files.h"
#include "core/pocl_cache.h"
#include "core/temporary_folder.h"
#include "core/term.h"

#include <weft/verify.h>

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

enum { REASON = 96, FAILURE_LIFETIME = 3600 };

/* Time limit of one driver. Where more processes run than there are processors, each has
 * only its share of them: a driver that compiles for a second may take twenty. */
static int timeout_seconds(void)
{
    const char *text = getenv("WEFT_DRIVER_TIMEOUT");
    int seconds = text ? atoi(text) : 0;
    if (seconds > 0 && seconds < 3600)
        return seconds;
    double load = 0, processors = (double)sysconf(_SC_NPROCESSORS_ONLN);
    double crowd = getloadavg(&load, 1) == 1 && processors > 0 ? load / processors : 1;
    return crowd > 6 ? 120 : crowd > 1 ? (int)(20 * crowd) : 20;
}

struct smoke_test {
    struct icd_list icds;
    char reasons[ICD_MAX_FILES][REASON]; /* "": the driver works */
    uint64_t key;
    bool cached; /* the results are of an earlier run, some minutes ago */
    int minutes;
};

/* FNV-1a, 64 bits. */
static void hash_mix(struct smoke_test *p, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        p->key = (p->key ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
}

static void hash_text(struct smoke_test *p, const char *text)
{
    hash_mix(p, text ? text : "\1", text ? strlen(text) + 1 : 2);
}

static void hash_file(struct smoke_test *p, const char *path)
{
    struct stat s;
    hash_text(p, path);
    if (stat(path, &s))
        return;
    int64_t facts[] = {s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_mode};
    hash_mix(p, facts, sizeof(facts));
}

/* Hashes the library of an .icd file, found like the dynamic loader does. */
static void hash_library(struct smoke_test *p, const char *icd)
{
    static const char *const places[] = {"/usr/local/lib/%s", "/usr/lib/*-linux-*/%s",
                                         "/usr/lib64/%s", "/usr/lib/%s"};
    char *library = icd_read_library(icd);
    if (!library)
        return;
    if (strchr(library, '/')) {
        hash_file(p, library);
    } else {
        for (size_t i = 0; *library && i < sizeof(places) / sizeof(*places); i++) {
            char pattern[PATHS_MAX];
            glob_t found = {0};
            snprintf(pattern, sizeof(pattern), places[i], library);
            if (!glob(pattern, 0, NULL, &found))
                for (size_t k = 0; k < found.gl_pathc; k++)
                    hash_file(p, found.gl_pathv[k]);
            globfree(&found);
        }
    }
    free(library);
}

static bool uses_pocl(const struct icd_list *icds)
{
    const char *libraries = getenv("OCL_ICD_FILENAMES");
    bool found = libraries && strstr(libraries, "pocl");
    for (int i = 0; i < icds->count && !found; i++) {
        char path[PATHS_MAX];
        char *library = icd_file_path(icds, i, path) ? icd_read_library(path) : NULL;
        found = library && strstr(library, "pocl");
        free(library);
    }
    return found;
}

static void list_drivers(struct smoke_test *p, const char *place)
{
    static const char *const settings[] = {"OCL_ICD_FILENAMES",
                                           "OPENCL_LAYERS",
                                           "LD_LIBRARY_PATH",
                                           "LD_PRELOAD",
                                           "RUSTICL_ENABLE",
                                           "OCL_ICD_VENDORS",
                                           "OPENCL_VENDOR_PATH",
                                           "POCL_DEVICES",
                                           "POCL_CACHE_DIR",
                                           "XDG_CACHE_HOME",
                                           "HOME"};
    p->key = 0xcbf29ce484222325u;
    hash_text(p, weft_version());
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        hash_text(p, getenv(settings[i]));
    hash_file(p, place);
    icd_list_files(&p->icds, place);
    for (int i = 0; i < p->icds.count; i++) {
        char path[PATHS_MAX];
        if (icd_file_path(&p->icds, i, path)) {
            hash_file(p, path);
            hash_library(p, path);
        }
    }
    /* A driver that fails without a cache folder is tested again once it has one. */
    bool replaced = uses_pocl(&p->icds) && pocl_cache_replace_unusable();
    hash_text(p, replaced ? "temporary" : "own");
}

/* Errors are ignored here: they are reported when the device is used. */
static void test_device(weft_context *context, int index)
{
    weft_device *device = NULL;
    struct weft_verify_result result;
    const struct weft_verify_params one =
        *weft_verify_params(.op = "cast", .cases = 1, .tiny_shapes = true);
    if (!weft_device_open(context, index, NULL, &device))
        weft_verify(device, &one, &result);
    weft_device_close(&device);
}

/* In the child: tests all devices of the drivers in `vendors`; `alone`: with that driver
 * only. */
static void exercise_device(const char *vendors, bool alone, int done, int timeout)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(2 * (unsigned)timeout);
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    if (alone)
        setenv("OCL_ICD_VENDORS", vendors, 1);
    weft_context *context = NULL;
    struct weft_context_params params = *weft_context_params(.icd_dir = vendors);
    if (!weft_context_create(&context, &params)) {
        struct weft_device_info info;
        for (int i = 0; !weft_device_info(context, i, &info); i++)
            test_device(context, i);
        weft_context_destroy(&context);
    }
    _exit(write(done, "k", 1) == 1 ? 0 : 1);
}

struct probe_process {
    pid_t id;
    int done;    /* receives a byte on success; closed when the child ends */
    int timeout; /* seconds from its start */
    double start;
};

static bool start(struct probe_process *child, const char *vendors, bool alone)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return false;
    child->timeout = timeout_seconds();
    child->start = term_seconds();
    child->id = fork();
    if (!child->id) {
        setpgid(0, 0);
        exercise_device(vendors, alone, ends[1], child->timeout);
    }
    close(ends[1]);
    child->done = ends[0];
    if (child->id < 0)
        close(ends[0]);
    return child->id > 0;
}

/* Waits for the child; `reason` is "" on success. */
static void finish(struct probe_process *child, bool announce, char reason[REASON])
{
    char byte = 0;
    bool hung = false;
    while (!hung) {
        double left = child->start + child->timeout - term_seconds();
        struct pollfd end = {child->done, POLLIN, 0};
        int got = poll(&end, 1, left <= 0 ? 0 : left < 1 ? (int)(left * 1e3) + 1 : 1000);
        if (got > 0 && read(child->done, &byte, 1) >= 0)
            break;
        hung = got == 0 && left <= 0;
        if (got == 0 && announce)
            term_print("Testing the OpenCL drivers (the result is cached) ...");
        announce = announce && got;
    }
    close(child->done);
    if (hung)
        kill(-child->id, SIGKILL);
    int status = 0;
    while (waitpid(child->id, &status, 0) < 0 && errno == EINTR) {
    }
    reason[0] = '\0';
    if (hung)
        snprintf(reason, REASON, "did not respond within %d s", child->timeout);
    else if (!byte && WIFSIGNALED(status))
        snprintf(reason, REASON, "crashes on first use (%s)",
                 strsignal(WTERMSIG(status)));
    else if (!byte)
        snprintf(reason, REASON, "terminates the program on first use (exit status %d)",
                 WEXITSTATUS(status));
}

static bool cache_load(struct smoke_test *p, const char *path, bool ignore_failures)
{
    struct stat info;
    size_t size;
    char *text = paths_read_own_file(path, 1 << 20, &size, &info);
    if (!text)
        return false;
    int known = 0;
    bool bad = false;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char state[8], name[ICD_NAME_BYTES];
        int at = 0;
        if (sscanf(line, "%7s %255s %n", state, name, &at) < 2)
            break;
        if (known >= p->icds.count || strcmp(p->icds.names[known], name))
            break;
        if (!strcmp(state, "bad")) {
            snprintf(p->reasons[known], REASON, "%.95s", line + at);
            bad = true;
        }
        known++;
    }
    free(text);
    /* Negative after the clock was set back. */
    time_t age = time(NULL) - info.st_mtime;
    bool fresh = age >= 0 && age < FAILURE_LIFETIME;
    if (known == p->icds.count && (!bad || (fresh && !ignore_failures))) {
        p->minutes = (int)(age / 60);
        p->cached = true;
        return true;
    }
    for (int i = 0; i < p->icds.count; i++)
        p->reasons[i][0] = '\0';
    return false;
}

static void cache_store(const struct smoke_test *p, const char *path)
{
    char text[ICD_MAX_FILES * (ICD_NAME_BYTES + REASON + 16)] = "";
    size_t at = 0;
    for (int i = 0; i < p->icds.count; i++) {
        const char *reason = p->reasons[i];
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s %s\n",
                               *reason ? "bad" : "good", p->icds.names[i], reason);
    }
    paths_write(path, text, at);
}

/* Tests all drivers together, and on failure each alone, in parallel. */
static void test_all_drivers(struct smoke_test *p)
{
    struct probe_process child, children[ICD_MAX_FILES] = {{0}};
    char reason[REASON];
    if (!start(&child, p->icds.place, false))
        return;
    finish(&child, true, reason);
    if (!*reason)
        return;
    if (p->icds.count == 1) {
        memcpy(p->reasons[0], reason, sizeof(reason));
        return;
    }
    term_print("An OpenCL driver %s; testing each driver ...", reason);
    for (int i = 0; i < p->icds.count; i++) {
        char path[PATHS_MAX];
        if (!icd_file_path(&p->icds, i, path) || !start(&children[i], path, true))
            children[i].id = 0;
    }
    bool found = false;
    for (int i = 0; i < p->icds.count; i++)
        if (children[i].id) {
            finish(&children[i], false, p->reasons[i]);
            found = found || *p->reasons[i];
        }
    for (int i = 0; !found && i < p->icds.count; i++)
        snprintf(p->reasons[i], REASON, "works alone, but not with the other drivers");
}

static char own_folder[PATHS_MAX]; /* copies of working .icd files; "": none */

/* Points the loader to copies of the working .icd files, in a folder made for this
 * process: drivers that others left there would be loaded. */
static void exclude_failing_drivers(const struct smoke_test *p)
{
    char folder[PATHS_MAX];
    if (!temporary_folder_create(folder, temporary_folder_place(), ".weft-icd-"))
        return;
    for (int i = 0; i < p->icds.count; i++) {
        char from[PATHS_MAX], to[PATHS_MAX];
        size_t size;
        if (!icd_file_path(&p->icds, i, from) ||
            !paths_join(to, folder, p->icds.names[i]))
            continue;
        char *text = *p->reasons[i] ? NULL : paths_read_file(from, 4096, &size, NULL);
        if (text)
            paths_write(to, text, size);
        free(text);
    }
    setenv("OCL_ICD_VENDORS", folder, 1);
    memcpy(own_folder, folder, sizeof(folder));
}

static struct smoke_test last_test;
static const char *misleading_variable;

const char *smoke_test_misleading_variable(void)
{
    return misleading_variable;
}

const char *smoke_test_icd_location(void)
{
    return last_test.icds.place;
}

void smoke_test_format_diagnostic(const char *diagnostic,
                                  char out[SMOKE_TEST_MESSAGE_BYTES])
{
    size_t at = 0, length = strlen(own_folder);
    for (out[0] = '\0'; *diagnostic && at + 1 < SMOKE_TEST_MESSAGE_BYTES;) {
        bool own = length && !strncmp(diagnostic, own_folder, length);
        at += (size_t)snprintf(out + at, SMOKE_TEST_MESSAGE_BYTES - at, "%.*s",
                               own ? PATHS_MAX : 1,
                               own ? last_test.icds.place : diagnostic);
        diagnostic += own ? length : 1;
    }
}

const char *smoke_test_exclusion_reason(const char *icd)
{
    char path[PATHS_MAX];
    for (int i = 0; i < last_test.icds.count; i++)
        if (*last_test.reasons[i] && icd_file_path(&last_test.icds, i, path) &&
            !strcmp(path, icd))
            return last_test.reasons[i];
    return NULL;
}

int smoke_test_excluded_count(void)
{
    int count = 0;
    for (int i = 0; i < last_test.icds.count; i++)
        count += *last_test.reasons[i] != '\0';
    return count;
}

static void warn(const struct smoke_test *p, int i)
{
    char path[PATHS_MAX];
    char when[80] = "";
    if (p->cached)
        snprintf(when, sizeof(when),
                 " (tested %d min ago; `weft devices` tests it again)", p->minutes);
    if (icd_file_path(&p->icds, i, path))
        term_warn("the OpenCL driver %s %s%s, so it is excluded. Remove or reinstall its "
                  "package (dpkg -S %s).",
                  path, p->reasons[i], when, path);
}

const char *smoke_test_drivers(bool fresh)
{
    struct smoke_test *p = &last_test;
    const char *name_set = "OCL_ICD_VENDORS", *set = getenv(name_set);
    if (!set || !*set)
        set = getenv(name_set = "OPENCL_VENDOR_PATH");
    list_drivers(p, set && *set ? set : ICD_FOLDER);
    if (!p->icds.count) {
        /* Without a slash it may be the name of a library. */
        if (set && strchr(set, '/') && !getenv("OCL_ICD_FILENAMES"))
            misleading_variable = name_set;
        return p->icds.place;
    }

    char cache[PATHS_MAX], results[PATHS_MAX], name[32];
    bool keep = paths_cache(cache);
    snprintf(name, sizeof(name), "drivers-%016" PRIx64, p->key);
    keep = keep && paths_join(results, cache, name);
    if (!keep || !cache_load(p, results, fresh)) {
        test_all_drivers(p);
        if (keep)
            cache_store(p, results);
    }
    for (int i = 0; i < p->icds.count; i++)
        if (*p->reasons[i])
            warn(p, i);
    int bad = smoke_test_excluded_count();
    if (bad)
        exclude_failing_drivers(p);
    if (bad == p->icds.count && !getenv("OCL_ICD_FILENAMES"))
        return NULL;
    return *own_folder ? own_folder : p->icds.place;
}
