/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: parsing with getopt_long, help, and suggestions for misspelt
 * words. */
#define _GNU_SOURCE
#include "core/args.h"

#include "core/plain_text.h"
#include "core/term.h"
#include "os/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_OPTIONS = 64, LONG_BASE = 1000, HELP_LONG = 999 };

/* A parser returns NULL, or a description of the values it accepts. */
typedef const char *(*parse_fn)(const struct args_option *option, const char *text,
                                void *field);

static bool in_range(const struct args_option *o, double value)
{
    return (o->min == 0 && o->max == 0) || (value >= o->min && value <= o->max);
}

static const char *describe_range(const struct args_option *o, const char *what)
{
    static char text[96];
    if (o->min == 0 && o->max == 0)
        snprintf(text, sizeof(text), "%s", what);
    else
        snprintf(text, sizeof(text), "%s from %.10g to %.10g", what, o->min, o->max);
    return text;
}

static const char *parse_flag(const struct args_option *o, const char *text, void *field)
{
    (void)o, (void)text;
    *(bool *)field = true;
    return NULL;
}

static const char *parse_text(const struct args_option *o, const char *text, void *field)
{
    (void)o;
    *(const char **)field = text;
    return *text ? NULL : "a non-empty text";
}

static const char *parse_int(const struct args_option *o, const char *text, void *field)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < INT_MIN || value > INT_MAX ||
        !in_range(o, (double)value))
        return describe_range(o, "an integer");
    *(int *)field = (int)value;
    return NULL;
}

static const char *parse_seed(const struct args_option *o, const char *text, void *field)
{
    (void)o;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || value == ARGS_SEED_UNSET)
        return "an integer from 0 to 18446744073709551614";
    *(uint64_t *)field = value;
    return NULL;
}

static bool read_real(const char *text, double *value, char **end)
{
    *value = strtod(text, end);
    return *end != text && isfinite(*value);
}

static const char *parse_real(const struct args_option *o, const char *text, void *field)
{
    char *end;
    double value;
    if (!read_real(text, &value, &end) || *end || !in_range(o, value))
        return describe_range(o, "a number");
    *(double *)field = value;
    return NULL;
}

static const char *parse_fraction(const struct args_option *o, const char *text,
                                  void *field)
{
    (void)o;
    static const char accepted[] = "a fraction such as 0.9 or 90%";
    char *end;
    double value;
    if (!read_real(text, &value, &end) || value <= 0)
        return accepted;
    bool percent = !strcmp(end, "%");
    if ((*end && !percent) || value > 100)
        return accepted;
    *(double *)field = percent || value > 1 ? value / 100 : value;
    return NULL;
}

static const char *parse_duration(const struct args_option *o, const char *text,
                                  void *field)
{
    (void)o;
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}};
    char *end;
    double value;
    if (read_real(text, &value, &end) && value > 0)
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
            if (!strcmp(end, units[i].unit)) {
                *(double *)field = value * units[i].seconds;
                return NULL;
            }
    return "a duration such as 90s, 5m or 1.5h";
}

static const char *parse_count_or_percent(const struct args_option *o, const char *text,
                                          void *field)
{
    (void)o;
    char *end;
    double value;
    if (read_real(text, &value, &end) && value >= 0) {
        bool percent = !strcmp(end, "%");
        if ((percent && value < 100) ||
            (!*end && value == floor(value) && value < INT_MAX)) {
            *(struct args_count_or_percent *)field =
                (struct args_count_or_percent){value, percent};
            return NULL;
        }
    }
    return "a count such as 5000 or a percentage such as 10%";
}

static const char *parse_choice(const struct args_option *o, const char *text,
                                void *field)
{
    static char accepted[192];
    size_t length = strlen(text);
    const char *word = o->value;
    for (int index = 0; *word; index++) {
        size_t span = strcspn(word, "|");
        if (span == length && !strncasecmp(word, text, span)) {
            *(int *)field = index;
            return NULL;
        }
        word += span + (word[span] == '|');
    }
    const char *words[16];
    char copy[128], *rest = NULL, close[WEFT_SUGGESTION];
    int count = 0;
    snprintf(copy, sizeof(copy), "%s", o->value);
    for (char *next = strtok_r(copy, "|", &rest); next && count < 16;
         next = strtok_r(NULL, "|", &rest))
        words[count++] = next;
    snprintf(accepted, sizeof(accepted), "one of %s%s", o->value,
             weft_suggestion(text, words, count, close));
    return accepted;
}

