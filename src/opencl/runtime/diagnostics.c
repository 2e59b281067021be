/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics of this machine's OpenCL drivers, each with its fix. */
#define _GNU_SOURCE /* RTLD_NODELETE */
#include "opencl/runtime/enumerate.h"
#include "device/devices.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"

#define USUAL_PLACE "/etc/OpenCL/vendors"
#define PACKAGES                                                        \
    "intel-opencl-icd (Intel GPU), mesa-opencl-icd or ROCm (AMD GPU), " \
    "nvidia-opencl-icd "                                                \
    "(NVIDIA GPU) or pocl-opencl-icd (any processor)"

/* Platforms that are known to have no devices, and the fix. */
static const struct {
    const char *platform, *fix;
} empty_platforms[] = {
    {"rusticl", "its drivers must be named: set RUSTICL_ENABLE=iris (Intel "
                "GPU), RUSTICL_ENABLE=radeonsi (AMD GPU) or RUSTICL_ENABLE=swrast "
                "(processor)"},
    {"Clover", "it is Mesa's former driver and knows no GPU of this machine; nothing is "
               "to be done"},
    {"NVIDIA CUDA",
     "check with nvidia-smi that the kernel module is loaded and is of the "
     "same version as the library"},
    {"Intel(R) OpenCL Graphics", "it sees no Intel GPU that it supports: check that "
                                 "/dev/dri exists and that you are in the group render"},
    {"AMD Accelerated Parallel Processing", "it sees no AMD GPU that it supports: check "
                                            "that /dev/kfd exists and that you are in "
                                            "the groups render and video"},
};

enum weft_status ocl_diagnose_platform(weft_context *ctx, const char *name, cl_int error)
{
    if (error && error != CL_DEVICE_NOT_FOUND)
        return weft_device_failure_add(
            ctx,
            "platform %s is left out: a query of it or of its devices returns "
            "%s (%d); reinstall or update its driver",
            name, ocl_error_name(error), (int)error);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(empty_platforms); i++)
        if (!strcmp(name, empty_platforms[i].platform))
            return weft_device_diagnostic_add(ctx, "platform %s has no devices: %s", name,
                                              empty_platforms[i].fix);
    return weft_device_diagnostic_add(
        ctx,
        "platform %s has no devices: it sees none of its own; check "
        "that its hardware is there and may be opened",
        name);
}

/* Loads the library that an ICD file names. Nothing in it is called, and it is not
 * unloaded: what its constructors registered (passes in LLVM) would dangle. */
static enum weft_status check_library(weft_context *ctx, const char *file,
                                      const char *library)
{
    if (dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE))
        return WEFT_OK;
    const char *why = dlerror();
    return weft_device_diagnostic_add(
        ctx,
        "%s: its driver cannot be loaded: %s; install the package "
        "that has it, or remove the file",
        file, why ? why : library);
}

static enum weft_status check_icd(weft_context *ctx, const char *path)
{
    struct weft_file text;
    if (weft_file_read(NULL, path, 4096, &text))
        return weft_device_diagnostic_add(
            ctx, "%s: cannot be read, so its driver is not used", path);
    char *library = (char *)text.bytes;
    library[strcspn(library, "\r\n")] = 0;
    enum weft_status status =
        library[0]
            ? check_library(ctx, path, library)
            : weft_device_diagnostic_add(ctx,
                                         "%s: is empty, it should name the library of "
                                         "a driver; reinstall its package",
                                         path);
    weft_file_free(&text);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && !strcmp(text + a - b, end);
}

/* Checks the ICD files of a folder, in order of name; *count grows by their number. */
static enum weft_status check_folder(weft_context *ctx, const char *path, int *count)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < n; i++) {
        char *file = weft_path_join(path, entries[i]->d_name);
        if (!file)
            status = weft_out_of_memory(ctx, "opencl: diagnostics", strlen(path));
        if (!status && ends_with(entries[i]->d_name, ".icd")) {
            ++*count;
            status = check_icd(ctx, file);
        }
        free(file);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return status;
}

/* The loader's path may be a folder, one ICD file, or a driver's library. */
static enum weft_status check_drivers(weft_context *ctx, int *count)
{
    const char *path = ctx->icd_dir;
    if (weft_folder_exists(path) || !weft_file_exists(path))
        return check_folder(ctx, path, count);
    *count = 1;
    return ends_with(path, ".icd") ? check_icd(ctx, path)
                                   : check_library(ctx, path, path);
}

/* GPUs whose device node exists but is not accessible to this user. */
static enum weft_status check_render_nodes(weft_context *ctx)
{
    for (int i = 128; i < 192; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/dev/dri/renderD%d", i);
        if (access(path, R_OK | W_OK) && errno == EACCES)
            WEFT_TRY(weft_device_diagnostic_add(
                ctx,
                "%s may not be opened, so its GPU stays unseen: join the group render "
                "(sudo usermod -aG render $USER) and log in again",
                path));
    }
    return WEFT_OK;
}

enum weft_status ocl_diagnose_machine(weft_context *ctx, int devices, int gpus)
{
    int drivers = 0;
    WEFT_TRY(check_drivers(ctx, &drivers));
    if (!gpus)
        WEFT_TRY(check_render_nodes(ctx));
    if (devices)
        return WEFT_OK;
    if (!drivers && strncmp(ctx->icd_dir, USUAL_PLACE, strlen(USUAL_PLACE)) != 0)
        return weft_device_diagnostic_add(
            ctx,
            "no OpenCL driver is found in %s, which %s; those that "
            "are installed are named in " USUAL_PLACE,
            ctx->icd_dir,
            weft_folder_exists(ctx->icd_dir) ? "has no .icd file" : "does not exist");
    if (!drivers)
        return weft_device_diagnostic_add(
            ctx,
            "no OpenCL driver is installed (%s has no .icd file): "
            "install " PACKAGES,
            ctx->icd_dir);
    return weft_device_diagnostic_add(
        ctx, "no OpenCL device can be used: fix one of the above, or "
             "install " PACKAGES);
}
