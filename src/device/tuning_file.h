/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a device's tuning results. One row a line, fields separated by bars; #
 * starts a comment:
 *
 *     vec forward n=512 in=28x28x1 ... | direct ... | best | 3.5 of 3.9 ms | 1f..
 *
 * Rows that are bundled with weft have the first two fields only. Damaged lines are
 * ignored, with one warning for the file. */
#ifndef WEFT_DEVICE_TUNING_FILE_H
#define WEFT_DEVICE_TUNING_FILE_H

#include "device/tuning_table.h"

enum { WEFT_TUNING_LINE = 1024 }; /* largest line with its end */

/* tuning_format.c. Enters the rows of a text, which are all bundled or all measured ones;
 * *damaged counts the other lines. WEFT_ERR_NOMEM. */
enum weft_status weft_tuning_read(weft_context *ctx, struct weft_tuning *tuning,
                                  const char *text, size_t size, bool bundled,
                                  int *damaged);

/* The text of all measured rows, owned by the caller; NULL: out of memory. */
char *weft_tuning_write(const struct weft_tuning *tuning, size_t *size);

/* tuning_file.c. A table of the bundled rows (NULL: none) and of the file of the device
 * called `name` in `folder` (NULL: none). An unreadable file is a warning. */
enum weft_status weft_tuning_open(weft_context *ctx, const char *folder, const char *name,
                                  const char *about, const char *bundled,
                                  struct weft_tuning **out);

/* Replaces the file atomically. WEFT_ERR_FILE. */
enum weft_status weft_tuning_save(weft_context *ctx, const struct weft_tuning *tuning);
enum weft_status weft_tuning_remove(weft_context *ctx, const struct weft_tuning *tuning);

/* The path of the file with another ending, owned by the caller; NULL: out of memory, or
 * there is no file. */
char *weft_tuning_path_with(const struct weft_tuning *tuning, const char *ending);

/* Locks the file against other processes, which would overwrite each other's results, and
 * reads it again. *lock is the argument of weft_tuning_unlock; -1 without a file.
 * WEFT_ERR_FILE if another process has the lock. */
enum weft_status weft_tuning_lock(weft_context *ctx, struct weft_tuning *tuning,
                                  int *lock);
void weft_tuning_unlock(int lock);

#endif
