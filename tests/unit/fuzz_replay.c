/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a fuzz target with small valid files of every format: as they are, cut at every
 * length, with every bit turned, and with several bytes changed at random, the same in
 * every run, in 2000 rounds or those given. Passes if nothing is read or written out of
 * bounds and every failure is reported; best under sanitizers. --save FOLDER writes the
 * files instead, for libFuzzer; --corpus FILE [ROUNDS] reads the inputs that it found;
 * --list prints the readers; --plant damages the files first, which must be found. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <sys/stat.h>

#include "unit/fuzz.h"
#include "shared/random.h"
#include "unit/file_corpus.h"

enum { FEW_BYTES = 6 };

static const char *save_to;
static uint32_t rounds = 2000;
static bool planted;
static long damaged, damaged_accepted;

/* Bits turned and bytes replaced, at `few` places that depend on seed and round alone. */
static void mutate(struct buffer *b, uint32_t seed, uint32_t round)
{
    for (uint32_t i = 0; i < FEW_BYTES; i++) {
        struct weft_random r = weft_philox(seed, 0, i, round, 0, RANDOM_VERIFY);
        static const uint8_t boundary_bytes[] = {0, 1, 0x7f, 0x80, 0xff, '\n', ',', '9'};
        uint8_t *byte = &b->bytes[r.v[0] % b->size];
        if (r.v[1] % 4 == 0)
            *byte = boundary_bytes[r.v[2] % sizeof(boundary_bytes)];
        else if (r.v[1] % 4 == 1)
            *byte ^= (uint8_t)(1 << (r.v[2] % 8));
        else if (r.v[1] % 4 == 2)
            *byte = (uint8_t)r.v[2];
        if (r.v[3] % (2 * FEW_BYTES) == 0)
            b->size = 1 + r.v[2] % b->size;
    }
}

/* In the reader's folder. */
static void save(const char *reader, const char *name, const uint8_t *bytes, size_t size)
{
    char path[4096];
    int end = snprintf(path, sizeof(path), "%s/%s", save_to, reader);
    REQUIRE(!mkdir(path, 0777) || errno == EEXIST);
    snprintf(path + end, sizeof(path) - (size_t)end, "/%s", name);
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
}

void fuzz_replay(const char *reader, const char *name, bool sealed, const uint8_t *bytes,
                 size_t bytes_size)
{
    static uint32_t index;
    static struct buffer copy;
    struct buffer *seed = &copy;
    if (save_to) {
        save(reader, name, bytes, bytes_size);
        return;
    }
    seed->size = 0;
    add(seed, bytes, bytes_size);
    if (planted)
        seed->size /= 2;
    static struct buffer b;
    fuzz_accepted = fuzz_missing = 0;
    LLVMFuzzerTestOneInput(seed->bytes, seed->size);
    if (!fuzz_accepted && !fuzz_missing)
        TEST_FAIL("%s: the file itself is refused", name);
    fuzz_accepted = 0;
    for (size_t size = 0; size < seed->size; size++)
        LLVMFuzzerTestOneInput(seed->bytes, size);
    b = *seed;
    for (size_t bit = 0; bit < 8 * seed->size; bit++) {
        b.bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        LLVMFuzzerTestOneInput(b.bytes, b.size);
        b.bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    damaged += (long)(9 * seed->size);
    damaged_accepted += fuzz_accepted;
    if (sealed && fuzz_accepted)
        TEST_FAIL("%s: %d damaged files are read", name, fuzz_accepted);
    for (uint32_t round = 0; round < rounds; round++) {
        b = *seed;
        mutate(&b, index, round);
        LLVMFuzzerTestOneInput(b.bytes, b.size);
    }
    index++;
    test_checks += (int)(9 * seed->size + rounds) + 1;
}

/* The bytes of a text in base64, in place; their number. */
static size_t decode_base64(char *text)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t count = 0, size = 0;
    for (const char *c = text, *digit; *c && (digit = strchr(digits, *c)); c++) {
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (count++ % 4)
            text[size++] = (char)(bits >> (6 - 2 * ((count - 1) % 4)));
    }
    return size;
}

/* Inputs that fuzz.sh found, lines of "READER BASE64"; those of other targets too. */
static void replay_corpus(const char *path)
{
    static char line[1 << 16];
    int inputs = 0;
    FILE *file = fopen(path, "r");
    REQUIRE(file);
    while (fgets(line, sizeof(line), file)) {
        char *text = strchr(line, ' ');
        REQUIRE(text);
        text[strcspn(text, "\n")] = 0;
        size_t size = decode_base64(text + 1);
        LLVMFuzzerTestOneInput((const uint8_t *)text + 1, size);
        inputs++;
    }
    fclose(file);
    REQUIRE(inputs > 0);
    test_checks += inputs;
    printf("%d inputs of the corpus\n", inputs);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--save"))
        save_to = argv[2];
    planted = argc == 2 && !strcmp(argv[1], "--plant");
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        for (const struct fuzz_reader *r = fuzz_readers; r->name; r++)
            printf("%s %s\n", r->name, r->decoder ? "decoder" : "own");
        return 0;
    }
    if (argc == 4)
        rounds = (uint32_t)atoi(argv[3]);
    if (argc >= 3 && !strcmp(argv[1], "--corpus"))
        replay_corpus(argv[2]);
    fuzz_seeds();
    if (!save_to)
        printf("%ld files cut or with a bit turned, of which %ld can be read\n", damaged,
               damaged_accepted);
    int failed = test_end();
    if (!save_to)
        printf("figures: files=%ld wrong=%d\n", damaged, test_failures);
    return failed;
}
