/* SPDX-License-Identifier: Apache-2.0 */
/* weft bench -d all: the same on every device. Each is measured by a process of its own,
 * so that a driver that crashes or hangs costs one device. It writes what it has after
 * every row into a file; this one waits, and reads. */
#define _GNU_SOURCE
#include "bench.h"

#include "overview.h"
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WORDS = 64, MOST_LINE = 512 };

static const double usual_limit = 120, patience = 2;

/* The process that measures a device. */
struct child {
    pid_t pid;
    int errors; /* what it says on stderr */
    char line[MOST_LINE], fault[MOST_LINE];
    size_t length;
    bool ended, late;
    int status;
};

struct all {
    struct app *app;
    const struct bench_options *options;
    char **words;
    int count;
    double limit;
    char folder[PATHS_MAX], file[PATHS_MAX], self[PATHS_MAX];
    struct results results;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* The command line for one device. Numbers are written into `texts`. */
static void make_words(const struct all *a, int index, const char *words[MOST_WORDS],
                       char texts[5][32])
{
    const struct bench_options *o = a->options;
    static const char *const gemms[] = {"own", "clblast"};
    int n = 0;
    const struct {
        const char *name, *value;
    } given[] = {{"--net", o->nets},
                 {"--data", o->data},
                 {"--image", o->images},
                 {"--batch", o->batches},
                 {"--precision", o->precisions},
                 {"--shape", o->shapes},
                 {"--seconds", o->seconds > 0 ? texts[0] : NULL},
                 {"--seed", texts[1]},
                 {"--target", texts[2]},
                 {"--limit", texts[3]},
                 {"--device", texts[4]},
                 {"--family", app_families[o->app.family]},
                 {"--gemm", gemms[o->app.gemm]},
                 {"--save", a->file},
                 {"--output", "csv"}};
    snprintf(texts[0], 32, "%.6g", o->seconds);
    snprintf(texts[1], 32, "%llu", (unsigned long long)o->seed);
    snprintf(texts[2], 32, "%.6f%%", 100 * o->target);
    snprintf(texts[3], 32, "%.6g", a->limit);
    snprintf(texts[4], 32, "%d", index);
    words[n++] = a->self;
    words[n++] = "bench";
    if (a->count)
        for (int i = 0; i < a->count && i < BENCH_MOST_LIST; i++)
            words[n++] = a->words[i];
    else
        n += bench_set_words(words + n, BENCH_MOST_LIST);
    words[n++] = "--set";
    if (o->quick)
        words[n++] = "--quick";
    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
        if (given[i].value) {
            words[n++] = given[i].name;
            words[n++] = given[i].value;
        }
    words[n] = NULL;
}

static bool start(struct child *c, const char *const *words)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return false;
    pid_t parent = getpid();
    c->pid = fork();
    if (c->pid == 0) {
        int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent && null >= 0 && dup2(null, 0) >= 0 &&
            dup2(null, 1) >= 0 && dup2(ends[1], 2) >= 0)
            execv(words[0], (char *const *)words);
        _exit(127);
    }
    close(ends[1]);
    c->errors = ends[0];
    if (c->pid > 0)
        return true;
    close(ends[0]);
    return false;
}

/* The last sentence of a failure is kept; the rest is progress, which this process
 * tells. */
static void take_line(struct child *c)
{
    static const char begins[] = "weft bench: ";
    c->line[c->length] = '\0';
    if (!strncmp(c->line, begins, strlen(begins)))
        snprintf(c->fault, sizeof(c->fault), "%s", c->line + strlen(begins));
    c->length = 0;
}

/* False: the pipe is at its end. */
static bool take_errors(struct child *c)
{
    char bytes[4096];
    ssize_t got = read(c->errors, bytes, sizeof(bytes));
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    for (ssize_t i = 0; i < got; i++)
        if (bytes[i] == '\n')
            take_line(c);
        else if (c->length + 1 < sizeof(c->line))
            c->line[c->length++] = bytes[i];
    return got > 0;
}

/* Until the process has ended, is told to, or has had its time and some more: a compiler
 * that hangs looks at no clock. */
static void wait_for(const struct all *a, struct child *c, const char *name)
{
    double begin = term_seconds(), grace = a->limit / 4 > 15 ? a->limit / 4 : 15;
    double stop = INFINITY;
    bool open = true;
    while (!c->ended) {
        struct pollfd look = {.fd = c->errors, .events = POLLIN};
        double gone = term_seconds() - begin;
        int ready = poll(&look, open, 100);
        if (ready > 0)
            open = take_errors(c);
        c->ended = waitpid(c->pid, &c->status, WNOHANG) == c->pid;
        if (c->ended)
            break;
        c->late = c->late || gone > a->limit + grace;
        if ((interrupted || c->late) && !isfinite(stop)) {
            kill(c->pid, c->late ? SIGKILL : SIGTERM);
            stop = gone + patience;
        }
        if (gone > stop)
            kill(c->pid, SIGKILL);
        term_progress("Measuring on %s: %.0f s gone, at most %.0f left", name, gone,
                      a->limit > gone ? a->limit - gone : 0);
    }
    fcntl(c->errors, F_SETFL, O_NONBLOCK);
    while (open && poll(&(struct pollfd){.fd = c->errors, .events = POLLIN}, 1, 0) > 0)
        open = take_errors(c);
    take_line(c);
    close(c->errors);
    term_progress_clear();
}

