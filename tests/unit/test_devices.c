/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL runtime: information about devices and drivers, memory, programs, lists.
 *
 *     test_devices [none]    none: as on a machine without any driver */
#define _XOPEN_SOURCE 700
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weft/device.h>

#include "opencl/runtime/quirk.h"
#include "opencl/runtime/command_list.h"
#include "opencl/runtime/enumerate.h"
#include "opencl/runtime/primitives.h"
#include "opencl/runtime/program.h"
#include "shared/state.h"
#include "unit/test.h"
#include "util/clock.h"
#include "util/file.h"

static char folder[] = "icd-XXXXXX";
static int built, bundled;

static void count_builds(void *priv, enum weft_log_level level, const char *message)
{
    (void)priv;
    (void)level;
    built += strstr(message, "act.cl built") != NULL;
    bundled += strstr(message, "kernels as one program") != NULL;
}

/* The first note that holds `words`. */
static const char *note_with(weft_context *context, const char *words)
{
    for (int i = 0; weft_device_diagnostic(context, i); i++)
        if (strstr(weft_device_diagnostic(context, i), words))
            return weft_device_diagnostic(context, i);
    return "(none)";
}

static void write_icd(const char *name, const char *text)
{
    char *path = weft_path_join(folder, name);
    REQUIRE(path && !weft_file_write(NULL, path, text, strlen(text)));
    free(path);
}

static void remove_icd(const char *name)
{
    char *path = weft_path_join(folder, name);
    REQUIRE(path && unlink(path) == 0);
    free(path);
}

/* ICD files that are there but of no use are reported one by one, good ones are not. */
static void test_notes(void)
{
    weft_context *context = NULL;
    write_icd("a.icd", "libno-such-driver.so.1\n");
    write_icd("b.icd", "");
    write_icd("c.icd", "libm.so.6\n");
    write_icd("d.txt", "libno-such-driver-either.so\n");
    REQUIRE(!weft_context_create(&context, weft_context_params(.icd_dir = folder)));
    const char *note = note_with(context, "a.icd");
    CHECK(strstr(note, "libno-such-driver.so.1") && strstr(note, "install the package"));
    CHECK(strstr(note_with(context, "b.icd"), "is empty"));
    CHECK_TEXT(note_with(context, "c.icd"), "(none)");
    CHECK_TEXT(note_with(context, "d.txt"), "(none)");
    weft_context_destroy(&context);

    /* One file instead of a folder, as the loader allows. */
    char *path = weft_path_join(folder, "a.icd");
    REQUIRE(path);
    REQUIRE(!weft_context_create(&context, weft_context_params(.icd_dir = path)));
    CHECK(strstr(note_with(context, "a.icd"), "cannot be loaded"));
    weft_context_destroy(&context);
    free(path);
    remove_icd("a.icd");
    remove_icd("b.icd");
    remove_icd("c.icd");
    remove_icd("d.txt");
}

/* The loader finds nothing: one device remains, and the diagnostic lists where it looked.
 */
static void test_no_driver(void)
{
    weft_context *context = NULL;
    struct weft_device_info info;
    REQUIRE(!weft_context_create(&context, weft_context_params(.icd_dir = folder)));
    CHECK(weft_device_info(context, 1, &info) == WEFT_ERR_ARG);
    CHECK_OK(weft_device_info(context, 0, &info));
    CHECK_INT(info.kind, WEFT_DEVICE_HOST);
    const char *note = note_with(context, "no OpenCL driver is found");
    CHECK(strstr(note, folder) && strstr(note, "has no .icd file"));
    weft_context_destroy(&context);
    REQUIRE(!weft_context_create(
        &context, weft_context_params(.icd_dir = folder, .no_opencl = true)));
    CHECK(!weft_device_diagnostic(context, 0));
    weft_context_destroy(&context);
}

