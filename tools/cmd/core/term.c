/* SPDX-License-Identifier: Apache-2.0 */
/* Terminal output. A thread reports long waits, so all writing to stderr holds one
 * lock. */
#define _GNU_SOURCE
#include "core/term.h"

#include "core/plain_text.h"

#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool color[2]; /* of stdout, stderr */
    bool live;     /* stderr can redraw a line */
    bool utf8;
} term;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool line_drawn;
static double line_time;

/* The thread that reports a long wait. */
static struct {
    pthread_t thread;
    pthread_cond_t over;
    bool running, ended, shown;
    double start;
    char activity[160];
} waiting;

double term_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *term_realloc_or_exit(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory) {
        fprintf(stderr, "weft: out of memory: %zu bytes\n", size);
        exit(1);
    }
    return memory;
}

static char *format_or_exit(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, again) + 1;
    va_end(again);
    char *text = term_realloc_or_exit(NULL, (size_t)size);
    vsnprintf(text, (size_t)size, format, args);
    return text;
}

char *term_format_or_exit(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_or_exit(format, args);
    va_end(args);
    return text;
}

void term_init(enum term_color color)
{
    const char *name = getenv("TERM"), *no = getenv("NO_COLOR");
    bool dumb = !name || !*name || !strcmp(name, "dumb");
    bool enabled = color == TERM_ALWAYS || (color == TERM_AUTO && !dumb && !(no && *no));
    term.color[0] = enabled && (color == TERM_ALWAYS || isatty(STDOUT_FILENO));
    term.color[1] = enabled && (color == TERM_ALWAYS || isatty(STDERR_FILENO));
    term.live = isatty(STDERR_FILENO) && !dumb;
    term.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static bool colored(FILE *out)
{
    return fileno(out) == STDERR_FILENO ? term.color[1]
                                        : fileno(out) == STDOUT_FILENO && term.color[0];
}

static const char *const styles[] = {
    [TERM_BOLD] = "\033[1m",  [TERM_DIM] = "\033[2m",    [TERM_GOOD] = "\033[32m",
    [TERM_WARN] = "\033[33m", [TERM_BAD] = "\033[1;31m",
};
static const char style_off[] = "\033[0m";

const char *term_style_begin(FILE *out, enum term_style style)
{
    return colored(out) ? styles[style] : "";
}

const char *term_style_end(FILE *out)
{
    return colored(out) ? style_off : "";
}

/* Narrower terminals are not believed. */
enum { NARROWEST = 20, WIDE = 100 };

/* Columns of the terminal, or of the variable COLUMNS; 0: neither is known. */
static int known_width(FILE *out)
{
    const char *variable = getenv("COLUMNS");
    struct winsize size;
    if (!ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col >= NARROWEST)
        return size.ws_col;
    int columns = variable ? atoi(variable) : 0;
    return columns >= NARROWEST ? columns : 0;
}

int term_width(FILE *out)
{
    int columns = known_width(out);
    return columns ? columns : WIDE;
}

int term_limit(FILE *out)
{
    int columns = known_width(out);
    return columns ? columns : isatty(fileno(out)) ? WIDE : INT_MAX / 2;
}

int term_prose_limit(FILE *out)
{
    int columns = term_width(out);
    return columns < WIDE ? columns : WIDE;
}

const char *term_plus_minus(void)
{
    return term.utf8 ? "\302\261" : "+-";
}

const char *term_middle_dot(void)
{
    return term.utf8 ? "\302\267" : ".";
}

/* Display width of the first `size` bytes: UTF-8 continuation bytes and escape sequences
 * take none. */
static int columns_of(const char *text, size_t size)
{
    int columns = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\033') {
            while (i < size && text[i] != 'm')
                i++;
            continue;
        }
        columns += (text[i] & 0xc0) != 0x80;
    }
    return columns;
}

int term_columns(const char *text)
{
    return columns_of(text, strlen(text));
}

const char *term_tail(const char *text, int columns)
{
    const char *tail = text + strlen(text);
    for (const char *at = tail; at > text && columns > 0;)
        if ((*--at & 0xc0) != 0x80) {
            tail = at;
            columns--;
        }
    return tail;
}

/* Length of the style sequence at `at`, which plain_text_copy keeps; 0: none. */
static size_t style_length(const char *at)
{
    if (*at != '\033' || !(term.color[0] || term.color[1]))
        return 0;
    for (size_t i = 0; i < sizeof(styles) / sizeof(*styles); i++)
        if (!strncmp(at, styles[i], strlen(styles[i])))
            return strlen(styles[i]);
    return strncmp(at, style_off, strlen(style_off)) ? 0 : strlen(style_off);
}