/* Why there is less than was wanted, or nothing; "": there is not. */
static void judge(const struct all *a, struct child *c)
{
    int code = WIFEXITED(c->status) ? WEXITSTATUS(c->status) : -1;
    if (interrupted)
        snprintf(c->fault, sizeof(c->fault), "interrupted");
    else if (c->late)
        snprintf(c->fault, sizeof(c->fault),
                 "did not end within %.0f s and was stopped; --limit allows more",
                 a->limit);
    else if (WIFSIGNALED(c->status))
        snprintf(c->fault, sizeof(c->fault), "the driver crashed: %s",
                 strsignal(WTERMSIG(c->status)));
    else if (code == APP_DONE || code == APP_CHECK_FAILED)
        c->fault[0] = '\0'; /* wrong results are told row by row */
    else if (!c->fault[0])
        snprintf(c->fault, sizeof(c->fault), "ended with exit code %d", code);
}

static void measure(struct all *a, int index)
{
    struct weft_device_info info;
    struct child c = {.errors = -1};
    const char *words[MOST_WORDS];
    char texts[5][32];
    int before = results_count(&a->results);
    size_t size;
    if (weft_device_info(a->app->context, index, &info))
        return;
    unlink(a->file);
    make_words(a, index, words, texts);
    if (start(&c, words)) {
        wait_for(a, &c, info.name);
        judge(a, &c);
    } else
        snprintf(c.fault, sizeof(c.fault), "no process for it could be started: %s",
                 strerror(errno));
    char *text = paths_read(a->file, 64 << 20, &size);
    if (text)
        results_parse(a->app, &a->results, info.name, text, size);
    free(text);
    if (results_count(&a->results) == before)
        results_add_failed(&a->results, &info,
                           c.fault[0] ? c.fault : "left no results behind");
    json_t *run = results_run(&a->results, before);
    json_object_del(run, "file");
    if (c.fault[0])
        results_set_fault(run, c.fault);
    term_say("%sMeasured%s  %d  %s, %s%s%s", term_on(stderr, TERM_BOLD), term_off(stderr),
             index, info.name, app_platform(&info), c.fault[0] ? ": " : "", c.fault);
}

static enum app_exit measure_all(struct all *a)
{
    struct sigaction action = {.sa_handler = on_signal}, old[2];
    int devices = weft_device_count(a->app->context);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &old[0]);
    sigaction(SIGTERM, &action, &old[1]);
    for (int i = 0; i < devices && !interrupted; i++)
        measure(a, i);
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
    unlink(a->file);
    rmdir(a->folder);
    int failed = overview_write(&a->results, (enum table_format)a->options->app.format);
    enum app_exit code = overview_keep(a->app, &a->results, a->options->save);
    if (!code)
        code = app_flush(a->app);
    if (code || interrupted)
        return code ? code : APP_INTERRUPTED;
    return failed ? app_error(a->app, APP_CHECK_FAILED, "%d of %d devices failed", failed,
                              results_count(&a->results))
                  : APP_DONE;
}

enum app_exit bench_all(struct app *app, const struct bench_options *o, char **words,
                        int count)
{
    const char *place = getenv("TMPDIR");
    struct all *a = term_alloc(NULL, sizeof(*a));
    *a = (struct all){.app = app,
                      .options = o,
                      .words = words,
                      .count = count,
                      .limit = o->limit > 0 ? o->limit : usual_limit};
    place = place && *place ? place : "/tmp";
    enum app_exit code = app_context(app, true, false);
    ssize_t length = readlink("/proc/self/exe", a->self, PATHS_MAX - 1);
    if (!code && length <= 0)
        code = app_error(app, APP_FAILED,
                         "where this program lies cannot be read from "
                         "/proc/self/exe, so devices cannot be measured "
                         "apart; measure one at a time with -d");
    if (!code && (!paths_join(a->folder, place, "weft-XXXXXX") || !mkdtemp(a->folder) ||
                  !paths_join(a->file, a->folder, "results.json")))
        code = app_error(app, APP_FAILED,
                         "no folder can be made in %s: %s; let TMPDIR name another",
                         place, strerror(errno));
    if (!code)
        code = measure_all(a);
    results_finish(&a->results);
    free(a);
    return code;
}
