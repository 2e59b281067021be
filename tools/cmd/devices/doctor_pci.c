/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor on GPUs of the PCI bus: which driver each has, which it lacks. */
#define _GNU_SOURCE
#include "devices/doctor.h"
#include "core/driver_smoke_test.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUS "/sys/bus/pci/devices"

enum pci_vendor { NVIDIA, AMD, INTEL, VENDOR_COUNT };

static const struct {
    unsigned vendor;
    const char *name, *pieces[2]; /* of what OpenCL calls the vendor */
    const char *modules[2];       /* of the kernel that its OpenCL drivers stand on */
    const char *no_module;        /* what to do where none of them has it */
    const char *icd;              /* how the names of its own drivers' .icd files begin */
    const char *rusticl;          /* what Mesa's rusticl calls its driver; NULL: none */
    const char *pass;             /* what a container needs to be started with */
} makers[VENDOR_COUNT] = {
    [NVIDIA] =
        {0x10de,
         "NVIDIA",
         {"NVIDIA", NULL},
         {"nvidia", NULL},
         "install NVIDIA's driver (Debian: nvidia-driver, Ubuntu: nvidia-driver-...) "
         "and restart",
         "nvidia",
         NULL,
         "--gpus all"},
    [AMD] =
        {0x1002,
         "AMD",
         {"AMD", "Advanced Micro"},
         {"amdgpu", "radeon"},
         "install its firmware (Debian: firmware-amd-graphics) or a newer kernel, and "
         "look at dmesg",
         "amdocl",
         "radeonsi",
         "--device /dev/dri --device /dev/kfd"},
    [INTEL] =
        {0x8086,
         "Intel",
         {"Intel", NULL},
         {"i915", "xe"},
         "install its firmware (Debian: firmware-misc-nonfree) or a newer kernel, and "
         "look at dmesg",
         "intel",
         "iris",
         "--device /dev/dri"},
};

/* Packages with OpenCL drivers; the first row that fits counts. README, "Devices". */
static const struct {
    const char *system, *version; /* NULL: any */
    const char *packages[VENDOR_COUNT];
} packages[] = {
    {"debian",
     "12",
     {[NVIDIA] = "nvidia-opencl-icd (non-free)",
      [AMD] = "mesa-opencl-icd of bookworm-backports, and set RUSTICL_ENABLE=radeonsi",
      [INTEL] = "intel-opencl-icd"}},
    {"debian",
     NULL,
     {[NVIDIA] = "nvidia-opencl-icd (non-free)",
      [AMD] = "mesa-opencl-icd and set RUSTICL_ENABLE=radeonsi, or rocm-opencl-icd",
      [INTEL] = "mesa-opencl-icd and set RUSTICL_ENABLE=iris, or Intel's own packages"}},
    {"ubuntu",
     "22.04",
     {[NVIDIA] = "nvidia-driver-..., which OpenCL comes with",
      [AMD] = "AMD's own packages",
      [INTEL] = "intel-opencl-icd"}},
    {"ubuntu",
     NULL,
     {[NVIDIA] = "nvidia-driver-..., which OpenCL comes with",
      [AMD] = "mesa-opencl-icd and set RUSTICL_ENABLE=radeonsi, or rocm-opencl-icd",
      [INTEL] = "intel-opencl-icd"}},
    {"fedora",
     NULL,
     {[NVIDIA] = "xorg-x11-drv-nvidia-cuda of RPM Fusion",
      [AMD] = "mesa-libOpenCL and set RUSTICL_ENABLE=radeonsi, or rocm-opencl",
      [INTEL] = "intel-compute-runtime"}},
    {NULL,
     NULL,
     {[NVIDIA] = "the OpenCL driver of NVIDIA",
      [AMD] = "Mesa's rusticl and set RUSTICL_ENABLE=radeonsi, or ROCm's OpenCL",
      [INTEL] =
          "Intel's compute runtime, or Mesa's rusticl and set RUSTICL_ENABLE=iris"}},
};
enum { PACKAGE_ROWS = sizeof(packages) / sizeof(*packages) };

/* The value of a line KEY=VALUE, without quotes. */
static void value_of(const char *text, const char *key, char *out, size_t size)
{
    size_t length = strlen(key);
    out[0] = '\0';
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) || line[length] != '=')
            continue;
        const char *value = line + length + 1;
        value += *value == '"';
        snprintf(out, size, "%.*s", (int)strcspn(value, "\"\n"), value);
        return;
    }
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