static const struct {
    const char *platform, *vendor, *device;
    cl_device_type type;
    const char *driver;
    enum weft_kernel_family family;
    unsigned quirks;
    const char *work_group_family_options;
} known[] = {
    {"Portable Computing Language", "AuthenticAMD", "pthread-haswell-AMD EPYC",
     CL_DEVICE_TYPE_CPU, "3.1+debian", WEFT_FAMILY_VEC,
     OCL_QUIRK_HAS_OWN_CACHE | OCL_QUIRK_HAS_PREFETCH, ""},
    {"Portable Computing Language", "AuthenticAMD", "cpu-haswell-AMD EPYC",
     CL_DEVICE_TYPE_CPU, "6.0+debian", WEFT_FAMILY_VEC,
     OCL_QUIRK_HAS_OWN_CACHE | OCL_QUIRK_HAS_PREFETCH, "-cl-opt-disable"},
    {"Portable Computing Language", "AuthenticAMD", "cpu-haswell-AMD EPYC",
     CL_DEVICE_TYPE_CPU, "7.1-6.", WEFT_FAMILY_VEC,
     OCL_QUIRK_HAS_OWN_CACHE | OCL_QUIRK_HAS_PREFETCH, ""},
    {"Portable Computing Language", "NVIDIA Corporation", "NVIDIA H100",
     CL_DEVICE_TYPE_GPU, "6.0+debian", WEFT_FAMILY_TILE,
     OCL_QUIRK_HAS_OWN_CACHE | OCL_QUIRK_HIGH_BANDWIDTH, ""},
    {"Oclgrind", "University of Bristol", "Oclgrind Simulator",
     CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR,
     "Oclgrind 21.10", WEFT_FAMILY_VEC, OCL_QUIRK_NO_PARTIAL_WRITES, ""},
    {"Intel(R) OpenCL", "Intel(R) Corporation", "Intel(R) Xeon(R) CPU",
     CL_DEVICE_TYPE_CPU, "2026.21.3", WEFT_FAMILY_VEC, 0, ""},
    {"rusticl", "Mesa/X.org", "llvmpipe (LLVM 15.0.6, 256 bits)", CL_DEVICE_TYPE_CPU,
     "22.3.6", WEFT_FAMILY_TILE, OCL_QUIRK_SOFTWARE_GPU, ""},
    {"rusticl", "AMD", "AMD Radeon RX 6600", CL_DEVICE_TYPE_GPU, "25.0.7",
     WEFT_FAMILY_TILE, 0, ""},
    {"rusticl", "NVIDIA", "NV174", CL_DEVICE_TYPE_GPU, "25.0.7", WEFT_FAMILY_TILE, 0, ""},
    {"rusticl", "Mesa", "Apple M1", CL_DEVICE_TYPE_GPU, "25.0.7", WEFT_FAMILY_TILE, 0,
     ""},
    {"rusticl", "Mesa", "Mali-G610", CL_DEVICE_TYPE_GPU, "25.0.7", WEFT_FAMILY_VEC, 0,
     ""},
    {"NVIDIA CUDA", "NVIDIA Corporation", "NVIDIA H100", CL_DEVICE_TYPE_GPU, "570.86",
     WEFT_FAMILY_TILE, OCL_QUIRK_HAS_OWN_CACHE | OCL_QUIRK_HIGH_BANDWIDTH, ""},
    {"NVIDIA CUDA", "NVIDIA Corporation", "NVIDIA GeForce RTX 3080", CL_DEVICE_TYPE_GPU,
     "570.86", WEFT_FAMILY_TILE, OCL_QUIRK_HAS_OWN_CACHE, ""},
    {"AMD Accelerated Parallel Processing", "Advanced Micro Devices, Inc.",
     "gfx90a:sramecc+:xnack-", CL_DEVICE_TYPE_GPU, "3635.0", WEFT_FAMILY_TILE,
     OCL_QUIRK_HIGH_BANDWIDTH, ""},
    {"AMD Accelerated Parallel Processing", "Advanced Micro Devices, Inc.", "gfx1100",
     CL_DEVICE_TYPE_GPU, "3635.0", WEFT_FAMILY_TILE, 0, ""},
    {"Intel(R) OpenCL Graphics", "Intel(R) Corporation", "Intel(R) UHD Graphics 620",
     CL_DEVICE_TYPE_GPU, "23.35", WEFT_FAMILY_TILE, OCL_QUIRK_COUNTS_EXECUTION_UNITS, ""},
    {"ARM Platform", "ARM", "Mali-G610", CL_DEVICE_TYPE_GPU, "3.0", WEFT_FAMILY_VEC, 0,
     ""},
    {"PowerVR", "Imagination Technologies", "PowerVR B-Series", CL_DEVICE_TYPE_GPU,
     "1.18", WEFT_FAMILY_VEC, 0, ""},
    {"Unknown's", "Unknown", "Unheard-of", CL_DEVICE_TYPE_ACCELERATOR, "",
     WEFT_FAMILY_VEC, 0, ""},
};

