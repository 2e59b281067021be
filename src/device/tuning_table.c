/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what tuning found, and its file. */
#include "device/tuning_table.h"

#include "util/file.h"
#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MOST_FILE = 16 << 20, MOST_LINE = 1024, FIELDS = 5 };

const char *const weft_tuning_entry_states[WEFT_TUNING_STATE_COUNT] = {
    [WEFT_TUNING_BEST] = "best",
    [WEFT_TUNING_DEFAULT] = "default",
    [WEFT_TUNING_BUNDLED] = "bundled",
    [WEFT_TUNING_WRONG] = "wrong",
    [WEFT_TUNING_BUILD_FAILED] = "build-failed",
    [WEFT_TUNING_CRASHED] = "crashed",
    [WEFT_TUNING_HUNG] = "hung",
};

static void entry_free(struct weft_tuning_entry *row)
{
    free(row->problem);
    free(row->config);
    free(row->parsed);
}

/* The row that a new one takes the place of; NULL: none. */
static struct weft_tuning_entry *same_place(struct weft_tuning *t,
                                            const struct weft_tuning_entry *row)
{
    for (int i = t->bundled; i < t->count; i++) {
        struct weft_tuning_entry *old = &t->rows[i];
        if (strcmp(old->problem, row->problem))
            continue;
        bool denied = weft_tuning_entry_rejected(row);
        if (denied == weft_tuning_entry_rejected(old) &&
            (!denied || !strcmp(old->config, row->config)))
            return old;
    }
    return NULL;
}

enum weft_status weft_tuning_set(weft_context *ctx, struct weft_tuning *t,
                                 const struct weft_tuning_entry *row)
{
    struct weft_tuning_entry copy = *row;
    copy.problem = strdup(row->problem);
    copy.config = strdup(row->config);
    copy.parsed = malloc(sizeof(*copy.parsed));
    struct weft_tuning_entry *place =
        row->state == WEFT_TUNING_BUNDLED ? NULL : same_place(t, row);
    bool whole = copy.problem && copy.config && copy.parsed;
    if (whole && !place && t->count == t->room) {
        int room = t->room ? 2 * t->room : 64;
        struct weft_tuning_entry *rows = realloc(t->rows, (size_t)room * sizeof(*rows));
        whole = rows != NULL;
        if (rows) {
            t->rows = rows;
            t->room = room;
        }
    }
    if (!whole) {
        entry_free(&copy);
        return weft_out_of_memory(ctx, "tuning", sizeof(copy));
    }
    if (!weft_problem_parse(copy.problem, copy.parsed)) {
        free(copy.parsed);
        copy.parsed = NULL;
    }
    if (place)
        entry_free(place);
    else
        place = &t->rows[t->count++];
    *place = copy;
    return WEFT_OK;
}

bool weft_tuning_rejects(const struct weft_tuning *t, const struct weft_problem *problem,
                         const char *config, uint64_t fingerprint)
{
    for (int i = 0; i < t->count; i++) {
        const struct weft_tuning_entry *row = &t->rows[i];
        if (weft_tuning_entry_rejected(row) && row->fingerprint == fingerprint &&
            row->parsed && !strcmp(row->config, config) &&
            weft_problem_batch_ratio(row->parsed, problem) == 1)
            return true;
    }
    return false;
}

/* Without the blanks at both ends. */
static char *trim(char *text)
{
    while (*text == ' ')
        text++;
    size_t length = strlen(text);
    while (length && text[length - 1] == ' ')
        text[--length] = 0;
    return text;
}

/* Cuts a line at its bars; how many fields there are. */
static int cut(char *line, char *fields[FIELDS])
{
    int count = 0;
    for (char *at = line; at; count++) {
        char *bar = strchr(at, '|');
        if (bar)
            *bar++ = 0;
        if (count < FIELDS)
            fields[count] = trim(at);
        at = bar;
    }
    return count;
}

