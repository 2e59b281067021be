/* SPDX-License-Identifier: Apache-2.0 */
/* The process in which choices are tried. It is started anew, never forked: a process
 * with an OpenCL context has threads and locks that a fork would break. */
#define _GNU_SOURCE
#include "tune.h"

#include "../util/clock.h"

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

/* Its standard input and output are one socket, what it says on stderr is not shown, and
 * it is a process group of its own, which Ctrl-C on a terminal does not reach. */
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

void tune_link_stop(struct tune_link *link)
{
    if (!link->command) {
        tune_worker_finish(&link->here);
        return;
    }
    if (link->process > 0) {
        kill(link->process, SIGKILL);
        while (waitpid(link->process, NULL, 0) < 0 && errno == EINTR)
            ;
        close(link->socket);
    }
    link->process = 0;
}

enum weft_status tune_link_start(struct tune_link *link, double patience)
{
    int ends[2];
    pid_t process = 0;
    char reply[TUNE_LINE];
    if (!link->command || link->process > 0)
        return WEFT_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return weft_fail(link->ctx, WEFT_ERR_DEVICE, "tuning: no socket: %s",
                         strerror(errno));
    int error = spawn(link->command, ends[1], &process);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        return weft_fail(link->ctx, WEFT_ERR_DEVICE, "tuning: %s cannot be started: %s",
                         link->command[0], strerror(error));
    }
    link->process = (int)process;
    link->socket = ends[0];
    enum tune_outcome outcome =
        tune_link_ask(link, "hello", weft_clock_seconds() + patience, reply);
    if (outcome == TUNE_STOPPED ||
        (outcome == TUNE_ANSWERED && !strcmp(reply, "weft tune 1")))
        return WEFT_OK;
    tune_link_stop(link);
    return weft_fail(link->ctx, WEFT_ERR_DEVICE,
                     "tuning: the process that tries kernels (%s) did not start: it %s",
                     link->command[0],
                     outcome == TUNE_DIED   ? "ended at once"
                     : outcome == TUNE_LATE ? "does not answer"
                                            : "is of another version");
}

/* Waits for a line, a fifth of a second at a time. */
static enum tune_outcome receive(struct tune_link *link, double deadline,
                                 char reply[TUNE_LINE])
{
    size_t used = 0;
    for (;;) {
        struct pollfd wait = {.fd = link->socket, .events = POLLIN};
        if (link->go_on && !link->go_on(link->priv))
            return TUNE_STOPPED;
        if (weft_clock_seconds() > deadline)
            return TUNE_LATE;
        if (poll(&wait, 1, 200) <= 0)
            continue;
        ssize_t n = recv(link->socket, reply + used, TUNE_LINE - used, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return TUNE_DIED;
        used += (size_t)n;
        char *end = memchr(reply, '\n', used);
        if (end) {
            *end = 0;
            return TUNE_ANSWERED;
        }
        if (used == TUNE_LINE)
            return TUNE_DIED;
    }
}

enum tune_outcome tune_link_ask(struct tune_link *link, const char *request,
                                double deadline, char reply[TUNE_LINE])
{
    char line[TUNE_LINE];
    if (!link->command) {
        tune_answer(&link->here, request, reply);
        return TUNE_ANSWERED;
    }
    int n = snprintf(line, sizeof(line), "%s\n", request);
    enum tune_outcome outcome = TUNE_DIED;
    if (n > 0 && n < (int)sizeof(line) &&
        send(link->socket, line, (size_t)n, MSG_NOSIGNAL) == n)
        outcome = receive(link, deadline, reply);
    if (outcome != TUNE_ANSWERED)
        tune_link_stop(link);
    return outcome;
}
