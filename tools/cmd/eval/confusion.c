/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: the confusion matrix as text. */
#include "eval/confusion.h"

#include "core/plain_text.h"
#include "core/table.h"
#include "core/term.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_CONFUSIONS = 20 };

struct eval_confusion {
    const struct confusion *counts;
    int classes;
    const char *const *names; /* of the classes */
};

static int64_t count_of(const struct eval_confusion *e, int actual, int predicted)
{
    return confusion_count(e->counts, actual, predicted);
}

/* Length of the shortest unique prefix of a class name, at least two letters. */
static int abbreviated_length(const struct eval_confusion *e, int c)
{
    int longest = (int)strlen(e->names[c]);
    for (int length = 2; length < longest; length++) {
        bool alone = true;
        for (int k = 0; k < e->classes && alone; k++)
            alone = k == c || strncasecmp(e->names[k], e->names[c], (size_t)length) != 0;
        if (alone)
            return length;
    }
    return longest;
}

/* Whole characters: what is left of one that is cut could be a control character. */
static void print_abbreviated(const struct eval_confusion *e, int c, int width)
{
    char text[128];
    int length = abbreviated_length(e, c);
    const char *name = e->names[c];
    while (name[length] && (name[length] & 0xc0) == 0x80)
        length++;
    snprintf(text, sizeof(text), "%.*s", length, name);
    const char *shown = plain_text(text);
    printf("%*s%s", width - term_columns(shown), "", shown);
}

static void print_cell(int64_t n, int width, bool right)
{
    if (!n) {
        printf("%*s%s%s%s", width - 1, "", term_style_begin(stdout, TERM_DIM),
               term_middle_dot(), term_style_end(stdout));
        return;
    }
    printf("%s%*lld%s", right ? term_style_begin(stdout, TERM_GOOD) : "", width,
           (long long)n, right ? term_style_end(stdout) : "");
}

/* False: too wide for the terminal. */
static bool print_matrix(const struct eval_confusion *e)
{
    int width = 3, left = 5, limit = term_prose_limit(stdout);
    if (left + 1 + width * e->classes > limit)
        return false;
    for (int c = 0; c < e->classes; c++) {
        char digits[32];
        for (int k = 0; k < e->classes; k++) {
            int n =
                snprintf(digits, sizeof(digits), "%lld", (long long)count_of(e, c, k));
            width = n + 1 > width ? n + 1 : width;
        }
        int shortest = abbreviated_length(e, c) + 1,
            name = term_columns(plain_text(e->names[c]));
        width = shortest > width ? shortest : width;
        left = name > left ? name : left;
    }
    if (left + 1 + width * e->classes > limit)
        return false;
    printf("\n%sConfusion matrix%s: rows are true classes, columns predictions\n%*s ",
           term_style_begin(stdout, TERM_BOLD), term_style_end(stdout), left, "");
    for (int c = 0; c < e->classes; c++)
        print_abbreviated(e, c, width);
    putchar('\n');
    for (int c = 0; c < e->classes; c++) {
        const char *name = plain_text(e->names[c]);
        printf("%s%*s ", name, left - term_columns(name), "");
        for (int k = 0; k < e->classes; k++)
            print_cell(count_of(e, c, k), width, c == k);
        putchar('\n');
    }
    return true;
}

static void print_confusions(const struct eval_confusion *e)
{
    size_t n;
    struct confusion_cell *list = confusion_mistakes(e->counts, &n);
    printf("\n%sMost frequent confusions%s (-f json prints all)\n",
           term_style_begin(stdout, TERM_BOLD), term_style_end(stdout));
    for (size_t i = 0; i < n && i < MAX_CONFUSIONS; i++)
        term_line(10, "%8lld  %s classified as %s", (long long)list[i].count,
                  plain_text(e->names[list[i].actual]),
                  plain_text(e->names[list[i].predicted]));
    free(list);
}

void eval_print_confusion(const struct confusion *confusion, const char *const *names)
{
    const struct eval_confusion e = {confusion, confusion->classes, names};
    if (!print_matrix(&e))
        print_confusions(&e);
}