/* Words of printable ASCII, one blank between them. */
static bool is_words(const char *text)
{
    if (!*text || strlen(text) >= 256)
        return false;
    for (const char *s = text; *s; s++)
        if (!isgraph((unsigned char)*s) && (*s != ' ' || s[1] == ' '))
            return false;
    return true;
}

/* "3.51 of 3.90 ms" */
static bool read_times(const char *text, struct weft_tuning_entry *row)
{
    char *end;
    row->seconds = weft_number_read(text, &end) / 1e3;
    if (end == text || strncmp(end, " of ", 4))
        return false;
    text = end + 4;
    row->baseline = weft_number_read(text, &end) / 1e3;
    return end != text && !strcmp(end, " ms") && row->seconds >= 0 &&
           row->seconds < 1e6 && row->baseline >= 0 && row->baseline < 1e6;
}

static bool read_fingerprint(const char *text, uint64_t *out)
{
    if (strlen(text) != 16 || text[strspn(text, "0123456789abcdef")])
        return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

/* Takes a line apart. The row's texts lie in it. */
static bool read_row(char *line, struct weft_tuning_entry *row)
{
    char *fields[FIELDS];
    int count = cut(line, fields), state = 0;
    *row = (struct weft_tuning_entry){.state = WEFT_TUNING_BUNDLED};
    if ((count != 2 && count != FIELDS) || !is_words(fields[0]) || !is_words(fields[1]))
        return false;
    row->problem = fields[0];
    row->config = fields[1];
    if (count == 2)
        return true;
    while (state < WEFT_TUNING_STATE_COUNT &&
           strcmp(weft_tuning_entry_states[state], fields[2]))
        state++;
    row->state = (enum weft_tuning_entry_state)state;
    return state < WEFT_TUNING_STATE_COUNT && row->state != WEFT_TUNING_BUNDLED &&
           read_times(fields[3], row) && read_fingerprint(fields[4], &row->fingerprint);
}

/* Whether rows of two fields, those that ship with weft, are wanted. */
static enum weft_status read_rows(weft_context *ctx, struct weft_tuning *t,
                                  const char *text, size_t size, bool bundled,
                                  int *damaged)
{
    char line[MOST_LINE];
    *damaged = 0;
    for (const char *at = text, *end = text + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        struct weft_tuning_entry row;
        if (length >= sizeof(line) || memchr(at, 0, length)) {
            ++*damaged;
        } else if (length && *at != '#') {
            memcpy(line, at, length);
            line[length] = 0;
            if (read_row(line, &row) && (row.state == WEFT_TUNING_BUNDLED) == bundled)
                WEFT_TRY(weft_tuning_set(ctx, t, &row));
            else
                ++*damaged;
        }
        at = newline ? newline + 1 : end;
    }
    return WEFT_OK;
}

enum weft_status weft_tuning_read(weft_context *ctx, struct weft_tuning *t,
                                  const char *text, size_t size, int *damaged)
{
    return read_rows(ctx, t, text, size, false, damaged);
}

/* A text that grows; NULL once memory ran out. */
struct growing {
    char *text;
    size_t size, room;
    bool failed;
};

static void grow(struct growing *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void grow(struct growing *g, const char *format, ...)
{
    enum { MOST_PIECE = 2 * MOST_LINE };
    if (g->room - g->size < MOST_PIECE) {
        g->room = 2 * g->room + 2 * (size_t)MOST_PIECE;
        char *text = realloc(g->text, g->room);
        if (!text)
            free(g->text);
        g->text = text;
        g->failed = g->failed || !text;
        if (!text)
            g->room = g->size = 0;
    }
    if (g->failed)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(g->text + g->size, MOST_PIECE, format, args);
    va_end(args);
    g->size += n < MOST_PIECE ? (size_t)n : MOST_PIECE - 1;
}

char *weft_tuning_write(const struct weft_tuning *t, size_t *size)
{
    struct growing g = {0};
    grow(&g,
         "# weft's tuning of one device. Problem | config | what came of it | its time "
         "and the default's |\n# fingerprint of driver and kernels. Made by `weft tune`; "
         "may "
         "be deleted at any time.\n# %s\n",
         t->about);
    for (int i = t->bundled; i < t->count && !g.failed; i++) {
        const struct weft_tuning_entry *row = &t->rows[i];
        char seconds[32], baseline[32];
        weft_number_write(seconds, sizeof(seconds), 4, row->seconds * 1e3);
        weft_number_write(baseline, sizeof(baseline), 4, row->baseline * 1e3);
        grow(&g, "%s | %s | %s | %s of %s ms | %016" PRIx64 "\n", row->problem,
             row->config, weft_tuning_entry_states[row->state], seconds, baseline,
             row->fingerprint);
    }
    *size = g.size;
    return g.text;
}

/* "Portable Computing Language, Xe" as "portable-computing-language-xe". */
static void file_name(const char *name, char *out, size_t size)
{
    size_t used = 0;
    for (; *name && used + 8 < size; name++) {
        char c = (char)tolower((unsigned char)*name);
        if (isalnum((unsigned char)c))
            out[used++] = c;
        else if (used && out[used - 1] != '-')
            out[used++] = '-';
    }
    while (used && out[used - 1] == '-')
        used--;
    snprintf(out + used, size - used, ".txt");
}

static enum weft_status load(weft_context *ctx, struct weft_tuning *t)
{
    struct weft_file file;
    int damaged;
    if (!weft_file_exists(t->path))
        return WEFT_OK;
    enum weft_status status = weft_file_read(NULL, t->path, MOST_FILE, &file);
    if (status == WEFT_ERR_NOMEM)
        return weft_out_of_memory(ctx, t->path, MOST_FILE);
    if (status) {
        weft_log_message(ctx, WEFT_LOG_WARN,
                         "%s: cannot be read, so this tuning is not used", t->path);
        return WEFT_OK;
    }
    status = read_rows(ctx, t, (const char *)file.bytes, file.size, false, &damaged);
    weft_file_free(&file);
    if (!status && damaged)
        weft_log_message(ctx, WEFT_LOG_WARN,
                         "%s: %d damaged line%s left out; `weft tune` measures anew",
                         t->path, damaged, damaged == 1 ? "" : "s");
    return status;
}

enum weft_status weft_tuning_open(weft_context *ctx, const char *folder, const char *name,
                                  const char *about, const char *bundled,
                                  struct weft_tuning **out)
{
    int damaged = 0;
    char file[160];
    struct weft_tuning *t = calloc(1, sizeof(*t));
    if (!t)
        return weft_out_of_memory(ctx, "tuning", sizeof(*t));
    enum weft_status status = WEFT_OK;
    snprintf(t->about, sizeof(t->about), "%s", about);
    if (bundled)
        status = read_rows(ctx, t, bundled, strlen(bundled), true, &damaged);
    t->bundled = t->count;
    file_name(name, file, sizeof(file));
    if (!status && folder && !(t->path = weft_path_join(folder, file)))
        status = weft_out_of_memory(ctx, "tuning", sizeof(file));
    if (!status && t->path)
        status = load(ctx, t);
    if (status)
        weft_tuning_destroy(&t);
    else
        *out = t;
    return status;
}

static void forget(struct weft_tuning *t, int kept)
{
    while (t->count > kept)
        entry_free(&t->rows[--t->count]);
}

void weft_tuning_destroy(struct weft_tuning **tuning)
{
    struct weft_tuning *t = *tuning;
    if (!t)
        return;
    forget(t, 0);
    free(t->rows);
    free(t->path);
    free(t);
    *tuning = NULL;
}

static enum weft_status make_folder(weft_context *ctx, const struct weft_tuning *t)
{
    char *folder = strdup(t->path);
    if (!folder)
        return weft_out_of_memory(ctx, "tuning", strlen(t->path));
    char *slash = strrchr(folder, '/');
    enum weft_status status = WEFT_OK;
    if (slash && slash != folder) {
        *slash = 0;
        status = weft_folder_create(ctx, folder, 0700);
    }
    free(folder);
    return status;
}

enum weft_status weft_tuning_save(weft_context *ctx, const struct weft_tuning *t)
{
    size_t size;
    if (!t->path)
        return WEFT_OK;
    WEFT_TRY(make_folder(ctx, t));
    char *text = weft_tuning_write(t, &size);
    if (!text)
        return weft_out_of_memory(ctx, "tuning", MOST_LINE);
    enum weft_status status = weft_file_write(ctx, t->path, text, size);
    free(text);
    return status;
}

static enum weft_status remove_file(weft_context *ctx, const char *path)
{
    if (!unlink(path) || errno == ENOENT)
        return WEFT_OK;
    return weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be removed: %s", path,
                     strerror(errno));
}

enum weft_status weft_tuning_reset_table(weft_context *ctx, struct weft_tuning *t)
{
    forget(t, t->bundled);
    weft_journal_clear(t);
    return t->path ? remove_file(ctx, t->path) : WEFT_OK;
}

/* A file beside the table's. NULL: no memory, or nothing is kept. */
static char *path_beside(const struct weft_tuning *t, const char *ending)
{
    size_t size = t->path ? strlen(t->path) + strlen(ending) + 1 : 0;
    char *path = size ? malloc(size) : NULL;
    if (path)
        snprintf(path, size, "%s%s", t->path, ending);
    return path;
}

/* A file of one row. */
static char *journal_path(const struct weft_tuning *t)
{
    return path_beside(t, ".journal");
}

enum weft_status weft_tuning_lock(weft_context *ctx, struct weft_tuning *t, int *lock)
{
    *lock = -1;
    if (!t->path)
        return WEFT_OK;
    WEFT_TRY(make_folder(ctx, t));
    char *path = path_beside(t, ".lock");
    if (!path)
        return weft_out_of_memory(ctx, "tuning", strlen(t->path));
    enum weft_status status = WEFT_OK;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        status = weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be made: %s", path,
                           strerror(errno));
    else if (flock(file, LOCK_EX | LOCK_NB))
        status = weft_fail(ctx, WEFT_ERR_FILE,
                           "%s: another process tunes this device; wait until it has "
                           "ended",
                           path);
    if (!status)
        status = load(ctx, t);
    free(path);
    if (status && file >= 0)
        close(file);
    if (!status)
        *lock = file;
    return status;
}

