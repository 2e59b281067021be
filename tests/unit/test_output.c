/* SPDX-License-Identifier: Apache-2.0 */
/* The command's tables and messages: every width, every format, and a live terminal. */
#define _GNU_SOURCE
#include "core/plain_text.h"
#include "core/table.h"
#include "core/term.h"
#include "unit/test.h"

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TEXT = 1 << 16, TERMINAL_TEXT = 4096 };

/* The text in `file`, which is emptied. */
static const char *text_of(FILE *file)
{
    static char text[MAX_TEXT];
    fflush(file);
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    rewind(file);
    CHECK(!ftruncate(fileno(file), 0));
    return text;
}

static int widest_line(const char *text)
{
    int widest = 0;
    for (const char *line = text; *line;
         line += strcspn(line, "\n"), line += *line != 0) {
        char copy[MAX_TEXT];
        snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n"), line);
        int columns = term_columns(copy);
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static void set_columns(int columns)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", columns);
    CHECK(!setenv("COLUMNS", text, 1));
}

static const struct table_column mixed[] = {
    {.key = "layer", .title = "Layer", .left = true},
    {.key = "text", .title = "Text", .left = true},
    {.key = "count", .title = "Count"},
    {.key = "hidden"},
    {.key = "rate", .title = "GFLOP/s"},
    {.key = "watts", .title = "Watts", .optional = true},
    {.key = "good", .title = "Good", .left = true},
    {.key = "kernels", .title = "Kernels", .left = true},
};
enum { MIXED = sizeof(mixed) / sizeof(*mixed), WITHOUT_KERNELS = MIXED - 1 };

static void add_mixed(struct table *t, const char *layer, const char *text, double rate)
{
    table_text(t, layer);
    table_text(t, text);
    table_int(t, 1234567);
    table_int(t, 7);
    table_double(t, rate, "%.1f", rate);
    table_double(t, NAN, "-");
    table_bool(t, rate > 0, rate > 0 ? "yes" : "no");
    if (t->column_count == MIXED)
        table_text(t, "one_kernel_of_a_long_name another_kernel_of_a_name_that_is_longer "
                      "and_a_third_kernel");
}

/* No line is wider than the limit, and nothing but the end of a text is missing. */
static void test_widths(FILE *file)
{
    for (int limit = 60; limit < 200; limit++) {
        struct table t;
        set_columns(limit);
        table_init(&t, file, TABLE_HUMAN, mixed, MIXED, false);
        add_mixed(&t, "conv1", "conv 32 3x3 pad=same stride=2x2 bias=no init=glorot", 12);
        add_mixed(&t, "a-layer-with-a-name", "relu", -1);
        table_write(&t);
        const char *text = text_of(file);
        CHECK(widest_line(text) <= limit);
        for (int c = 0; c < MIXED; c++)
            if (mixed[c].title && !mixed[c].optional)
                CHECK(strstr(text, mixed[c].title));
        CHECK(!strstr(text, "Watts") && strstr(text, "conv") &&
              strstr(text, "1,234,567"));
        CHECK(strstr(text, "one_kernel"));
        table_free(&t);
    }
    CHECK(!unsetenv("COLUMNS"));
}

/* Texts alone, of which none may be lost; and one column. */
static void test_text_columns(FILE *file)
{
    static const struct table_column texts[] = {
        {.key = "a", .title = "Aa", .left = true},
        {.key = "b", .title = "Bb", .left = true}};
    static const char *const words =
        "a text of many words, of many more words, and of more";
    for (int columns = 1; columns <= 2; columns++) {
        struct table t;
        set_columns(40);
        table_init(&t, file, TABLE_HUMAN, texts, columns, false);
        for (int i = 0; i < columns; i++)
            table_text(&t, words);
        table_write(&t);
        const char *text = text_of(file);
        CHECK(strstr(text, "Aa") && strstr(text, "a text"));
        CHECK(columns == 1 || strstr(text, "Bb"));
        CHECK(widest_line(text) <= (columns == 1 ? (int)strlen(words) : 40));
        table_free(&t);
    }
    CHECK(!unsetenv("COLUMNS"));
}

static const char *letter(int row)
{
    static char text[2];
    text[0] = (char)('A' + row);
    return text;
}

/* Each row as a column, in as many blocks as the width needs. */
static void test_transposed(FILE *file)
{
    for (int limit = 30; limit <= 200; limit += 10) {
        struct table t;
        set_columns(limit);
        table_init(&t, file, TABLE_HUMAN, mixed, WITHOUT_KERNELS, false);
        for (int i = 0; i < 6; i++) {
            add_mixed(&t,
                      "A device with a name of many words, of a platform with one too",
                      "ok", i + 1);
        }
        CHECK(table_width(&t) > 60);
        CHECK(table_column_has_data(&t, 4) && !table_column_has_data(&t, 5));
        table_write_transposed(&t, letter);
        const char *text = text_of(file);
        CHECK(widest_line(text) <= limit);
        CHECK(strstr(text, "F  A device") && strstr(text, "6.0"));
        CHECK((limit < 66) == (strstr(text, "...") != NULL));
        table_free(&t);
    }
    CHECK(!unsetenv("COLUMNS"));
}

static void test_formats(FILE *file)
{
    static const struct {
        enum table_format format;
        const char *text;
    } cases[] = {
        {TABLE_CSV, "layer,text,count,hidden,rate,watts,good\n"
                    "\"a,\"\"b\"\"\",\"'=1+1\",1234567,7,-1,,false\n"},
        {TABLE_MD, "| Layer | Text | Count | GFLOP/s | Good |\n"
                   "|:---|:---|---:|---:|:---|\n"
                   "| a,\"b\" | =1+1 | 1,234,567 | -1.0 | no |\n"},
        {TABLE_HUMAN, "Layer  Text      Count  GFLOP/s  Good\n"
                      "a,\"b\"  =1+1  1,234,567     -1.0  no\n"},
        {TABLE_JSON, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct table t;
        table_init(&t, file, cases[i].format, mixed, WITHOUT_KERNELS, false);
        add_mixed(&t, "a,\"b\"", "=1+1", -1);
        table_write(&t);
        CHECK_TEXT(text_of(file), cases[i].text);
        struct json j = {.out = file};
        table_json(&t, &j, NULL);
        CHECK(strstr(text_of(file), "\"layer\": \"a,\\\"b\\\"\""));
        table_free(&t);
    }
    /* A table that is written row by row keeps its widths. */
    static const struct table_column stream[] = {
        {.key = "n", .title = "n", .width = 4}, {.key = "t", .title = "t", .left = true}};
    struct table t;
    table_init(&t, file, TABLE_HUMAN, stream, 2, true);
    table_int(&t, 1);
    table_text(&t, "x\033y");
    table_int(&t, 12345);
    table_text(&t, "");
    CHECK_TEXT(text_of(file), "   n  t\n   1  x\\x1by\n12,345\n");
    table_free(&t);
    table_line(file, TABLE_MD, "a|b_c _d_");
    CHECK_TEXT(text_of(file), "a\\|b_c \\_d\\_\n");
    set_columns(20);
    table_line(file, TABLE_HUMAN, "eleven char words in a line");
    CHECK_TEXT(text_of(file), "eleven char words in\na line\n");
    CHECK(!unsetenv("COLUMNS"));
    CHECK_TEXT(table_thousands(-1234.6), "-1,235");
    CHECK_TEXT(table_thousands(1e300), "1e+300");
    CHECK_TEXT(table_thousands(-0.2), "0");
}

static void test_wrap(FILE *file)
{
    term_wrap(file, "one two  three", 2, 4, 8);
    CHECK_TEXT(text_of(file), "one\n  two \n  three\n");
    term_wrap(file, "a\nb\tc\033[31m", 0, 0, 80);
    CHECK_TEXT(text_of(file), "a\\nb\\tc\\x1b[31m\n");
    CHECK_INT(term_columns("\303\244\033[1mb\033[0m"), 2);
    CHECK_TEXT(term_tail("\303\244bc", 2), "bc");
    CHECK_TEXT(term_tail("\303\244bc", 3), "\303\244bc");
    CHECK_TEXT(term_tail("abc", 0), "");
    static const struct {
        const char *variable;
        int width, limit;
    } widths[] = {{"80", 80, 80},
                  {"19", 100, 0},
                  {"wide", 100, 0},
                  {"", 100, 0},
                  {"132", 132, 132}};
    for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++) {
        CHECK(!setenv("COLUMNS", widths[i].variable, 1));
        CHECK_INT(term_width(file), widths[i].width);
        CHECK(widths[i].limit ? term_limit(file) == widths[i].limit
                              : term_limit(file) > 10000);
        CHECK_INT(term_prose_limit(file), widths[i].width < 100 ? widths[i].width : 100);
    }
    CHECK(!unsetenv("COLUMNS"));
}

/* A terminal of 40 columns in the place of stderr. */
struct terminal {
    int ours, stderr_before;
};

static bool terminal_open(struct terminal *t)
{
    struct winsize size = {.ws_row = 24, .ws_col = 40};
    struct termios mode;
    t->ours = posix_openpt(O_RDWR | O_NOCTTY);
    if (t->ours < 0 || grantpt(t->ours) || unlockpt(t->ours))
        return false;
    int its = open(ptsname(t->ours), O_RDWR | O_NOCTTY);
    if (its < 0 || tcgetattr(its, &mode))
        return false;
    mode.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(its, TCSANOW, &mode);
    fflush(stderr);
    t->stderr_before = dup(STDERR_FILENO);
    bool done = !ioctl(its, TIOCSWINSZ, &size) && dup2(its, STDERR_FILENO) >= 0;
    close(its);
    return done && !fcntl(t->ours, F_SETFL, O_NONBLOCK);
}

/* The bytes that come until none come for a while. */
static void terminal_text(const struct terminal *t, char out[TERMINAL_TEXT])
{
    size_t size = 0;
    ssize_t got = 1;
    fflush(stderr);
    while (got > 0 && poll(&(struct pollfd){.fd = t->ours, .events = POLLIN}, 1, 50) > 0)
        if ((got = read(t->ours, out + size, TERMINAL_TEXT - 1 - size)) > 0)
            size += (size_t)got;
    out[size] = '\0';
}

static void pause_for(double seconds)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * seconds)}, NULL);
}