static const char *package_for(const struct doctor *d, enum pci_vendor maker)
{
    char *text = doctor_read_file(d, "/etc/os-release"), id[64], like[128], version[32];
    value_of(text ? text : "", "ID", id, sizeof(id));
    value_of(text ? text : "", "ID_LIKE", like, sizeof(like));
    value_of(text ? text : "", "VERSION_ID", version, sizeof(version));
    free(text);
    int i = 0;
    while (i < PACKAGE_ROWS - 1 &&
           !((!strcmp(packages[i].system, id) &&
              (!packages[i].version || !strcmp(packages[i].version, version))) ||
             (!packages[i].version && has_word(like, packages[i].system))))
        i++;
    return packages[i].packages[maker];
}

/* Whether a device of the list is this one: by its address, or, where its driver tells
 * none, by its maker. */
static bool has_opencl_driver(const struct doctor *d, const char *address,
                              enum pci_vendor maker)
{
    struct weft_device_info info;
    size_t length = strlen(address);
    for (int i = 0; !weft_device_info(d->context, i, &info); i++) {
        if (info.kind > WEFT_DEVICE_INTEGRATED)
            continue;
        if (!strncmp(info.id, "pci:", 4)) {
            if (!strncmp(info.id + 4, address, length) && info.id[4 + length] == '@')
                return true;
            continue;
        }
        for (int k = 0; k < 2 && makers[maker].pieces[k]; k++)
            if (strstr(info.vendor, makers[maker].pieces[k]))
                return true;
    }
    return false;
}

/* "i915", from the link to it; "" where the kernel has no driver for the device. */
static void module_of(const struct doctor *d, const char *address, char out[64])
{
    char path[PATHS_MAX], full[PATHS_MAX], to[PATHS_MAX];
    snprintf(path, sizeof(path), BUS "/%.32s/driver", address);
    ssize_t n =
        doctor_resolve_path(d, path, full) ? readlink(full, to, sizeof(to) - 1) : -1;
    to[n > 0 ? n : 0] = '\0';
    snprintf(out, 64, "%.63s", paths_basename(to));
}

static unsigned number_in(const struct doctor *d, const char *address, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), BUS "/%.32s/%s", address, name);
    char *text = doctor_read_file(d, path);
    unsigned value = text ? (unsigned)strtoul(text, NULL, 16) : 0;
    free(text);
    return value;
}

/* What its drivers open, or at least one of its kind. */
static bool has_file(const struct doctor *d, enum pci_vendor maker)
{
    char **names;
    if (maker == NVIDIA)
        return doctor_path_exists(d, "/dev/nvidiactl") &&
               doctor_path_exists(d, "/dev/nvidia-uvm");
    int count = doctor_list_folder(d, "/dev/dri", "renderD", &names);
    doctor_list_free(names, count);
    return count > 0;
}

static bool has_driver(const struct doctor *d, const char *begin)
{
    struct icd_list icds;
    doctor_list_icds(d, &icds);
    for (int i = 0; i < icds.count; i++)
        if (!strncmp(icds.names[i], begin, strlen(begin)))
            return true;
    return false;
}

/* The version of NVIDIA's library, if it is not the kernel driver's: they do not go
 * together, which an upgrade leaves behind until the next start. */
static bool versions_differ(const struct doctor *d, char kernel[64], char library[64])
{
    static const char *const folders[] = {"/usr/lib/x86_64-linux-gnu",
                                          "/usr/lib/aarch64-linux-gnu", "/usr/lib64"};
    static const char begin[] = "libnvidia-opencl.so.";
    char *text = doctor_read_file(d, "/sys/module/nvidia/version"), **names;
    bool same = false;
    snprintf(kernel, 64, "%.*s", (int)strcspn(text ? text : "", "\n"), text ? text : "");
    free(text);
    library[0] = '\0';
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        int count = doctor_list_folder(d, folders[i], begin, &names);
        for (int k = 0; k < count; k++) {
            const char *version = names[k] + strlen(begin);
            same = same || !strcmp(version, kernel);
            if (strchr(version, '.')) /* .1 is a link */
                snprintf(library, 64, "%.63s", version);
        }
        doctor_list_free(names, count);
    }
    return *kernel && *library && !same;
}