static void test_classes(void)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(known); i++) {
        struct weft_device_info info = {0};
        snprintf(info.platform, sizeof(info.platform), "%s", known[i].platform);
        snprintf(info.vendor, sizeof(info.vendor), "%s", known[i].vendor);
        snprintf(info.name, sizeof(info.name), "%s", known[i].device);
        snprintf(info.driver, sizeof(info.driver), "%s", known[i].driver);
        const struct ocl_device_class c = ocl_classify_device(&info, known[i].type);
        CHECK_INT(c.family, known[i].family);
        CHECK_INT(c.quirks, known[i].quirks);
        CHECK_TEXT(c.work_group_family_options, known[i].work_group_family_options);
    }
}

static void test_list_of_devices(const weft_context *context)
{
    struct weft_device_info info, before = {.kind = WEFT_DEVICE_DISCRETE};
    for (int i = 0; !weft_device_info(context, i, &info); i++) {
        CHECK(info.kind >= before.kind);
        CHECK(info.name[0] && strchr(info.id, '@'));
        CHECK(info.family != WEFT_FAMILY_AUTO);
        CHECK(info.compute_units > 0 && info.global_mem_bytes >= info.max_alloc_bytes &&
              info.max_alloc_bytes > 0 && info.max_work_group_size > 0);
        before = info;
    }
    CHECK_INT(info.kind, WEFT_DEVICE_HOST);
    CHECK_OK(weft_device_info(context, WEFT_HOST_DEVICE, &info));
    CHECK_TEXT(info.id, before.id);
}

static int device_count(const weft_context *context)
{
    struct weft_device_info info;
    int count = 0;
    while (!weft_device_info(context, count, &info))
        count++;
    return count;
}

static int found(weft_context *context, const char *selector)
{
    int index = -1;
    return weft_device_find(context, selector, &index, NULL) ? -1 : index;
}

/* Selectors of -d and WEFT_DEVICE, without a GPU. */
static void test_selectors(weft_context *context)
{
    const int last = device_count(context) - 1;
    struct weft_device_info info;
    char text[160];
    CHECK_INT(found(context, NULL), 0);
    CHECK_INT(found(context, "cpu"), last);
    CHECK_INT(found(context, "CPU"), last);
    for (int i = 0; i <= last; i++) {
        CHECK_OK(weft_device_info(context, i, &info));
        snprintf(text, sizeof(text), "%d", i);
        CHECK_INT(found(context, text), i);
        snprintf(text, sizeof(text), "%d:%d", info.platform_index, info.device_index);
        CHECK_INT(found(context, text), info.platform_index < 0 ? -1 : i);
        if (i < last)
            CHECK_INT(found(context, info.name), i);
    }
    snprintf(text, sizeof(text), "%d", last + 1);
    CHECK_INT(found(context, text), -1);
    CHECK_INT(found(context, "99:0"), -1);
    CHECK_INT(found(context, "no such device"), -1);
    CHECK(strstr(weft_error(context), info.name));
    CHECK_INT(found(context, "gpy"), -1);
    CHECK(strstr(weft_error(context), "; did you mean gpu?"));
}

