/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol by which images are drawn: the terminal is asked. */
#define _GNU_SOURCE
#include "core/term.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Terminals answer at once, if not over a slow line; what comes later than this would be
 * input of the shell. */
static const double patience = 1;

/* A query of kitty's graphics, which others ignore, and the primary device attributes,
 * which all answer: `ESC [ ? 62 ; 4 c`, where 4 is for sixels. */
static const char query[] = "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[c";
static const char kitty_answer[] = "\033_Gi=31;OK";

enum { ANSWER = 512, SIGNALS = 4 };
static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* The terminal's mode, which is restored before a signal has its effect. */
static struct termios mode;
static struct sigaction old[SIGNALS];

static void on_signal(int number)
{
    int error = errno;
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            sigaction(number, &old[i], NULL);
    raise(number);
    errno = error;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &old[i]);
        if (old[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(void)
{
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &old[i], NULL);
}

/* The parameters of the device attributes, if they are complete. */
static const char *attributes_of(const char *answer)
{
    const char *at = strstr(answer, "\033[?");
    return at && at[3 + strspn(at + 3, "0123456789;")] == 'c' ? at + 3 : NULL;
}

static bool has_sixels(const char *attributes)
{
    for (const char *at = attributes; *at != 'c'; at += *at == ';')
        if (strtol(at, (char **)&at, 10) == 4)
            return true;
    return false;
}

/* The answer as far as it comes in time. */
static void read_answer(char *answer)
{
    double end = term_seconds() + patience;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t size = 0;
    while (size < ANSWER - 1 && !attributes_of(answer)) {
        double left = end - term_seconds();
        int ready = left > 0 ? poll(&input, 1, (int)(left * 1e3) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got =
            ready > 0 ? read(STDIN_FILENO, answer + size, ANSWER - 1 - size) : 0;
        if (got <= 0)
            break;
        size += (size_t)got;
        answer[size] = '\0';
    }
}

/* Input that was typed before must remain: the terminal is not asked then. */
static void ask(char *answer)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (tcgetattr(STDIN_FILENO, &mode))
        return;
    struct termios raw = mode;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = raw.c_cc[VTIME] = 0;
    catch_signals();
    if (!tcsetattr(STDIN_FILENO, TCSANOW, &raw)) {
        if (!poll(&input, 1, 0) &&
            write(STDOUT_FILENO, query, sizeof(query) - 1) == sizeof(query) - 1) {
            read_answer(answer);
            if (!attributes_of(answer))
                tcflush(STDIN_FILENO, TCIFLUSH);
        }
        tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    }
    release_signals();
}

/* Multiplexers pass no images on, and a few terminals print what they are asked. */
static bool may_be_asked(void)
{
    static const char *const never[] = {"dumb", "eterm", "linux", "screen", "tmux"};
    const char *name = getenv("TERM");
    if (!name || !*name || getenv("TMUX") || getenv("STY"))
        return false;
    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        if (!strncmp(name, never[i], strlen(never[i])))
            return false;
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
           tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static enum term_graphics requested;

void term_graphics_init(enum term_graphics graphics)
{
    requested = graphics;
}

enum term_graphics term_graphics(FILE *out)
{
    char answer[ANSWER] = "";
    if (requested != TERM_GRAPHICS_AUTO)
        return requested;
    if (fileno(out) != STDOUT_FILENO || !*term_style_end(out) || !may_be_asked())
        return TERM_GRAPHICS_BLOCKS;
    fflush(out);
    ask(answer);
    const char *attributes = attributes_of(answer);
    requested = !attributes                    ? TERM_GRAPHICS_BLOCKS
                : strstr(answer, kitty_answer) ? TERM_GRAPHICS_KITTY
                : has_sixels(attributes)       ? TERM_GRAPHICS_SIXEL
                                               : TERM_GRAPHICS_BLOCKS;
    return requested;
}
