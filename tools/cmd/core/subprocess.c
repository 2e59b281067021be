/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: start, read stderr, wait, and describe the exit. */
#define _GNU_SOURCE
#include "core/subprocess.h"

#include "core/temporary_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const double kill_delay = 2; /* from SIGTERM to SIGKILL */

struct running_process {
    pid_t pid;
    int errors; /* its stderr */
    char line[SUBPROCESS_LINE];
    size_t length;
    bool ended, late;
    int status;
};

static volatile sig_atomic_t interrupted;
static struct sigaction before[2];

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void subprocess_signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before[0]);
    sigaction(SIGTERM, &action, &before[1]);
}

void subprocess_signals_restore(void)
{
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
}

bool subprocess_interrupted(void)
{
    return interrupted;
}

enum app_exit subprocess_files_create(const struct app *app,
                                      struct subprocess_files *files)
{
    const char *above = temporary_folder_place();
    ssize_t length = readlink("/proc/self/exe", files->self, PATHS_MAX - 1);
    if (length <= 0)
        return app_error(app, APP_FAILED,
                         "the path of this program cannot be read from /proc/self/exe, "
                         "so devices cannot run in separate processes; "
                         "take one at a time with -d");
    files->self[length] = '\0';
    if (!temporary_folder_create(files->folder, above, ".weft-child-") ||
        !paths_join(files->file, files->folder, "results.json"))
        return app_error(app, APP_FAILED,
                         "no folder can be made in %s: %s; let TMPDIR name another",
                         above, strerror(errno));
    return APP_OK;
}

/* In the child: stdin is empty, stdout goes to `output`. */
static bool redirect(const char *output, int errors)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = null;
    if (output)
        out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return null >= 0 && out >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
           dup2(out, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0;
}

static bool spawn_process(struct running_process *p, const char *const *words,
                          const char *output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return false;
    pid_t parent = getpid();
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent && redirect(output, ends[1]))
            execv(words[0], (char *const *)words);
        _exit(127);
    }
    close(ends[1]);
    p->errors = ends[0];
    if (p->pid > 0)
        return true;
    close(ends[0]);
    return false;
}

/* Keeps the last error message; other lines are progress, which the parent shows
 * itself. */
static void read_stderr_line(struct subprocess *c, struct running_process *p)
{
    char begins[64];
    int n = snprintf(begins, sizeof(begins), "weft %s: ", c->command);
    p->line[p->length] = '\0';
    if (!strncmp(p->line, begins, (size_t)n))
        snprintf(c->error, sizeof(c->error), "%s", p->line + n);
    p->length = 0;
}

/* False at end of file. */
static bool read_stderr(struct subprocess *c, struct running_process *p)
{
    char bytes[4096];
    ssize_t got = read(p->errors, bytes, sizeof(bytes));
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    for (ssize_t i = 0; i < got; i++)
        if (bytes[i] == '\n')
            read_stderr_line(c, p);
        else if (p->length + 1 < sizeof(p->line))
            p->line[p->length++] = bytes[i];
    return got > 0;
}

/* Waits until the process ends, is interrupted or exceeds its limit plus a grace period:
 * a hanging compiler checks no clock. */
static void wait_for(struct subprocess *c, struct running_process *p,
                     const char *activity)
{
    double begin = term_seconds(), grace = c->limit / 4 > 15 ? c->limit / 4 : 15;
    double stop = INFINITY;
    bool open = true;
    while (!p->ended) {
        struct pollfd look = {.fd = p->errors, .events = POLLIN};
        double gone = term_seconds() - begin;
        int ready = poll(&look, open, 100);
        if (ready > 0)
            open = read_stderr(c, p);
        p->ended = waitpid(p->pid, &p->status, WNOHANG) == p->pid;
        if (p->ended)
            break;
        p->late = p->late || gone > c->limit + grace;
        if ((interrupted || p->late) && !isfinite(stop)) {
            kill(p->pid, p->late ? SIGKILL : SIGTERM);
            stop = gone + kill_delay;
        }
        if (gone > stop)
            kill(p->pid, SIGKILL);
        term_progress("%s: %.0f s elapsed, at most %.0f s left", activity, gone,
                      c->limit > gone ? c->limit - gone : 0);
    }
    fcntl(p->errors, F_SETFL, O_NONBLOCK);
    while (open && poll(&(struct pollfd){.fd = p->errors, .events = POLLIN}, 1, 0) > 0)
        open = read_stderr(c, p);
    read_stderr_line(c, p);
    close(p->errors);
    term_progress_clear();
}

static void describe_exit(struct subprocess *c, const struct running_process *p)
{
    int code = WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -1;
    if (interrupted)
        snprintf(c->error, sizeof(c->error), "interrupted");
    else if (p->late)
        snprintf(c->error, sizeof(c->error),
                 "did not end within %.0f s and was stopped; raise --time-limit",
                 c->limit);
    else if (WIFSIGNALED(p->status))
        snprintf(c->error, sizeof(c->error), "the driver crashed: %s",
                 strsignal(WTERMSIG(p->status)));
    else if (code == APP_OK || code == APP_VERIFICATION_FAILED)
        c->error[0] = '\0'; /* mismatches are reported individually */
    else if (!c->error[0])
        snprintf(c->error, sizeof(c->error), "ended with exit code %d", code);
}

void subprocess_run(struct subprocess *c, const char *const *words, const char *activity)
{
    struct running_process p = {.errors = -1};
    c->error[0] = '\0';
    if (spawn_process(&p, words, c->output)) {
        wait_for(c, &p, activity);
        describe_exit(c, &p);
    } else {
        snprintf(c->error, sizeof(c->error), "no process could be started: %s",
                 strerror(errno));
    }
}