static void test_memory(weft_device *device, const struct weft_device_info *info)
{
    const struct weft_backend *b = &weft_backend_opencl;
    struct weft_mem *mem = NULL;
    char bytes[100], got[100], numbers[32];
    snprintf(numbers, sizeof(numbers), "at most %llu",
             (unsigned long long)info->max_alloc_bytes);
    CHECK_FAILS(b->alloc(device, (size_t)info->max_alloc_bytes, &mem), WEFT_ERR_NOMEM,
                numbers);
    CHECK_FAILS(b->alloc(device, SIZE_MAX, &mem), WEFT_ERR_NOMEM, "18446744073709551615");
    CHECK(!mem);
    for (size_t size = 0; size < sizeof(bytes); size += 33) {
        CHECK_OK(b->alloc(device, size, &mem));
        memset(got, 1, sizeof(got));
        CHECK_OK(b->read(device, got, mem, 0, size));
        for (size_t i = 0; i < size; i++)
            CHECK_INT(got[i], 0);
        memset(bytes, (int)size, sizeof(bytes));
        CHECK_OK(b->write(device, mem, 0, bytes, size));
        memset(bytes, 2, sizeof(bytes));
        CHECK_OK(b->write(device, mem, size / 2, bytes, size ? 1 : 0));
        CHECK_OK(b->read(device, got, mem, 0, size));
        for (size_t i = 0; i < size; i++)
            CHECK_INT(got[i], i == size / 2 ? 2 : (char)size);
        b->free(device, mem);
        mem = NULL;
    }
}

static void test_programs(weft_device *device)
{
    struct ocl_device *d = (struct ocl_device *)device;
    struct ocl_program *p[3];
    cl_kernel kernel[3];
    built = 0;
    CHECK_OK(ocl_program_request(d, "act.cl", "-DVW=4", &p[0]));
    CHECK_OK(ocl_program_request(d, "act.cl", "-DVW=4", &p[1]));
    CHECK(p[0] == p[1]);
    CHECK_OK(ocl_programs_build(d));
    CHECK_OK(ocl_programs_build(d));
    CHECK_OK(ocl_program_kernel(d, p[0], "act_forward", &kernel[0]));
    CHECK_OK(ocl_program_kernel(d, p[1], "act_backward", &kernel[1]));
    CHECK_INT(built, 1);
    CHECK_OK(ocl_program_request(d, "act.cl", "-DVW=8", &p[2]));
    CHECK_OK(ocl_program_kernel(d, p[2], "act_forward", &kernel[2]));
    CHECK_INT(built, 2);
    for (int i = 0; i < 3; i++)
        clReleaseKernel(kernel[i]);
    /* Two that build and one that does not: the sentence is about the one, and has the
     * driver's log. */
    CHECK_OK(ocl_program_request(d, "act.cl", "-DVW=1", &p[0]));
    CHECK_OK(ocl_program_request(d, "act.cl", "-DVW=2", &p[1]));
    CHECK_OK(ocl_program_request(d, "act.cl", "-DVW=5", &p[2]));
    CHECK_OK(ocl_programs_build(d));
    CHECK_FAILS(ocl_program_kernel(d, p[2], "act_forward", &kernel[0]), WEFT_ERR_BUILD,
                "-DVW=5");
    CHECK(strstr(weft_error(test_context), "float5"));
    CHECK_OK(ocl_program_kernel(d, p[1], "act_forward", &kernel[0]));
    clReleaseKernel(kernel[0]);
    CHECK_FAILS(ocl_program_kernel(d, p[2], "act_forward", &kernel[0]), WEFT_ERR_BUILD,
                "-DVW=5");
    CHECK_FAILS(ocl_program_kernel(d, p[0], "no_such", &kernel[0]), WEFT_ERR_BUILD,
                "no kernel no_such in act.cl");
    CHECK_FAILS(ocl_program_request(d, "no_such.cl", "", &p[0]), WEFT_ERR_BUILD,
                "no_such.cl");
}

