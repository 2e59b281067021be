/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of a crash, told in a sentence that was made before. */
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

static char sentences[CRASHES][512];
static const char *command_name;
static pid_t watched; /* children of libraries die as they like */

static void on_crash(int number)
{
    for (int i = 0; i < CRASHES && getpid() == watched; i++)
        if (crashes[i].number == number) {
            ssize_t told = write(2, sentences[i], strlen(sentences[i]));
            (void)told;
            _exit(APP_FAILED);
        }
    signal(number, SIG_DFL);
    raise(number);
}

static void prepare(const char *whose)
{
    for (int i = 0; i < CRASHES; i++)
        snprintf(
            sentences[i], sizeof(sentences[i]),
            "\nweft %s: crashed (%s), most likely in %s; update the driver, or go on "
            "without it: -d cpu\n",
            command_name, crashes[i].name, whose);
}

void crash_handler_install(const char *command)
{
    static char stack[1 << 16]; /* for one whose own is at its end */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    command_name = command;
    watched = getpid();
    prepare("an OpenCL driver");
    sigaltstack(&other, NULL);
    for (int i = 0; i < CRASHES; i++) {
        struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK}, old;
        if (!sigaction(crashes[i].number, NULL, &old) && old.sa_handler == SIG_DFL)
            sigaction(crashes[i].number, &action, NULL);
    }
}

void crash_handler_set_device(const struct weft_device_info *device)
{
    char whose[320];
    snprintf(whose, sizeof(whose), "the driver of %.100s (%.60s, %.60s)", device->name,
             device->platform, device->driver);
    prepare(whose);
}
