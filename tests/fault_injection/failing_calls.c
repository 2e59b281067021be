/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the C library that fail, for the program weft_failing, which is linked with
 * --wrap: calls of weft's own object files come here, those of libraries do not.
 *
 *     WEFT_FAILING_CALLS=KIND:ERRNO:N[@KEY][:once]   from the Nth call of this kind, or
 *                                              of a call site, on, or once
 *     WEFT_CALL_TRACE=FILE                     appends every change of a file to FILE
 *
 * KIND is memory or files; ERRNO is a number, or crash: a planted crash. Counting is
 * explained in call_counter.h. The trace has a line for each change, with the bytes that
 * a write has written after it; power_loss.py reads it. */
#define _GNU_SOURCE
#include "fault_injection/call_counter.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { NONE, MEMORY, FILES };

static enum kind failing;
static int failing_errno;
static struct call_plan plan;
static struct call_counter *counter;
static int trace = -1;

int __real_open64(const char *path, int flags, ...);
int __real_openat64(int folder, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t size);

__attribute__((constructor)) static void start(void)
{
    char kind[16], code[16];
    int used = 0;
    const char *word = getenv("WEFT_FAILING_CALLS"), *file = getenv("WEFT_CALL_TRACE");
    if (file)
        trace = __real_open64(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!word)
        return;
    if (sscanf(word, "%15[^:]:%15[^:]:%n", kind, code, &used) < 2 ||
        !call_plan_read(&plan, word + used))
        abort();
    failing_errno = strcmp(code, "crash") ? atoi(code) : -1;
    counter = call_counter_map(__real_open64);
    failing = !strcmp(kind, "memory") ? MEMORY : FILES;
}

/* Before the counts of a build for coverage are written, which are lost otherwise. */
__attribute__((destructor)) static void stop(void)
{
    failing = NONE;
}

static bool is_due(enum kind kind, const char *call)
{
    if (kind != failing || !call_counter_is_due(counter, &plan, call))
        return false;
    if (failing_errno < 0)
        raise(SIGKILL);
    errno = kind == MEMORY ? ENOMEM : failing_errno;
    return true;
}

/* A line of the trace, and the bytes that follow it, in one write. */
__attribute__((format(printf, 3, 4))) static void
log_change(const void *bytes, size_t size, const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int error = errno;
    char line[PATH_MAX * 2 + 64];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    pthread_mutex_lock(&lock);
    if (__real_write(trace, line, (size_t)length) != length ||
        __real_write(trace, bytes, size) != (ssize_t)size)
        abort();
    pthread_mutex_unlock(&lock);
    errno = error;
}

/* The path that a descriptor was opened by. */
static const char *path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static int log_open(int fd, int flags)
{
    char path[PATH_MAX];
    if (trace >= 0 && fd >= 0 && (flags & (O_CREAT | O_TRUNC)))
        log_change("", 0, "open %s %s\n", flags & O_TRUNC ? "truncate" : "keep",
                   path_of(fd, path));
    return fd;
}

#define WRAP(kind, type, name, parameters, arguments, failure)             \
    type __real_##name parameters;                                         \
    type __wrap_##name parameters;                                         \
    type __wrap_##name parameters                                          \
    {                                                                      \
        return is_due(kind, __func__) ? failure : __real_##name arguments; \
    }

WRAP(MEMORY, void *, malloc, (size_t a), (a), NULL)
WRAP(MEMORY, void *, calloc, (size_t a, size_t b), (a, b), NULL)
WRAP(MEMORY, void *, realloc, (void *a, size_t b), (a, b), NULL)
WRAP(MEMORY, char *, strdup, (const char *a), (a), NULL)
WRAP(MEMORY, char *, strndup, (const char *a, size_t b), (a, b), NULL)
WRAP(MEMORY, FILE *, open_memstream, (char **a, size_t *b), (a, b), NULL)
WRAP(FILES, FILE *, fopen64, (const char *a, const char *b), (a, b), NULL)
WRAP(FILES, ssize_t, read, (int a, void *b, size_t c), (a, b, c), -1)
WRAP(FILES, DIR *, opendir, (const char *a), (a), NULL)
WRAP(FILES, DIR *, fdopendir, (int a), (a), NULL)
WRAP(FILES, struct dirent64 *, readdir64, (DIR * a), (a), NULL)
WRAP(FILES, char *, mkdtemp, (char *a), (a), NULL)
WRAP(FILES, int, pipe2, (int a[2], int b), (a, b), -1)

/* The descriptor is closed also where close() fails. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    int code = __real_close(fd);
    return is_due(FILES, __func__) ? -1 : code;
}

int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);
int __wrap_fclose(FILE *file)
{
    int code = __real_fclose(file);
    return is_due(FILES, __func__) ? EOF : code;
}

/* A stream whose bytes cannot be written loses them. */
int __real_fflush(FILE *file);
int __wrap_fflush(FILE *file);
int __wrap_fflush(FILE *file)
{
    return is_due(FILES, __func__) ? EOF : __real_fflush(file);
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return is_due(FILES, __func__) ? -1
                                   : log_open(__real_open64(path, flags, mode), flags);
}

int __wrap_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return is_due(FILES, __func__)
               ? -1
               : log_open(__real_openat64(folder, path, flags, mode), flags);
}

/* Half of the bytes arrive before a write fails, as on a full disk. */
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    if (is_due(FILES, __func__)) {
        int error = errno;
        ssize_t half = __real_write(fd, bytes, size / 2);
        errno = error;
        return half < 0 ? half : -1;
    }
    ssize_t count = __real_write(fd, bytes, size);
    if (trace >= 0 && count > 0)
        log_change(bytes, (size_t)count, "write %zd %s\n", count, path_of(fd, path));
    return count;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    char path[PATH_MAX];
    if (is_due(FILES, __func__))
        return -1;
    int code = __real_fsync(fd);
    if (trace >= 0 && !code)
        log_change("", 0, "fsync %s\n", path_of(fd, path));
    return code;
}

static const char *absolute(const char *path, char full[PATH_MAX])
{
    char folder[PATH_MAX];
    if (*path == '/' || !getcwd(folder, sizeof(folder)))
        return path;
    int length = snprintf(full, PATH_MAX, "%s/%s", folder, path);
    return length < PATH_MAX ? full : path;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    char a[PATH_MAX], b[PATH_MAX];
    if (is_due(FILES, __func__))
        return -1;
    int code = __real_rename(from, to);
    if (trace >= 0 && !code)
        log_change("", 0, "rename %s\t%s\n", absolute(from, a), absolute(to, b));
    return code;
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    char full[PATH_MAX];
    if (is_due(FILES, __func__))
        return -1;
    int code = __real_unlink(path);
    if (trace >= 0 && !code)
        log_change("", 0, "unlink %s\n", absolute(path, full));
    return code;
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    char full[PATH_MAX];
    if (is_due(FILES, __func__))
        return -1;
    int code = __real_mkdir(path, mode);
    if (trace >= 0 && !code)
        log_change("", 0, "mkdir %s\n", absolute(path, full));
    return code;
}
