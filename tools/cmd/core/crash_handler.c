/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of crash signals; the messages are formatted in advance. */
#define _GNU_SOURCE
#include "core/crash_handler.h"

#include "core/app.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
} crashes[] = {{SIGSEGV, "SIGSEGV"},
               {SIGBUS, "SIGBUS"},
               {SIGILL, "SIGILL"},
               {SIGFPE, "SIGFPE"},
               {SIGABRT, "SIGABRT"}};
enum { CRASHES = sizeof(crashes) / sizeof(*crashes) };

static char messages[CRASHES][512];
static const char *command_name;
static pid_t watched; /* not the child processes of libraries */

static void on_crash(int number)
{
    for (int i = 0; i < CRASHES && getpid() == watched; i++)
        if (crashes[i].number == number) {
            ssize_t written = write(2, messages[i], strlen(messages[i]));
            (void)written;
            _exit(APP_FAILED);
        }
    signal(number, SIG_DFL);
    raise(number);
}

static void format_messages(const char *culprit)
{
    for (int i = 0; i < CRASHES; i++)
        snprintf(
            messages[i], sizeof(messages[i]),
            "\nweft %s: crashed (%s), most likely in %s; update the driver, or use the "
            "host backend: -d cpu\n",
            command_name, crashes[i].name, culprit);
}

void crash_handler_install(const char *command)
{
    static char stack[1 << 16]; /* for stack overflows */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    command_name = command;
    watched = getpid();
    format_messages("an OpenCL driver");
    sigaltstack(&other, NULL);
    for (int i = 0; i < CRASHES; i++) {
        struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK}, old;
        if (!sigaction(crashes[i].number, NULL, &old) && old.sa_handler == SIG_DFL)
            sigaction(crashes[i].number, &action, NULL);
    }
}

void crash_handler_set_device(const struct weft_device_info *device)
{
    char culprit[320];
    snprintf(culprit, sizeof(culprit), "the driver of %.100s (%.60s, %.60s)",
             device->name, device->platform, device->driver);
    format_messages(culprit);
}
