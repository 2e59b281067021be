/* SPDX-License-Identifier: Apache-2.0 */
/* The crash journal of tuning: names the config under trial, on disk before the trial
 * begins, so that a config that crashes its process is rejected afterwards. */
#ifndef WEFT_DEVICE_TUNING_JOURNAL_H
#define WEFT_DEVICE_TUNING_JOURNAL_H

#include "device/tuning_table.h"

/* The tuning file must be locked, which also creates its folder. */
enum weft_status weft_journal_write(weft_context *ctx, const struct weft_tuning *tuning,
                                    const char *problem, const char *config,
                                    uint64_t fingerprint);
void weft_journal_clear(const struct weft_tuning *tuning);

/* Enters the config of a journal that was left behind as crashed. */
enum weft_status weft_journal_replay(weft_context *ctx, struct weft_tuning *tuning);

#endif