/* Checks say nothing until stderr is back. */
static void test_terminal(void)
{
    struct terminal t;
    char got[6][TERMINAL_TEXT];
    if (!terminal_open(&t)) {
        printf("no pseudo-terminal here: live lines are not checked\n");
        return;
    }
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    term_init(TERM_ALWAYS);
    int width = term_width(stderr), limit = term_limit(stderr);
    term_warn("%s", "a message of words that is wider than the terminal of 40 columns");
    terminal_text(&t, got[0]);
    term_print("  %s", "a line to be copied, which is wider than the terminal");
    terminal_text(&t, got[1]);
    term_progress("%s", "\303\244 progress of a kind that is wider than the terminal");
    term_progress("too soon");
    terminal_text(&t, got[2]);
    term_progress_clear();
    terminal_text(&t, got[3]);
    term_wait_begin("Waiting %d", 1);
    pause_for(0.999);
    pause_for(0.2);
    term_wait_end();
    terminal_text(&t, got[4]);
    term_wait_begin("not long");
    term_wait_end();
    terminal_text(&t, got[5]);
    fflush(stderr);
    dup2(t.stderr_before, STDERR_FILENO);
    close(t.stderr_before);
    close(t.ours);
    CHECK_INT(width, 40);
    CHECK_INT(limit, 40);
    CHECK_TEXT(got[0], "\033[33mweft: warning: \033[0ma message of words that\n"
                       "        is wider than the terminal of 40\n        columns\n");
    CHECK_TEXT(got[1], "  a line to be copied, which is wider than the terminal\n");
    CHECK(!strncmp(got[2], "\r\303\244 progress", 12) && strstr(got[2], "\033[K"));
    CHECK(term_columns(got[2]) <= 40);
    CHECK(!strstr(got[2], "too soon"));
    CHECK_TEXT(got[3], "\r\033[K");
    CHECK(strstr(got[4], "\rWaiting 1 ... 1 s") && strstr(got[4], "Waiting 1: 1."));
    CHECK_TEXT(got[5], "");
    term_init(TERM_NEVER);
    CHECK_TEXT(term_style_begin(stderr, TERM_BAD), "");
}

/* A stdout that cannot be written. */
static void test_full_stdout(void)
{
    fflush(stdout);
    int before = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    if (full < 0) {
        close(before);
        return;
    }
    dup2(full, STDOUT_FILENO);
    term_line(2, "%d words", 3);
    bool written = term_flush_stdout();
    dup2(before, STDOUT_FILENO);
    close(before);
    close(full);
    CHECK(!written && !term_flush_stdout());
    clearerr(stdout);
}

int main(void)
{
    FILE *file = tmpfile();
    REQUIRE(file);
    setlocale(LC_CTYPE, "C.UTF-8");
    term_init(TERM_NEVER);
    unsetenv("COLUMNS");
    test_widths(file);
    test_text_columns(file);
    test_transposed(file);
    test_formats(file);
    test_wrap(file);
    test_terminal();
    test_full_stdout();
    fclose(file);
    return test_end();
}