void weft_tuning_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

enum weft_status weft_journal_write(weft_context *ctx, const struct weft_tuning *t,
                                    const char *problem, const char *config,
                                    uint64_t fingerprint)
{
    char line[MOST_LINE];
    char *path = journal_path(t);
    if (!path)
        return t->path ? weft_out_of_memory(ctx, "tuning", strlen(t->path)) : WEFT_OK;
    int n = snprintf(line, sizeof(line), "%s | %s | %s | 0 of 0 ms | %016" PRIx64 "\n",
                     problem, config, weft_tuning_entry_states[WEFT_TUNING_CRASHED],
                     fingerprint);
    enum weft_status status = make_folder(ctx, t);
    if (!status && n > 0 && n < MOST_LINE)
        status = weft_file_write(ctx, path, line, (size_t)n);
    free(path);
    return status;
}

void weft_journal_clear(const struct weft_tuning *t)
{
    char *path = journal_path(t);
    if (path)
        unlink(path);
    free(path);
}

enum weft_status weft_journal_replay(weft_context *ctx, struct weft_tuning *t)
{
    struct weft_file file = {0};
    enum weft_status status = WEFT_OK;
    int damaged;
    char *path = journal_path(t);
    if (path && weft_file_exists(path) && !weft_file_read(NULL, path, MOST_LINE, &file)) {
        status = read_rows(ctx, t, (const char *)file.bytes, file.size, false, &damaged);
        if (!status && !weft_tuning_save(NULL, t))
            weft_journal_clear(t);
        weft_file_free(&file);
    }
    free(path);
    return status;
}
