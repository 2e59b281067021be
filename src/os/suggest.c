/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions for misspelt words. */
#define _POSIX_C_SOURCE 200809L
#include "os/suggest.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Case-insensitive Damerau-Levenshtein distance. */
static int edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    int rows[LONGEST + 1][LONGEST + 1];
    int m = (int)strnlen(a, LONGEST), n = (int)strnlen(b, LONGEST);
    for (int i = 0; i <= m; i++)
        rows[i][0] = i;
    for (int j = 0; j <= n; j++)
        rows[0][j] = j;
    for (int i = 1; i <= m; i++)
        for (int j = 1; j <= n; j++) {
            int ca = tolower((unsigned char)a[i - 1]);
            int cb = tolower((unsigned char)b[j - 1]);
            int best = rows[i - 1][j - 1] + (ca != cb);
            if (rows[i - 1][j] + 1 < best)
                best = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < best)
                best = rows[i][j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && rows[i - 2][j - 2] + 1 < best)
                best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    return rows[m][n];
}

const char *weft_suggest(const char *word, const char *const *names, int count)
{
    const char *found = NULL;
    int best = strlen(word) < 4 ? 2 : 3;
    for (int i = 0; strlen(word) >= 3 && i < count; i++)
        if (!strncasecmp(word, names[i], strlen(word)))
            return names[i];
    for (int i = 0; i < count; i++) {
        int d = edit_distance(word, names[i]);
        if (d < best) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

const char *weft_suggestion(const char *word, const char *const *names, int count,
                            char out[WEFT_SUGGESTION])
{
    const char *close = weft_suggest(word, names, count);
    out[0] = '\0';
    if (close)
        snprintf(out, WEFT_SUGGESTION, "; did you mean %.64s?", close);
    return out;
}
