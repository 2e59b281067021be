/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of crash signals; the messages are formatted in advance. A crash of weft's own
 * code is then delivered again, so that a core is dumped. */
#define _GNU_SOURCE
#include "core/crash_handler.h"

#include "core/app.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
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

static char messages[CRASHES][512], own_messages[CRASHES][256];
static const char *command_name;
static pid_t watched; /* not the child processes of libraries */

/* Loaded code: of this program, of libweft, and of the C library, which raises SIGABRT
 * and crashes in memcpy for its callers. */
static struct code_range {
    uintptr_t first, last;
} own[2], libc;

static int find_range(struct dl_phdr_info *object, size_t size, void *out)
{
    (void)size;
    struct code_range *range = out;
    uintptr_t first = UINTPTR_MAX, last = 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t at = object->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD)
            continue;
        first = at < first ? at : first;
        last = at + part->p_memsz > last ? at + part->p_memsz : last;
    }
    if (range->first < first || range->first >= last)
        return 0;
    *range = (struct code_range){first, last};
    return 1;
}

/* The loaded object that contains `address`. */
static struct code_range range_of(const void *address)
{
    struct code_range range = {(uintptr_t)address, 0};
    return dl_iterate_phdr(find_range, &range) ? range : (struct code_range){1, 0};
}

static bool contains(struct code_range range, const void *address)
{
    return (uintptr_t)address >= range.first && (uintptr_t)address < range.last;
}

/* True if the innermost function that is not of the C library is weft's. The first two
 * frames are the handler and the kernel's return from it. */
static bool is_own_crash(void)
{
    void *frames[32];
    int count = backtrace(frames, 32);
    for (int i = 2; i < count; i++)
        if (!contains(libc, frames[i]))
            return contains(own[0], frames[i]) || contains(own[1], frames[i]);
    return false;
}

static void write_message(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static void on_crash(int number)
{
    signal(number, SIG_DFL);
    for (int i = 0; i < CRASHES && getpid() == watched; i++)
        if (crashes[i].number == number) {
            if (is_own_crash()) {
                write_message(own_messages[i]);
                break;
            }
            write_message(messages[i]);
            _exit(APP_FAILED);
        }
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
    for (int i = 0; i < CRASHES; i++)
        snprintf(own_messages[i], sizeof(own_messages[i]),
                 "\nweft %s: crashed (%s) in weft's own code, which is a bug of weft %s: "
                 "please report it with the command and its input\n",
                 command_name, crashes[i].name, weft_version());
}

void crash_handler_install(const char *command)
{
    static char stack[1 << 16]; /* for stack overflows */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    command_name = command;
    watched = getpid();
    own[0] = range_of(crashes);
    own[1] = range_of(dlsym(RTLD_DEFAULT, "weft_version"));
    libc = range_of(dlsym(RTLD_DEFAULT, "abort"));
    backtrace(&(void *){NULL}, 1); /* loads the unwinder, which allocates */
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
