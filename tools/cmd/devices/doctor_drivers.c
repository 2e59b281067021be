/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of software: OpenCL loader, environment variables, drivers. */
#define _GNU_SOURCE /* RTLD_NODELETE */
#include "devices/doctor.h"
#include "core/driver_smoke_test.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void doctor_check_loader(struct doctor *d)
{
    static const char without[] = "this weft was built without OpenCL";
    static const char *const usual[] = {"/usr/lib", "/lib", "/usr/local/lib"};
    char *maps = doctor_read_file(d, "/proc/self/maps");
    char *name = maps ? strstr(maps, "libOpenCL.so") : NULL, *path = name;
    if (maps && !name)
        doctor_add_finding(d, DOCTOR_ERROR, without,
                           "build it with an OpenCL loader installed (Debian: "
                           "ocl-icd-opencl-dev)",
                           "%s, so it has no OpenCL loader", without);
    while (path && path > maps && path[-1] != ' ' && path[-1] != '\n')
        path--;
    if (path) {
        bool known = false;
        path[strcspn(path, "\n")] = '\0';
        for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
            known = known || !strncmp(path, usual[i], strlen(usual[i]));
        doctor_add_finding(d, known ? DOCTOR_OK : DOCTOR_INFO, path, "", "%s%s", path,
                           known ? "" : " is not the loader of the system");
    }
    free(maps);
}

/* Environment variables and their effect. */
static const struct {
    const char *name, *does;
    bool files; /* a list of libraries */
    bool hides; /* an empty list, or -1, hides every device */
} settings[] = {
    {"OCL_ICD_VENDORS", "only drivers listed there are loaded", false, false},
    {"OPENCL_VENDOR_PATH", "only drivers listed there are loaded", false, false},
    {"OCL_ICD_FILENAMES", "these libraries are loaded as additional drivers", true,
     false},
    {"OPENCL_LAYERS", "these layers intercept every OpenCL call", true, false},
    {"RUSTICL_ENABLE", "Mesa's rusticl exposes the devices of these drivers", false,
     false},
    {"POCL_DEVICES", "PoCL exposes only these devices", false, false},
    {"CUDA_VISIBLE_DEVICES", "NVIDIA's driver exposes only these GPUs", false, true},
    {"ROCR_VISIBLE_DEVICES", "AMD's driver exposes only these GPUs", false, true},
    {"HIP_VISIBLE_DEVICES", "AMD's driver exposes only these GPUs", false, true},
    {"GPU_DEVICE_ORDINAL", "AMD's driver exposes only these GPUs", false, true},
    {"ZE_AFFINITY_MASK", "Intel's driver exposes only these GPUs", false, false},
    {"LD_LIBRARY_PATH", "libraries are searched there first", false, false},
    {"LD_PRELOAD", "these libraries are loaded before all others", false, false},
};

/* The first missing path of a list; false: all exist. */
static bool find_missing(const char *list, char out[PATHS_MAX])
{
    while (*list) {
        size_t n = strcspn(list, ":");
        snprintf(out, PATHS_MAX, "%.*s", (int)n, list);
        if (strchr(out, '/') && !paths_exists(out))
            return true;
        list += n + (list[n] == ':');
    }
    return false;
}

static void check_variable(struct doctor *d, size_t i, const char *value)
{
    char missing[PATHS_MAX], fix[80], given[SMOKE_TEST_MESSAGE_BYTES];
    const char *name = settings[i].name;
    smoke_test_format_diagnostic(value, given);
    if (strcmp(given, value) != 0) /* set by the smoke test, to exclude drivers */
        return;
    snprintf(fix, sizeof(fix), "unset or correct %s", name);
    if (settings[i].files && find_missing(value, missing))
        doctor_add_finding(d, DOCTOR_ERROR, name, fix,
                           "%s names %.300s, which does not exist", name, missing);
    else if (settings[i].hides && (!*value || !strcmp(value, "-1")))
        doctor_add_finding(d, DOCTOR_ERROR, name, fix, "%s=%s hides every GPU", name,
                           value);
    else if (*value)
        doctor_add_finding(d, DOCTOR_INFO, name, "", "%s=%.300s: %s", name, value,
                           settings[i].does);
}

void doctor_check_environment(struct doctor *d)
{
    int before = d->count;
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        if (getenv(settings[i].name))
            check_variable(d, i, getenv(settings[i].name));
    if (d->count == before)
        doctor_add_finding(d, DOCTOR_OK, "", "",
                           "no environment variable affects OpenCL");
}

/* Why the library cannot be loaded, or NULL. Its functions are not called. */
static const char *unloadable(const char *library)
{
    if (dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE))
        return NULL;
    const char *why = dlerror();
    return why ? why : "it cannot be loaded";
}

static void check_driver(struct doctor *d, const char *icd)
{
    const char *why;
    char *library = icd_read_library(icd);
    if (!library || !*library)
        doctor_add_finding(d, DOCTOR_ERROR, icd, "reinstall its package",
                           "%s registers no driver: it %s", icd,
                           library ? "is empty" : "cannot be read");
    else if ((why = smoke_test_exclusion_reason(icd)))
        doctor_add_finding(d, DOCTOR_ERROR, icd,
                           "remove or reinstall its package; until then it is excluded",
                           "%s registers %s, which %s", icd, library, why);
    else if ((why = unloadable(library)))
        doctor_add_finding(
            d, DOCTOR_ERROR, icd,
            "install the package that contains the library, or remove the file",
            "%s registers %s, which cannot be loaded (%s)", icd, library, why);
    else
        doctor_add_finding(d, DOCTOR_OK, icd, "", "%s registers %s, which can be loaded",
                           icd, library);
    free(library);
}

void doctor_list_icds(const struct doctor *d, struct icd_list *list)
{
    char place[PATHS_MAX];
    list->count = 0;
    if (!*d->root)
        icd_list_files(list, smoke_test_icd_location());
    else if (doctor_resolve_path(d, ICD_FOLDER, place))
        icd_list_files(list, place);
}

void doctor_check_drivers(struct doctor *d)
{
    const char *place = *d->root ? ICD_FOLDER : smoke_test_icd_location();
    struct icd_list icds;
    doctor_list_icds(d, &icds);
    for (int i = 0; i < icds.count; i++) {
        char path[PATHS_MAX];
        if (icd_file_path(&icds, i, path))
            check_driver(d, path);
    }
    if (!icds.count)
        doctor_add_finding(d, DOCTOR_INFO, place, "",
                           "%s has no .icd file, so no driver is installed", place);
}