void term_wrap(FILE *out, const char *message, int indent, int column, int limit)
{
    char *plain = plain_text_copy(message, style_length);
    const char *text = plain ? plain : "(out of memory)";
    for (bool first = true; *text; first = false) {
        size_t span = strcspn(text, " ");
        int columns = columns_of(text, span);
        if (!first && column + 1 + columns > limit) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)span, text);
        column += columns;
        text += span + (text[span] == ' ');
    }
    fputc('\n', out);
    free(plain);
}

void term_line(int indent, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_or_exit(format, args);
    va_end(args);
    term_wrap(stdout, text, indent, 0, term_limit(stdout));
    free(text);
}

static void clear_line(void)
{
    if (line_drawn)
        fputs("\r\033[K", stderr);
    line_drawn = false;
}

void term_progress_clear(void)
{
    pthread_mutex_lock(&lock);
    clear_line();
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}

/* The message as one line that a terminal prints as it is. NULL: out of memory. */
static char *format_message(const char *format, va_list args)
{
    char *raw = NULL;
    if (vasprintf(&raw, format, args) < 0)
        return NULL;
    char *text = plain_text_copy(raw, style_length);
    free(raw);
    return text;
}

bool term_flush_stdout(void)
{
    static int first; /* errno of the first failure, which later calls overwrite */
    errno = 0;
    if (fflush(stdout) && !first)
        first = errno;
    errno = first ? first : EIO;
    return !first && !ferror(stdout);
}

static void print_message(enum term_style style, const char *lead, const char *format,
                          va_list args)
{
    enum { INDENT = 8 };
    static const char none[] = "weft: no memory for the message of an error or warning\n";
    char *text = format_message(format, args);
    if (!text) {
        ssize_t written = write(STDERR_FILENO, none, sizeof(none) - 1);
        (void)written;
        return;
    }
    term_flush_stdout();
    pthread_mutex_lock(&lock);
    clear_line();
    if (*lead)
        fprintf(stderr, "%s%s%s", term_style_begin(stderr, style), lead,
                term_style_end(stderr));
    if (term.live && *text != ' ')
        term_wrap(stderr, text, INDENT, columns_of(lead, strlen(lead)),
                  term_prose_limit(stderr));
    else
        fprintf(stderr, "%s\n", text);
    pthread_mutex_unlock(&lock);
    free(text);
}

void term_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(TERM_DIM, "", format, args);
    va_end(args);
}

void term_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(TERM_WARN, "weft: warning: ", format, args);
    va_end(args);
}

/* `message` is cut to the width of the terminal before a character. */
static void draw_line(const char *message)
{
    const char *text = plain_text(message);
    int size = term_width(stderr) - 1;
    while (size > 0 && size < (int)strlen(text) && (text[size] & 0xc0) == 0x80)
        size--;
    if (term.live)
        fprintf(stderr, "\r%.*s\033[K", size, text);
    else
        fprintf(stderr, "%s\n", text);
    line_drawn = term.live;
    fflush(stderr);
}

void term_progress(const char *format, ...)
{
    double now = term_seconds();
    if (now - line_time < (term.live ? 0.1 : 30))
        return;
    bool first = line_time == 0;
    line_time = now;
    if (first && !term.live)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    term_flush_stdout();
    pthread_mutex_lock(&lock);
    draw_line(text);
    pthread_mutex_unlock(&lock);
}

static void *report_wait(void *unused)
{
    (void)unused;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    pthread_mutex_lock(&lock);
    for (;;) {
        until.tv_sec++;
        while (!waiting.ended && !pthread_cond_timedwait(&waiting.over, &lock, &until)) {
        }
        if (waiting.ended)
            break;
        char text[200];
        snprintf(text, sizeof(text), "%s ... ", waiting.activity);
        if (term.live)
            snprintf(text, sizeof(text), "%s ... %.0f s", waiting.activity,
                     term_seconds() - waiting.start);
        if (term.live || !waiting.shown)
            draw_line(text);
        waiting.shown = true;
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

void term_wait_begin(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(waiting.activity, sizeof(waiting.activity), format, args);
    va_end(args);
    term_flush_stdout();
    waiting.ended = waiting.shown = false;
    waiting.start = term_seconds();
    pthread_cond_init(&waiting.over, NULL);
    waiting.running = !pthread_create(&waiting.thread, NULL, report_wait, NULL);
}

void term_wait_end(void)
{
    if (!waiting.running)
        return;
    pthread_mutex_lock(&lock);
    waiting.ended = true;
    pthread_cond_signal(&waiting.over);
    pthread_mutex_unlock(&lock);
    pthread_join(waiting.thread, NULL);
    pthread_cond_destroy(&waiting.over);
    waiting.running = false;
    if (waiting.shown)
        term_print("%s: %.1f s", waiting.activity, term_seconds() - waiting.start);
}
