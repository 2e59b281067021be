/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about how fast a device does which problem in which way, and the file
 * that keeps it.
 *
 * A problem and a config (an algorithm and its numbers) are lines of text that only the
 * backend understands; a row says what came of the config. A row is believed only while
 * its fingerprint, which the backend makes of driver, device and the kernels' sources, is
 * what the backend would fingerprint today; otherwise it is a hint of what to try first.
 *
 * The file, one row a line, fields between bars, # before what is for people:
 *
 *     vec forward n=512 in=28x28x1 ... | direct ... | best | 3.5 of 3.9 ms | 1f..
 *
 * A line that cannot be read costs one warning for the file and is left out. */
#ifndef WEFT_DEVICE_TUNING_TABLE_H
#define WEFT_DEVICE_TUNING_TABLE_H

#include "device/problem.h"

enum weft_tuning_entry_state {
    WEFT_TUNING_BEST,         /* won its race against the default */
    WEFT_TUNING_DEFAULT,      /* the default, which nothing beat */
    WEFT_TUNING_BUNDLED,      /* ships with weft */
    WEFT_TUNING_WRONG,        /* what follows is never used again */
    WEFT_TUNING_BUILD_FAILED, /* does not build or launch */
    WEFT_TUNING_CRASHED,
    WEFT_TUNING_HUNG,
    WEFT_TUNING_STATE_COUNT
};
extern const char *const weft_tuning_entry_states[WEFT_TUNING_STATE_COUNT]; /* "best" */

struct weft_tuning_entry {
    char *problem, *config;
    struct weft_problem *parsed; /* set by the table; NULL: unknown to this release */
    enum weft_tuning_entry_state state;
    double seconds,
        baseline; /* of the config, and of the default beside it; 0: unknown */
    uint64_t fingerprint;
};

struct weft_tuning {
    struct weft_tuning_entry *rows;
    int count, room;
    int bundled;     /* the first so many came with weft */
    char *path;      /* NULL: nothing is kept */
    char about[640]; /* platform, device and driver, for the head of the file */
};

static inline bool weft_tuning_entry_rejected(const struct weft_tuning_entry *row)
{
    return row->state >= WEFT_TUNING_WRONG;
}

enum { WEFT_MAX_CONFIGS = 24 };

/* A way to do a problem, and the fingerprint that a row of it would have today. */
struct weft_kernel_config {
    char text[WEFT_PROBLEM_TEXT];
    uint64_t fingerprint;
};

/* What a backend that may do a thing in several ways offers to src/tune. Problems and
 * configs are texts as its lists enter them. */
struct weft_tuner {
    /* What weft ships for devices of this class, as lines of a tuning file; or NULL. */
    const char *(*bundled)(const struct weft_device *device);

    /* Without `near`: the default first, then that of every other algorithm. With it: the
     * configs one step beside it in one number. How many; 0: no problem of this
     * device. */
    int (*configs)(struct weft_device *device, const char *problem, const char *near,
                   struct weft_kernel_config out[WEFT_MAX_CONFIGS]);

    /* The fingerprint that a row of this config would have today; 0: the config cannot do
     * the problem. */
    uint64_t (*fingerprint)(struct weft_device *device, const char *problem,
                            const char *config);
};

/* Enters a row, in the place of a row with the same problem: a verdict on a config in
 * that of one on the same config, a winner in that of the winner before. The texts are
 * copied. */
enum weft_status weft_tuning_set(weft_context *ctx, struct weft_tuning *tuning,
                                 const struct weft_tuning_entry *row);

/* Whether the config was found harmful for the problem with this fingerprint. */
bool weft_tuning_rejects(const struct weft_tuning *tuning,
                         const struct weft_problem *problem, const char *config,
                         uint64_t fingerprint);

/* The rows of a text; `damaged` lines are left out. WEFT_ERR_NOMEM. */
enum weft_status weft_tuning_read(weft_context *ctx, struct weft_tuning *tuning,
                                  const char *text, size_t size, int *damaged);

/* The text of the file, with all rows but the bundled ones; to be freed. */
char *weft_tuning_write(const struct weft_tuning *tuning, size_t *size);

/* Fills the table: the rows that ship with weft (may be NULL), then the file of the
 * device called `name` in `folder` (NULL: none). A file that cannot be read is a
 * warning. */
enum weft_status weft_tuning_open(weft_context *ctx, const char *folder, const char *name,
                                  const char *about, const char *bundled,
                                  struct weft_tuning **out);
void weft_tuning_destroy(struct weft_tuning **tuning);

/* Writes the file aside, syncs and renames it. WEFT_ERR_FILE. */
enum weft_status weft_tuning_save(weft_context *ctx, const struct weft_tuning *tuning);

/* Keeps the file for this process, which is then read again: two at once would each write
 * over what the other found. *lock is for the unlocking; -1 where nothing is kept.
 * WEFT_ERR_FILE if another process has it. */
enum weft_status weft_tuning_lock(weft_context *ctx, struct weft_tuning *tuning,
                                  int *lock);
void weft_tuning_unlock(int lock);

/* Forgets all but the bundled rows, and removes the file. */
enum weft_status weft_tuning_reset_table(weft_context *ctx, struct weft_tuning *tuning);

/* The journal: a line beside the file that says what is being tried, on the disk before
 * the trial begins. */
enum weft_status weft_journal_write(weft_context *ctx, const struct weft_tuning *tuning,
                                    const char *problem, const char *config,
                                    uint64_t fingerprint);
void weft_journal_clear(const struct weft_tuning *tuning);
/* A trial that took its process with it is entered among the crashed. */
enum weft_status weft_journal_replay(weft_context *ctx, struct weft_tuning *tuning);

#endif
