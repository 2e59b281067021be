/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes against published sums; files: limits, gzip, and that writing is whole or not at
 * all. */
#define _XOPEN_SOURCE 700
#include <wchar.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "unit/test.h"
#include "util/gzip.h"
#include "util/hash.h"

static struct weft_context context;

static const char *hex(const char *text, size_t size)
{
    static char out[2 * WEFT_SHA256_BYTES + 1];
    uint8_t sum[WEFT_SHA256_BYTES];
    weft_sha256(text, size, sum);
    weft_sha256_hex(sum, out);
    return out;
}

/* NIST's examples of FIPS 180-4, and every way to cut a message in two. */
static enum weft_status read_gz(const char *path, size_t limit, struct weft_file *file)
{
    return weft_file_read_gz(&context, path, &(struct weft_file_limits){.limit = limit},
                             file);
}

static void test_sha256(void)
{
    CHECK_TEXT(hex("", 0),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_TEXT(hex("abc", 3),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_TEXT(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

    char *million = malloc(1000000);
    REQUIRE(million);
    memset(million, 'a', 1000000);
    CHECK_TEXT(hex(million, 1000000),
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t size = 0; size <= 200; size++) {
        uint8_t whole[WEFT_SHA256_BYTES], parts[WEFT_SHA256_BYTES];
        weft_sha256(million, size, whole);
        for (size_t cut = 0; cut <= size; cut++) {
            struct weft_sha256_state state;
            weft_sha256_init(&state);
            weft_sha256_add(&state, million, cut);
            weft_sha256_add(&state, million + cut, size - cut);
            weft_sha256_finish(&state, parts);
            if (memcmp(whole, parts, sizeof(whole)) != 0)
                TEST_FAIL("sha256 of %zu bytes differs when cut at %zu", size, cut);
        }
    }
    free(million);
}

/* Every bit of the input changes about half of the bits of the hash, different sizes give
 * different hashes, and the alignment of the bytes does not matter. */
static void test_hash64(void)
{
    uint8_t bytes[128 + 8] = {0};
    for (size_t size = 1; size <= 128; size++) {
        uint64_t hash = weft_hash64(bytes, size);
        int least = 64, most = 0;
        CHECK(hash != weft_hash64(bytes, size - 1));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
            int turned = __builtin_popcountll(hash ^ weft_hash64(bytes, size));
            bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
            least = turned < least ? turned : least;
            most = turned > most ? turned : most;
        }
        if (least < 10 || most > 54)
            TEST_FAIL("hash64 of %zu bytes: a bit turns %d to %d bits", size, least,
                      most);
    }
    for (int i = 0; i < 128; i++)
        bytes[i] = (uint8_t)(37 * i);
    uint64_t hash = weft_hash64(bytes, 100);
    memmove(bytes + 3, bytes, 100);
    CHECK(hash == weft_hash64(bytes + 3, 100));
}

static int entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    REQUIRE(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count++;
    closedir(dir);
    return count - 2;
}

static void test_read(void)
{
    struct weft_file file = {0};
    CHECK_OK(weft_file_write(&context, "a", "0123456789", 10));
    CHECK_OK(weft_file_read(&context, "a", 10, &file));
    CHECK_INT(file.size, 10);
    CHECK_TEXT((char *)file.bytes, "0123456789");
    weft_file_free(&file);
    CHECK(!file.bytes && !file.size);
    CHECK_FAILS(weft_file_read(&context, "a", 9, &file), WEFT_ERR_FORMAT,
                "a: 10 bytes, more than the limit of 9");
    CHECK_FAILS(weft_file_read(&context, "absent", 9, &file), WEFT_ERR_FILE,
                "absent: cannot be opened: No such file");
    CHECK_FAILS(weft_file_read(&context, ".", 9, &file), WEFT_ERR_FILE, "is a folder");
    CHECK_OK(weft_file_write(&context, "empty", "", 0));
    CHECK_OK(weft_file_read(&context, "empty", 0, &file));
    CHECK_INT(file.size, 0);
    CHECK_TEXT((char *)file.bytes, "");
    weft_file_free(&file);
    CHECK_OK(read_gz("empty", 0, &file));
    weft_file_free(&file);
    CHECK_FAILS(weft_file_read(&context, "/dev/zero", 100000, &file), WEFT_ERR_FILE,
                "/dev/zero: is a device, not a regular file");
}

/* A pipe: its size is not known beforehand, and it comes in pieces. */
static void test_pipe(void)
{
    struct weft_file file = {0};
    struct weft_file_limits limits = {.limit = 200000, .fifo = true};
    CHECK_INT(mkfifo("pipe", 0600), 0);
    CHECK_FAILS(weft_file_read(&context, "pipe", 200000, &file), WEFT_ERR_FILE,
                "pipe: is a FIFO, not a regular file");
    pid_t child = fork();
    if (!child) {
        int fd = open("pipe", O_WRONLY);
        char piece[1000];
        memset(piece, 'p', sizeof(piece));
        for (int i = 0; i < 200; i++)
            if (write(fd, piece, sizeof(piece)) != sizeof(piece))
                _exit(1);
        _exit(0);
    }
    CHECK_OK(weft_file_read_within(&context, "pipe", &limits, &file));
    CHECK_INT(file.size, 200000);
    CHECK(file.bytes && file.bytes[199999] == 'p' && !file.bytes[200000]);
    weft_file_free(&file);
    waitpid(child, NULL, 0);
    unlink("pipe");
}

/* `size` bytes packed as one gzip member; to be freed. */
static uint8_t *pack(const void *bytes, size_t size, size_t *packed)
{
    z_stream stream = {0};
    size_t room = size + size / 100 + 1000;
    uint8_t *out = malloc(room);
    REQUIRE(out && deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9,
                                Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    *packed = room - stream.avail_out;
    deflateEnd(&stream);
    return out;
}

static void test_gzip(void)
{
    struct weft_file file = {0};
    size_t size = 20000, packed, bomb_size;
    uint8_t *plain = malloc(size);
    REQUIRE(plain);
    for (size_t i = 0; i < size; i++)
        plain[i] = (uint8_t)(i * i >> 5);
    uint8_t *gz = pack(plain, size, &packed);

    CHECK_OK(weft_file_write(&context, "a.gz", gz, packed));
    CHECK_OK(read_gz("a.gz", size, &file));
    CHECK_INT(file.size, size);
    CHECK(file.size == size && !memcmp(file.bytes, plain, size) && !file.bytes[size]);
    weft_file_free(&file);
    CHECK_OK(weft_file_read(&context, "a.gz", size, &file));
    CHECK_INT(file.size, packed);
    weft_file_free(&file);
    CHECK_FAILS(read_gz("a.gz", size - 1, &file), WEFT_ERR_FORMAT,
                "decompresses to more than 19999 bytes");

    for (size_t cut = 0; cut < packed; cut++)
        CHECK_FAILS(weft_gunzip(&context, "cut.gz", gz, cut, size, &file),
                    WEFT_ERR_FORMAT, "truncated");
    gz[packed / 2] ^= 0x10;
    CHECK_FAILS(weft_gunzip(&context, "b.gz", gz, packed, size, &file), WEFT_ERR_FORMAT,
                "b.gz: damaged gzip data");
    gz[packed / 2] ^= 0x10;

    /* Two members are their contents one after the other; anything else is not gzip. */
    uint8_t *twice = malloc(2 * packed);
    REQUIRE(twice);
    memcpy(twice, gz, packed);
    memcpy(twice + packed, gz, packed);
    CHECK_OK(weft_gunzip(&context, "two.gz", twice, 2 * packed, 2 * size, &file));
    CHECK_INT(file.size, 2 * size);
    weft_file_free(&file);
    memset(twice + packed, 'x', packed);
    CHECK_FAILS(weft_gunzip(&context, "x.gz", twice, packed + 1, 2 * size, &file),
                WEFT_ERR_FORMAT, "x.gz");
    CHECK_FAILS(weft_gunzip(&context, "x.gz", twice, packed + 9, 2 * size, &file),
                WEFT_ERR_FORMAT, "incorrect header");

    /* A decompression bomb: 64 MiB of zeros, and a wrong size. */
    uint8_t *zeros = calloc(1, 64 << 20);
    REQUIRE(zeros);
    uint8_t *bomb = pack(zeros, 64 << 20, &bomb_size);
    CHECK_FAILS(weft_gunzip(&context, "bomb.gz", bomb, bomb_size, 1 << 20, &file),
                WEFT_ERR_FORMAT, "decompresses to more than 1048576 bytes");
    memset(bomb + bomb_size - 4, 0xff, 4);
    CHECK_FAILS(weft_gunzip(&context, "size.gz", bomb, bomb_size, 128 << 20, &file),
                WEFT_ERR_FORMAT, "incorrect length check");
    free(zeros);
    free(bomb);
    free(twice);
    free(gz);
    free(plain);
}

static void test_gzip_padding(void)
{
    struct weft_file file = {0};
    size_t size = 100, packed;
    uint8_t plain[100] = {7};
    uint8_t *gz = pack(plain, size, &packed);
    /* Zeros up to a block behind the data are accepted, anything else is not. */
    uint8_t *padded = calloc(1, packed + 512);
    REQUIRE(padded);
    memcpy(padded, gz, packed);
    CHECK_OK(weft_gunzip(&context, "pad.gz", padded, packed + 512, size, &file));
    CHECK(file.size == size && !memcmp(file.bytes, plain, size));
    weft_file_free(&file);
    padded[packed + 511] = 'x';
    CHECK_FAILS(weft_gunzip(&context, "pad.gz", padded, packed + 512, size, &file),
                WEFT_ERR_FORMAT, "pad.gz");
    free(padded);
    free(gz);
}

/* A file may decompress to 64 MiB and 32 times its size. */
static void test_gzip_limit(void)
{
    struct weft_file file = {0};
    size_t packed, most = 64 << 20;
    for (int over = 0; over < 2; over++) {
        size_t size = over ? 100 << 20 : most;
        uint8_t *zeros = calloc(1, size);
        REQUIRE(zeros);
        uint8_t *bomb = pack(zeros, size, &packed);
        CHECK_OK(weft_file_write(&context, "bomb.gz", bomb, packed));
        if (over)
            CHECK_FAILS(read_gz("bomb.gz", (size_t)1 << 31, &file), WEFT_ERR_FORMAT,
                        "if it is meant to, decompress it with gunzip");
        else
            CHECK_OK(read_gz("bomb.gz", (size_t)1 << 31, &file));
        CHECK_INT(file.size, over ? 0 : most);
        weft_file_free(&file);
        free(zeros);
        free(bomb);
    }
    CHECK(unlink("bomb.gz") == 0);
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    return stat(path, &info) ? 0 : info.st_mode & 0777;
}

static void test_write(void)
{
    struct weft_file file = {0};
    int before = entries(".");
    umask(022);
    CHECK_OK(weft_file_write(&context, "w", "one", 3));
    CHECK_INT(mode_of("w"), 0644);
    CHECK_OK(weft_file_write_mode(&context, "w", 0600, "two", 3));
    CHECK_INT(mode_of("w"), 0600);
    CHECK_OK(weft_file_read(&context, "w", 100, &file));
    CHECK_TEXT((char *)file.bytes, "two");
    weft_file_free(&file);
    CHECK_INT(entries("."), before + 1);

    CHECK_INT(symlink("w", "link"), 0);
    CHECK_OK(weft_file_write(&context, "link", "three", 5));
    struct stat info;
    CHECK(lstat("link", &info) == 0 && S_ISLNK(info.st_mode));
    CHECK_OK(weft_file_read(&context, "w", 100, &file));
    CHECK_TEXT((char *)file.bytes, "three");
    weft_file_free(&file);

    CHECK_OK(weft_file_write(&context, "/dev/null", "x", 1));
    CHECK(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    CHECK_FAILS(weft_file_write(&context, ".", "x", 1), WEFT_ERR_FILE, "is a folder");
    CHECK_FAILS(weft_file_write(&context, "none/w", "x", 1), WEFT_ERR_FILE,
                "none/w: cannot be created: No such file");
    CHECK_INT(entries("."), before + 2);
}

/* A disk that is full, as the limit on a file's size shows it: the old contents stay and
 * no temporary file remains. */
static void test_write_fails(void)
{
    struct weft_file file = {0};
    struct rlimit old, small;
    char *much = calloc(1, 100000);
    REQUIRE(much && getrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_OK(weft_file_write(&context, "kept", "kept", 4));
    int before = entries(".");
    signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = 50000;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    CHECK_FAILS(weft_file_write(&context, "kept", much, 100000), WEFT_ERR_FILE,
                "kept: cannot be written: File too large");
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
    CHECK_INT(entries("."), before);
    CHECK_OK(weft_file_read(&context, "kept", 100, &file));
    CHECK_TEXT((char *)file.bytes, "kept");
    weft_file_free(&file);
    free(much);
}

static void test_folder(void)
{
    CHECK_OK(weft_folder_create(&context, "d/e//f/", 0700));
    CHECK_INT(mode_of("d/e/f"), 0700);
    CHECK_INT(mode_of("d"), 0700);
    CHECK_OK(weft_folder_create(&context, "d/e/f", 0700));
    CHECK_OK(weft_folder_create(&context, "/", 0700));
    CHECK(weft_folder_exists("d/e") && !weft_folder_exists("a") && weft_file_exists("a"));
    CHECK(!weft_file_exists("absent"));
    CHECK_FAILS(weft_folder_create(&context, "a/b", 0700), WEFT_ERR_FILE,
                "a: cannot be created as a folder: File exists");
    char *path = weft_path_join("d/e", "f");
    CHECK_TEXT(path, "d/e/f");
    free(path);
    path = weft_path_join("/", "f");
    CHECK_TEXT(path, "/f");
    free(path);
}

static void remove_all(void)
{
    static const char *const names[] = {"a",    "a.gz",  "empty", "w", "link",
                                        "kept", "d/e/f", "d/e",   "d"};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(names); i++)
        remove(names[i]);
}

/* A message that cannot be made is a sentence all the same, and the next one is right. */
static void test_lost_message(void)
{
    static const wchar_t no_character[] = {0x7fffffff, 0}; /* formatting it fails */
    CHECK_INT(weft_fail(&context, WEFT_ERR_NOMEM, "%ls", no_character), WEFT_ERR_NOMEM);
    CHECK(strstr(weft_error(&context), "no host memory, not even for the message"));
    CHECK_INT(weft_fail(&context, WEFT_ERR_ARG, "%d", 1), WEFT_ERR_ARG);
    CHECK_TEXT(weft_error(&context), "1");
}

int main(void)
{
    char folder[] = "/tmp/weft-test-XXXXXX";
    test_context = &context;
    test_sha256();
    test_hash64();
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    test_read();
    test_pipe();
    test_lost_message();
    test_gzip();
    test_gzip_padding();
    test_gzip_limit();
    test_write();
    test_write_fails();
    test_folder();
    remove_all();
    CHECK_INT(entries("."), 0);
    CHECK_INT(rmdir(folder), 0);
    free(context.error);
    return test_end();
}
