/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rates of one's own: a table of epochs or steps and rates, from a file or, in a
 * resumed run, from its checkpoint. */
#define _GNU_SOURCE
#include "train/train.h"
#include "core/text_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20, MOST_POINTS = 1 << 16 };

struct reader {
    const struct app *app;
    const char *path;
    int line;
};

static const char *const units[] = {"epoch", "step"};

/* The two words of a line; false: not two. */
static bool split(char *line, char *word[2])
{
    static const char between[] = " \t,;\r";
    char *rest = NULL;
    word[0] = strtok_r(line, between, &rest);
    word[1] = strtok_r(NULL, between, &rest);
    return word[1] && !strtok_r(NULL, between, &rest);
}

static bool is_number(const char *word, double most, double *out)
{
    char *end;
    *out = strtod(word, &end);
    return end != word && !*end && *out >= 0 && *out <= most;
}

static enum app_exit add_line(const struct reader *r, struct train_session *session,
                              char *line)
{
    char *word[2];
    double at, rate;
    line[strcspn(line, "#")] = 0;
    if (!line[strspn(line, " \t\r")])
        return APP_OK;
    bool two = split(line, word);
    if (!session->rate_unit) {
        for (int i = 0; two && i < 2; i++)
            if (!strcmp(word[0], units[i]) && !strcmp(word[1], "rate"))
                session->rate_unit = units[i];
        return session->rate_unit
                   ? APP_OK
                   : app_error(r->app, APP_BAD_INPUT,
                               "%s, line %d: the names of the columns must come first: "
                               "epoch,rate or step,rate",
                               r->path, r->line);
    }
    if (!two || !is_number(word[0], 1e9, &at) || !is_number(word[1], 1e6, &rate))
        return app_error(r->app, APP_BAD_INPUT,
                         "%s, line %d: must be two numbers, a %s and a rate, with a "
                         "decimal point",
                         r->path, r->line, session->rate_unit);
    int n = session->rate_count;
    if (n && at < session->rates[n - 1].at)
        return app_error(r->app, APP_BAD_INPUT,
                         "%s, line %d: %s %g comes after %g; sort the lines", r->path,
                         r->line, session->rate_unit, at, session->rates[n - 1].at);
    if (n == MOST_POINTS)
        return app_error(r->app, APP_BAD_INPUT, "%s: has more than %d rates", r->path,
                         MOST_POINTS);
    session->rates[session->rate_count++] =
        (struct weft_rate_point){.at = at, .rate = (float)rate};
    return APP_OK;
}

static enum app_exit parse(struct reader *r, struct train_session *session, char *text)
{
    char *rest = text, *line;
    size_t lines = 1;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    session->rates = malloc(lines * sizeof(*session->rates));
    if (!session->rates)
        return app_error(r->app, APP_FAILED, "rates: out of memory");
    while ((line = strsep(&rest, "\n"))) {
        r->line++;
        enum app_exit code = add_line(r, session, line);
        if (code)
            return code;
    }
    return session->rate_count
               ? APP_OK
               : app_error(r->app, APP_BAD_INPUT, "%s: has no rates", r->path);
}

/* The table as it is kept in a checkpoint. */
static enum app_exit write_text(struct train_session *session)
{
    enum { LINE = 64 };
    size_t size = LINE * ((size_t)session->rate_count + 1), used = 0;
    session->rates_text = malloc(size);
    if (!session->rates_text)
        return app_error(session->app, APP_FAILED, "out of memory");
    used += (size_t)snprintf(session->rates_text, size, "%s,rate\n", session->rate_unit);
    for (int i = 0; i < session->rate_count; i++)
        used += (size_t)snprintf(session->rates_text + used, size - used, "%.17g,%.9g\n",
                                 session->rates[i].at, (double)session->rates[i].rate);
    return APP_OK;
}

enum app_exit train_read_rates(struct train_session *session, const char *path)
{
    struct reader r = {session->app, path, 0};
    size_t size;
    const char *why;
    char *text = text_file_read(path, MOST_BYTES, &size, &why);
    if (!text)
        return app_error(session->app, APP_BAD_INPUT, "%s: %s", path, why);
    enum app_exit code = parse(&r, session, text);
    free(text);
    return code ? code : write_text(session);
}

enum app_exit train_restore_rates(struct train_session *session, const char *saved)
{
    struct reader r = {session->app, session->run.last, 0};
    if (!saved || !*saved)
        return APP_OK;
    char *text = strdup(saved);
    if (!text)
        return app_error(session->app, APP_FAILED, "out of memory");
    enum app_exit code = parse(&r, session, text);
    free(text);
    return code ? code : write_text(session);
}

void train_free_rates(struct train_session *session)
{
    free(session->rates);
    free(session->rates_text);
}
