/* SPDX-License-Identifier: Apache-2.0 */
/* Small valid files of each kind that fuzz_files.c reads. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "unit/fuzz_files.h"
#include "unit/file_corpus.h"

#ifdef FUZZ_OPENCL
static void replay_cache(void)
{
    uint8_t binary[2000];
    for (size_t i = 0; i < sizeof(binary); i++)
        binary[i] = (uint8_t)(i * i >> 4);
    static struct buffer b;
    const char *path = fuzz_cache_entry();
    ocl_cache_write(fuzz_cache_folder, fuzz_cache_key, binary, sizeof(binary));
    FILE *file = fopen(path, "rb");
    REQUIRE(file);
    b.size = fread(b.bytes, 1, sizeof(b.bytes), file);
    fclose(file);
    unlink(path);
    fuzz_replay("cache", "cache", true, b.bytes, b.size);
}
#endif

static void replay_text(const char *reader, const char *name, const char *text)
{
    fuzz_replay(reader, name, false, (const uint8_t *)text, strlen(text));
}

#define RUN(device)                                                                      \
    "{\"schema\":\"weft.bench/2\",\"weft\":\"1\",\"commit\":\"a\",\"device\":{\"name\":" \
    "\"" device "\",\"platform\":\"P\",\"driver\":\"1.0\",\"id\":\"p/1\"},\"roofline\":" \
    "{\"flops_per_second\":1e12,\"memory\":[{\"bytes\":1e6,\"read_bytes_per_second\":"   \
    "1e10}]},\"rows\":[{\"workload\":\"train\",\"net\":\"small\",\"unit\":\"images/s\"," \
    "\"batch\":8,\"median\":9,\"passed\":true,\"values\":[8,9,10,9,8,9]},"               \
    "{\"workload\":\"layers\",\"layer\":\"conv1\",\"unit\":\"s\",\"flops\":1e9,"         \
    "\"bytes\":1e6,\"median\":0.5,\"passed\":true,\"values\":[0.5]},{\"workload\":"      \
    "\"convergence\",\"net\":\"small\",\"unit\":\"s\",\"accuracy\":0.9,\"steps\":10,"    \
    "\"loss\":0.3,\"passed\":false,\"error\":\"e\",\"values\":[]}]}"

void fuzz_seeds(void)
{
    replay_text("results", "results", RUN("cpu \\u00e9 <b>"));
    replay_text("results", "results of a set",
                "{\"schema\":\"weft.bench-set/2\",\"runs\":[" RUN("a") "," RUN("b") "]}");
    replay_text("classes", "class names", "T-shirt/top\r\n  Trouser \nAnkle \xc3\xa9\n");
#ifdef FUZZ_OPENCL
    replay_cache();
#endif
}
