/* SPDX-License-Identifier: Apache-2.0 */
/* The process that runs trials. It is spawned, never forked: a process with an OpenCL
 * context has threads and locks that a fork would break. */
#define _GNU_SOURCE
#include "tune/tune.h"

#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* One socket is its standard input and output, its stderr is discarded, and it is a
 * process group of its own, which Ctrl-C on a terminal does not reach. */
static int spawn(const char *const *command, int socket, pid_t *process)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    if ((error = posix_spawnattr_init(&attributes))) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    error = posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, socket, STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                                 O_WRONLY, 0);
    if (!error)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (!error)
        error = posix_spawnp(process, command[0], &actions, &attributes,
                             (char *const *)command, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

void tune_worker_process_stop(struct tune_worker_process *worker)
{
    if (!worker->command) {
        tune_worker_close(&worker->in_process);
        return;
    }
    if (worker->process > 0) {
        kill(worker->process, SIGKILL);
        while (waitpid(worker->process, NULL, 0) < 0 && errno == EINTR)
            ;
        close(worker->socket);
    }
    worker->process = 0;
}

enum weft_status tune_worker_process_start(struct tune_worker_process *worker,
                                           double timeout)
{
    int ends[2];
    pid_t process = 0;
    char reply[TUNE_LINE_BYTES];
    if (!worker->command || worker->process > 0)
        return WEFT_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return weft_fail(worker->ctx, WEFT_ERR_DEVICE, "tuning: no socket: %s",
                         strerror(errno));
    int error = spawn(worker->command, ends[1], &process);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        return weft_fail(worker->ctx, WEFT_ERR_DEVICE, "tuning: %s cannot be started: %s",
                         worker->command[0], strerror(error));
    }
    worker->process = (int)process;
    worker->socket = ends[0];
    enum tune_outcome outcome = tune_worker_process_request(
        worker, "hello", weft_clock_seconds() + timeout, reply);
    if (outcome == TUNE_CANCELLED ||
        (outcome == TUNE_REPLIED && !strcmp(reply, "weft tune 1")))
        return WEFT_OK;
    tune_worker_process_stop(worker);
    return weft_fail(worker->ctx, WEFT_ERR_DEVICE,
                     "tuning: the process that runs trials (%s) did not start: it %s",
                     worker->command[0],
                     outcome == TUNE_WORKER_DIED ? "ended at once"
                     : outcome == TUNE_TIMED_OUT ? "does not answer"
                                                 : "is of another version");
}

/* Waits for a line, a fifth of a second at a time. */
static enum tune_outcome receive(struct tune_worker_process *worker, double deadline,
                                 char reply[TUNE_LINE_BYTES])
{
    size_t used = 0;
    for (;;) {
        struct pollfd wait = {.fd = worker->socket, .events = POLLIN};
        if (worker->should_continue && !worker->should_continue(worker->priv))
            return TUNE_CANCELLED;
        if (weft_clock_seconds() > deadline)
            return TUNE_TIMED_OUT;
        if (poll(&wait, 1, 200) <= 0)
            continue;
        ssize_t n = recv(worker->socket, reply + used, TUNE_LINE_BYTES - used, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return TUNE_WORKER_DIED;
        used += (size_t)n;
        char *end = memchr(reply, '\n', used);
        if (end) {
            *end = 0;
            return TUNE_REPLIED;
        }
        if (used == TUNE_LINE_BYTES)
            return TUNE_WORKER_DIED;
    }
}

enum tune_outcome tune_worker_process_request(struct tune_worker_process *worker,
                                              const char *request, double deadline,
                                              char reply[TUNE_LINE_BYTES])
{
    char line[TUNE_LINE_BYTES];
    if (!worker->command) {
        tune_worker_handle_request(&worker->in_process, request, reply);
        return TUNE_REPLIED;
    }
    int n = snprintf(line, sizeof(line), "%s\n", request);
    enum tune_outcome outcome = TUNE_WORKER_DIED;
    if (n > 0 && n < (int)sizeof(line) &&
        send(worker->socket, line, (size_t)n, MSG_NOSIGNAL) == n)
        outcome = receive(worker, deadline, reply);
    if (outcome != TUNE_REPLIED)
        tune_worker_process_stop(worker);
    return outcome;
}