static const parse_fn parsers[] = {
    [ARGS_FLAG] = parse_flag,         [ARGS_TEXT] = parse_text,
    [ARGS_INT] = parse_int,           [ARGS_SEED] = parse_seed,
    [ARGS_DOUBLE] = parse_real,       [ARGS_FRACTION] = parse_fraction,
    [ARGS_DURATION] = parse_duration, [ARGS_COUNT_OR_PERCENT] = parse_count_or_percent,
    [ARGS_CHOICE] = parse_choice,
};
_Static_assert(sizeof(parsers) / sizeof(*parsers) == ARGS_KIND_COUNT, "every kind");

/* All options of a command: its own, then those of the shared tables. */
struct option_list {
    const struct args_option *options[MAX_OPTIONS];
    int count;
};

static void append_table(struct option_list *list, const struct args_option *table)
{
    for (; table->name && list->count < MAX_OPTIONS; table++)
        list->options[list->count++] = table;
}

static void list_options(const struct args_command *c, struct option_list *list)
{
    list->count = 0;
    append_table(list, c->options);
    for (int i = 0; c->shared[i]; i++)
        append_table(list, c->shared[i]);
}

static void print_hint(const struct args_command *c)
{
    fprintf(stderr, "weft %s --help lists the options\n", c->name);
}

static enum args_result reject_unknown(const struct args_command *c,
                                       const struct option_list *list, const char *text)
{
    const char *names[MAX_OPTIONS + 1];
    int n = 0;
    for (int i = 0; i < list->count; i++)
        if (list->options[i]->help)
            names[n++] = list->options[i]->name;
    names[n++] = "help";
    char word[64];
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(text + 2, "="), text + 2);
    const char *close = weft_suggest(word, names, n);
    fprintf(stderr, "weft %s: there is no option --%s", c->name, plain_text(word));
    if (close)
        fprintf(stderr, "; did you mean --%s?", close);
    fputc('\n', stderr);
    print_hint(c);
    return ARGS_INVALID;
}

static enum args_result check_operands(const struct args_command *c, int given,
                                       char **operands)
{
    int most = c->operands_max;
    if (given < c->operands_min) {
        fprintf(stderr, "weft %s: missing operand: %s\n", c->name, c->operands);
        print_hint(c);
        return ARGS_INVALID;
    }
    if (most >= 0 && given > most) {
        fprintf(stderr, "weft %s: unexpected operand '%s'\n", c->name,
                plain_text(operands[most]));
        print_hint(c);
        return ARGS_INVALID;
    }
    for (int i = 0; i < given; i++)
        if (!*operands[i]) {
            fprintf(stderr,
                    "weft %s: operand %d is '', but must be a non-empty text: %s\n",
                    c->name, i + 1, c->operands);
            return ARGS_INVALID;
        }
    return ARGS_OK;
}

/* The option's word on the command line, "--batch" or "--batch=8". */
static const char *option_word(char **argv, const struct args_option *o)
{
    bool separate = o->kind != ARGS_FLAG && optarg == argv[optind - 1];
    return argv[optind - (separate ? 2 : 1)];
}

/* getopt_long accepts abbreviations; they would let --time stand for --time-limit. */
static bool is_abbreviated(const char *word, const struct args_option *o)
{
    return strcspn(word + 2, "=") < strlen(o->name);
}

static enum args_result assign(const struct args_command *c, const struct args_option *o,
                               void *fields)
{
    const char *accepted = parsers[o->kind](o, optarg, (char *)fields + o->offset);
    if (!accepted)
        return ARGS_OK;
    fprintf(stderr, "weft %s: --%s is '%s', but must be %s\n", c->name, o->name,
            plain_text(optarg), accepted);
    return ARGS_INVALID;
}