/* Programs of several kernels: each source with itself, in another width. */
static void test_bundle(weft_device *device)
{
    static const char *const kernels[][2] = {{"act.cl", "act_forward"},
                                             {"optimizer.cl", "adam"},
                                             {"softmax.cl", "cross_entropy"}};
    enum { COUNT = sizeof(kernels) / sizeof(*kernels) };
    struct ocl_device *d = (struct ocl_device *)device;
    struct ocl_program *p[2 * COUNT];
    for (int i = 0; i < 2 * COUNT; i++)
        CHECK_OK(ocl_program_request(d, kernels[i / 2][0],
                                     i % 2 ? "-DVW=4 -DACT=1" : "-DVW=2 -DACT=2", &p[i]));
    built = 0;
    bundled = 0;
    CHECK_OK(ocl_programs_build(d));
    CHECK_INT(bundled, 1);
    for (int i = 0; i < 2 * COUNT; i++) {
        cl_kernel kernel;
        CHECK_OK(ocl_program_kernel(d, p[i], kernels[i / 2][1], &kernel));
        clReleaseKernel(kernel);
    }
    CHECK_INT(built, 2); /* of act.cl, and none alone afterwards */
}

static enum weft_status count_call(struct weft_command_list *list, void *data)
{
    int *const *count = data;
    ++**count;
    return weft_backend_opencl.wait(list->device);
}

static void test_lists(weft_device *device)
{
    const struct weft_backend *b = &weft_backend_opencl;
    struct weft_command_list *list = NULL;
    struct weft_mem *mem = NULL;
    uint32_t state[STATE_WORDS];
    int calls = 0, *to_calls = &calls;
    CHECK_OK(b->alloc(device, 3 * sizeof(state), &mem));
    CHECK_OK(b->list_create(device, NULL, &list));

    /* Workspaces of a primitive do not overlap; the next primitive reuses them. */
    ocl_begin_primitive(list);
    CHECK_INT(ocl_workspace(list, 100), 0);
    CHECK_INT(ocl_workspace(list, 64), 128);
    CHECK_INT(list->info.workspace_bytes, 192);
    ocl_begin_primitive(list);
    CHECK_INT(ocl_workspace(list, 1), 0);
    CHECK_INT(list->info.workspace_bytes, 192);

    CHECK_FAILS(ocl_launch(list, "-DVW=4",
                           &(struct ocl_launch){.source = "act.cl",
                                                .kernel = "act_forward",
                                                .local = {1 << 20}}),
                WEFT_ERR_BUILD, "1048576 x 1 x 1");
    CHECK_FAILS(list->primitives->act_forward(
                    list, &(struct weft_act_args){.x = {mem, 0, (size_t)1 << 33},
                                                  .y = {mem, 0, (size_t)1 << 33}}),
                WEFT_ERR_NOMEM, "use a smaller batch");
    CHECK_INT(list->info.launches, 0);

    struct weft_view view = {mem, 0, STATE_WORDS}, one = {mem, STATE_WORDS, 1};
    CHECK_OK(list->primitives->optimizer_step(
        list, &(struct weft_optimizer_step_args){.state = view,
                                                 .w = one,
                                                 .g = one,
                                                 .m = {mem, STATE_WORDS + 16, 1},
                                                 .n = 1,
                                                 .loss = one,
                                                 .correct = one}));
    CHECK_OK(ocl_host_call(list, count_call, &to_calls, sizeof(to_calls)));
    CHECK_INT(list->info.launches, 2);
    CHECK_OK(b->list_finalize(list));
    CHECK(ocl_workspace_mem(list) != NULL);
    for (int i = 0; i < 5; i++)
        CHECK_OK(b->replay(list));
    CHECK_OK(b->read(device, state, mem, 0, sizeof(state)));
    CHECK_INT(state[STATE_STEP], 5);
    CHECK_INT(calls, 5);
    b->list_destroy(list);
    b->free(device, mem);
}

