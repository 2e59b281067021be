/* SPDX-License-Identifier: Apache-2.0 */
/* Small valid files of each kind that fuzz_models.c reads. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "unit/fuzz.h"
#include "unit/test.h"

#include <weft/train.h>

weft_trainer *fuzz_trainer(void);

static void replay_text(const char *name, const char *text)
{
    fuzz_replay(name, name, false, (const uint8_t *)text, strlen(text));
}

static void replay_checkpoint(void)
{
    char path[] = "/tmp/weft-fuzz-XXXXXX", file[64];
    uint8_t bytes[1 << 16];
    REQUIRE(mkdtemp(path));
    snprintf(file, sizeof(file), "%s/model", path);
    REQUIRE(!weft_trainer_save_checkpoint(fuzz_trainer(), file, NULL));
    FILE *in = fopen(file, "rb");
    REQUIRE(in);
    size_t size = fread(bytes, 1, sizeof(bytes), in);
    fclose(in);
    unlink(file);
    rmdir(path);
    fuzz_replay("model", "checkpoint", true, bytes, size);
}

void fuzz_seeds(void)
{
    replay_text("network", "conv 4 3x3 relu\nmax-pool 2\nflatten\ndropout 0.1\n"
                           "dense 3\nsoftmax\noptimizer adam 0.01\nbatch 16\n");
    replay_text("tuning",
                "vec conv_forward n=1 in=8x8x4 out=6x6x8 window=3x3 bias relu | "
                "direct vector-width=8 | best | 1.5 of 2 ms | "
                "0123456789abcdef\n");
    replay_checkpoint();
}