const char *args_store(const struct args_command *c, const char *name, const char *text,
                       void *fields)
{
    struct option_list list;
    list_options(c, &list);
    for (int i = 0; i < list.count; i++) {
        const struct args_option *o = list.options[i];
        if (!strcmp(o->name, name) && o->kind != ARGS_FLAG)
            return parsers[o->kind](o, text, (char *)fields + o->offset);
    }
    return "the value of an option that exists";
}

enum args_result args_parse(const struct args_command *c, int argc, char **argv,
                            void *fields, int *first)
{
    struct option longs[MAX_OPTIONS + 2] = {{0}};
    char shorts[2 * MAX_OPTIONS + 4] = ":h";
    struct option_list list;
    int at = 2;
    list_options(c, &list);
    for (int i = 0; i < list.count; i++) {
        const struct args_option *o = list.options[i];
        int takes = o->kind == ARGS_FLAG ? no_argument : required_argument;
        longs[i] = (struct option){o->name, takes, NULL, LONG_BASE + i};
        if (o->letter) {
            shorts[at++] = o->letter;
            if (takes)
                shorts[at++] = ':';
        }
    }
    longs[list.count] = (struct option){"help", no_argument, NULL, HELP_LONG};

    opterr = 0;
    for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (got == 'h' || got == HELP_LONG) {
            args_help(stdout, c);
            return ARGS_HELP_SHOWN;
        }
        const char *text = argv[optind - 1];
        int id = got == ':' || got == '?' ? optopt : got;
        const struct args_option *o = NULL;
        for (int i = 0; i < list.count && !o; i++)
            if (id == LONG_BASE + i || (id && id == list.options[i]->letter))
                o = list.options[i];
        if (got == '?' && !o) {
            if (!strncmp(text, "--", 2))
                return reject_unknown(c, &list, text);
            const char letter[] = {(char)optopt, '\0'};
            fprintf(stderr, "weft %s: there is no option -%s\n", c->name,
                    plain_text(letter));
            print_hint(c);
            return ARGS_INVALID;
        }
        if (got == ':' || got == '?') {
            fprintf(stderr, "weft %s: --%s %s\n", c->name, o->name,
                    got == ':' ? "needs a value" : "takes no value");
            print_hint(c);
            return ARGS_INVALID;
        }
        if (got >= LONG_BASE && is_abbreviated(option_word(argv, o), o))
            return reject_unknown(c, &list, option_word(argv, o));
        enum args_result result = assign(c, o, fields);
        if (result)
            return result;
    }
    *first = optind;
    return check_operands(c, argc - optind, argv + optind);
}

void args_help(FILE *out, const struct args_command *c)
{
    enum { LEFT = 28 };
    struct option_list list;
    list_options(c, &list);
    fprintf(out, "Usage: weft %s%s%s [OPTIONS]\n\n%c%s.\n", c->name,
            *c->operands ? " " : "", c->operands, toupper((unsigned char)*c->summary),
            c->summary + 1);
    if (c->examples)
        fprintf(out, "\n%s\n", c->examples);
    fputc('\n', out);
    term_wrap(out, c->about, 0, 0, 80);
    fputs("\nOptions\n", out);
    for (int i = 0; i < list.count; i++) {
        const struct args_option *o = list.options[i];
        char left[96];
        if (!o->help)
            continue;
        int n = o->letter
                    ? snprintf(left, sizeof(left), "  -%c, --%s", o->letter, o->name)
                    : snprintf(left, sizeof(left), "      --%s", o->name);
        if (o->kind != ARGS_FLAG)
            n += snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->value);
        fputs(left, out);
        if (n > LEFT - 2) {
            fputc('\n', out);
            n = 0;
        }
        fprintf(out, "%*s", LEFT - n, "");
        term_wrap(out, o->help, LEFT, LEFT, 80);
        if (out == stdout)
            term_flush_stdout(); /* which keeps the first error */
    }
    fprintf(out, "  -h, --help%*sprint this text\n", LEFT - 12, "");
}