/* A list with one launch of `rounds` dependent multiply-adds. */
static struct weft_command_list *list_of_work(weft_device *device, struct weft_mem *mem,
                                              int rounds)
{
    struct weft_command_list *list = NULL;
    double work = 0;
    struct weft_roofline_probe_args args = {
        .kind = WEFT_PROBE_FMA, .rounds = rounds, .y = {mem, 0, 1024}, .work = &work};
    CHECK_OK(weft_backend_opencl.list_create(device, NULL, &list));
    for (; args.shape < WEFT_PROBE_VARIANTS && !list->info.launches; args.shape++)
        CHECK_OK(list->primitives->roofline_probe(list, &args));
    CHECK_OK(weft_backend_opencl.list_finalize(list));
    return list;
}

/* Waiting waits: after it a read takes less time than the work did. The work is made long
 * beside what other programs take from the processor meanwhile. */
static void test_waiting(weft_device *device)
{
    const struct weft_backend *b = &weft_backend_opencl;
    struct weft_mem *mem = NULL;
    double waited = 0, read = 1;
    float y;
    CHECK_OK(b->alloc(device, 4096, &mem));
    for (int i = 0, rounds = 20000; i < 10 && (waited < 0.1 || read > waited / 2); i++) {
        struct weft_command_list *list = list_of_work(device, mem, rounds);
        CHECK_OK(b->replay(list));
        CHECK_OK(b->read(device, &y, mem, 0, sizeof(y)));
        double begin = weft_clock_seconds();
        CHECK_OK(b->replay(list));
        CHECK_OK(b->wait(device));
        waited = weft_clock_seconds() - begin;
        CHECK_OK(b->read(device, &y, mem, 0, sizeof(y)));
        read = weft_clock_seconds() - begin - waited;
        b->list_destroy(list);
        if (waited < 0.1)
            rounds *= 4;
    }
    CHECK(read < waited / 2);
    b->free(device, mem);
}

static void test_device(weft_context *context, int index, enum weft_kernel_family family)
{
    weft_device *device = NULL;
    struct weft_device_info info;
    CHECK_OK(weft_device_info(context, index, &info));
    CHECK_OK(
        weft_device_open(context, index, weft_device_params(.family = family), &device));
    REQUIRE(device);
    test_memory(device, &info);
    test_programs(device);
    test_bundle(device);
    test_lists(device);
    test_waiting(device);
    weft_device_close(&device);
    CHECK(!device);
}

int main(int argc, char **argv)
{
    bool none = argc > 1 && !strcmp(argv[1], "none");
    weft_context *context = NULL;
    REQUIRE(mkdtemp(folder));
    if (none) {
        REQUIRE(setenv("OCL_ICD_VENDORS", folder, 1) == 0);
        test_no_driver();
    } else {
        test_notes();
        test_classes();
        REQUIRE(!weft_context_create(
            &context,
            weft_context_params(.log = count_builds, .log_level = WEFT_LOG_DEBUG)));
        test_context = context;
        test_list_of_devices(context);
        test_selectors(context);
        for (int i = 0; i < device_count(context) - 1; i++) {
            test_device(context, i, WEFT_FAMILY_VEC);
            test_device(context, i, WEFT_FAMILY_TILE);
        }
        if (device_count(context) == 1)
            printf("no OpenCL device: opened none\n");
        weft_context_destroy(&context);
    }
    CHECK(rmdir(folder) == 0);
    return test_end();
}
