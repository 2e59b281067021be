/* SPDX-License-Identifier: Apache-2.0 */
/* The crash journal: a file of one row beside the tuning file. */
#include "device/tuning_journal.h"

#include "device/tuning_file.h"
#include "util/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *journal_path(const struct weft_tuning *t)
{
    return weft_tuning_path_with(t, ".journal");
}

enum weft_status weft_journal_write(weft_context *ctx, const struct weft_tuning *t,
                                    const char *problem, const char *config,
                                    uint64_t fingerprint)
{
    char line[WEFT_TUNING_LINE];
    char *path = journal_path(t);
    if (!path)
        return t->path ? weft_out_of_memory(ctx, "tuning", strlen(t->path)) : WEFT_OK;
    int n = snprintf(line, sizeof(line), "%s | %s | %s | 0 of 0 ms | %016" PRIx64 "\n",
                     problem, config, weft_tuning_entry_states[WEFT_TUNING_CRASHED],
                     fingerprint);
    enum weft_status status = WEFT_OK;
    if (n > 0 && n < WEFT_TUNING_LINE)
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
    if (path && weft_file_exists(path) &&
        !weft_file_read(NULL, path, WEFT_TUNING_LINE, &file)) {
        status = weft_tuning_read(ctx, t, (const char *)file.bytes, file.size, false,
                                  &damaged);
        if (!status && !weft_tuning_save(NULL, t))
            weft_journal_clear(t);
        weft_file_free(&file);
    }
    free(path);
    return status;
}