/* Its kernel driver and files are there. */
static void report_missing_driver(struct doctor *d, const char *address,
                                  enum pci_vendor maker, const char *what)
{
    const char *enabled = getenv("RUSTICL_ENABLE"), *rusticl = makers[maker].rusticl;
    char fix[400], kernel[64], library[64];
    if (maker == NVIDIA && versions_differ(d, kernel, library))
        snprintf(fix, sizeof(fix),
                 "restart: the kernel runs NVIDIA's driver %s, and the library is of %s",
                 kernel, library);
    else if (maker == NVIDIA && doctor_container_kind(d))
        snprintf(fix, sizeof(fix),
                 "start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility, "
                 "and let " ICD_FOLDER
                 "/nvidia.icd in it hold the line libnvidia-opencl.so.1");
    else if (has_driver(d, makers[maker].icd))
        snprintf(fix, sizeof(fix),
                 "its maker's driver is installed: fix what is told of drivers and "
                 "device files, or update it");
    else if (rusticl && has_driver(d, "rusticl") &&
             !(enabled && strstr(enabled, rusticl)))
        snprintf(fix, sizeof(fix),
                 "set RUSTICL_ENABLE=%s, for Mesa's rusticl is installed", rusticl);
    else
        snprintf(fix, sizeof(fix), "install %s", package_for(d, maker));
    doctor_add_finding(d, DOCTOR_ERROR, address, fix, "%s is served by no OpenCL driver",
                       what);
}

static void check_vendor(struct doctor *d, const char *address, enum pci_vendor maker,
                         const char *what, const char *module)
{
    char fix[400];
    const char *container = doctor_container_kind(d);
    bool known = false;
    for (int k = 0; k < 2 && makers[maker].modules[k]; k++)
        known = known || !strcmp(module, makers[maker].modules[k]);
    if (has_opencl_driver(d, address, maker))
        doctor_add_finding(d, DOCTOR_OK, address, "", "%s is served", what);
    else if (!strcmp(module, "vfio-pci"))
        doctor_add_finding(d, DOCTOR_INFO, address, "",
                           "%s is set aside for a virtual machine (vfio-pci)", what);
    else if (!known)
        doctor_add_finding(d, DOCTOR_ERROR, address, makers[maker].no_module,
                           "%s has %s%s in the kernel, on which OpenCL cannot stand",
                           what, *module ? "the driver " : "no driver", module);
    else if (container && !has_file(d, maker)) {
        snprintf(fix, sizeof(fix), "start the container with %s, and install %s inside",
                 makers[maker].pass, package_for(d, maker));
        doctor_add_finding(d, DOCTOR_ERROR, address, fix,
                           "%s is not given to this container (%s)", what, container);
    } else if (maker == NVIDIA && !has_file(d, maker))
        doctor_add_finding(d, DOCTOR_ERROR, address,
                           "sudo nvidia-modprobe -u -c=0, or restart",
                           "%s lacks /dev/nvidiactl or /dev/nvidia-uvm", what);
    else if (smoke_test_misleading_variable())
        doctor_add_finding(d, DOCTOR_INFO, address, "",
                           "%s is served by no driver that %s leads to", what,
                           smoke_test_misleading_variable());
    else
        report_missing_driver(d, address, maker, what);
}

static void check_device(struct doctor *d, const char *address)
{
    enum { DISPLAY = 0x03, ACCELERATOR = 0x12 };
    char module[64], what[160];
    unsigned class = number_in(d, address, "class") >> 16;
    unsigned vendor = number_in(d, address, "vendor");
    unsigned device = number_in(d, address, "device");
    if (class != DISPLAY && class != ACCELERATOR)
        return;
    module_of(d, address, module);
    for (int i = 0; i < VENDOR_COUNT; i++)
        if (makers[i].vendor == vendor) {
            snprintf(what, sizeof(what), "%.32s, a GPU of %s (%04x:%04x)", address,
                     makers[i].name, vendor, device);
            check_vendor(d, address, (enum pci_vendor)i, what, module);
            return;
        }
    doctor_add_finding(
        d, DOCTOR_INFO, address, "",
        class == DISPLAY ? "%s (%04x:%04x) shows images, as far as we know, and no more"
                         : "%s (%04x:%04x) is an accelerator that we know no driver for",
        address, vendor, device);
}

void doctor_check_pci(struct doctor *d)
{
    int before = d->count;
    char **names;
    int count = doctor_list_folder(d, BUS, "", &names);
    for (int i = 0; i < count; i++)
        check_device(d, names[i]);
    doctor_list_free(names, count);
    if (d->count == before)
        doctor_add_finding(d, DOCTOR_INFO, "", "", "there is no GPU on the PCI bus");
}
