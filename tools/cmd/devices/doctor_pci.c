/* SPDX-License-Identifier: Apache-2.0 */
/* Probe of GPUs on the PCI bus and their drivers. */
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
    unsigned id;
    const char *name, *pieces[2]; /* substrings of OpenCL's vendor name */
    const char *modules[2];       /* kernel modules required by OpenCL drivers */
    const char *no_module;        /* fix if none of them is loaded */
    const char *icd;              /* prefix of the vendor's .icd files */
    const char *rusticl;          /* driver name in Mesa's rusticl, or NULL */
    const char *pass;             /* options that pass the GPU to a container */
} vendors[VENDOR_COUNT] = {
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
         "check dmesg",
         "amdocl",
         "radeonsi",
         "--device /dev/dri --device /dev/kfd"},
    [INTEL] =
        {0x8086,
         "Intel",
         {"Intel", NULL},
         {"i915", "xe"},
         "install its firmware (Debian: firmware-misc-nonfree) or a newer kernel, and "
         "check dmesg",
         "intel",
         "iris",
         "--device /dev/dri"},
};

/* Packages of OpenCL drivers; the first matching row applies. See docs/devices.md. */
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
     {[NVIDIA] = "nvidia-driver-..., which includes OpenCL",
      [AMD] = "AMD's own packages",
      [INTEL] = "intel-opencl-icd"}},
    {"ubuntu",
     NULL,
     {[NVIDIA] = "nvidia-driver-..., which includes OpenCL",
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

/* The unquoted value of a line KEY=VALUE. */
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

static const char *package_for(const struct doctor *d, enum pci_vendor vendor)
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
    return packages[i].packages[vendor];
}

/* True if an OpenCL device is this one, by PCI address or, if unknown, by vendor. */
static bool has_opencl_driver(const struct doctor *d, const char *address,
                              enum pci_vendor vendor)
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
        for (int k = 0; k < 2 && vendors[vendor].pieces[k]; k++)
            if (strstr(info.vendor, vendors[vendor].pieces[k]))
                return true;
    }
    return false;
}

/* The kernel driver of a device, such as "i915", or "". */
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

/* True if the device files of the vendor's driver exist. */
static bool has_file(const struct doctor *d, enum pci_vendor vendor)
{
    char **names;
    if (vendor == NVIDIA)
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

/* True if NVIDIA's library and kernel driver have different versions, which are
 * incompatible: the state after an upgrade until the next restart. */
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
            if (strchr(version, '.')) /* .1 is a symbolic link */
                snprintf(library, 64, "%.63s", version);
        }
        doctor_list_free(names, count);
    }
    return *kernel && *library && !same;
}

/* The GPU has a kernel driver and device files, but no OpenCL driver. */
static void report_missing_driver(struct doctor *d, const char *address,
                                  enum pci_vendor vendor, const char *what)
{
    const char *enabled = getenv("RUSTICL_ENABLE"), *rusticl = vendors[vendor].rusticl;
    char fix[400], kernel[64], library[64];
    if (vendor == NVIDIA && versions_differ(d, kernel, library))
        snprintf(fix, sizeof(fix),
                 "restart: the kernel runs NVIDIA's driver %s, but the library is %s",
                 kernel, library);
    else if (vendor == NVIDIA && doctor_container_kind(d))
        snprintf(fix, sizeof(fix),
                 "start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility, "
                 "and create " ICD_FOLDER
                 "/nvidia.icd in it with the line libnvidia-opencl.so.1");
    else if (has_driver(d, vendors[vendor].icd))
        snprintf(fix, sizeof(fix),
                 "the vendor's driver is installed: fix the findings on drivers and "
                 "device files, or update it");
    else if (rusticl && has_driver(d, "rusticl") &&
             !(enabled && strstr(enabled, rusticl)))
        snprintf(fix, sizeof(fix),
                 "set RUSTICL_ENABLE=%s to enable the installed Mesa rusticl", rusticl);
    else
        snprintf(fix, sizeof(fix), "install %s", package_for(d, vendor));
    doctor_add_finding(d, DOCTOR_ERROR, address, fix, "%s has no OpenCL driver", what);
}

static void check_vendor(struct doctor *d, const char *address, enum pci_vendor vendor,
                         const char *what, const char *module)
{
    char fix[400];
    const char *container = doctor_container_kind(d);
    bool known = false;
    for (int k = 0; k < 2 && vendors[vendor].modules[k]; k++)
        known = known || !strcmp(module, vendors[vendor].modules[k]);
    if (has_opencl_driver(d, address, vendor))
        doctor_add_finding(d, DOCTOR_OK, address, "", "%s has an OpenCL driver", what);
    else if (!strcmp(module, "vfio-pci"))
        doctor_add_finding(d, DOCTOR_INFO, address, "",
                           "%s is reserved for a virtual machine (vfio-pci)", what);
    else if (!known)
        doctor_add_finding(d, DOCTOR_ERROR, address, vendors[vendor].no_module,
                           "%s has %s%s in the kernel, which OpenCL does not support",
                           what, *module ? "the driver " : "no driver", module);
    else if (container && !has_file(d, vendor)) {
        snprintf(fix, sizeof(fix), "start the container with %s, and install %s inside",
                 vendors[vendor].pass, package_for(d, vendor));
        doctor_add_finding(d, DOCTOR_ERROR, address, fix,
                           "%s is not passed to this container (%s)", what, container);
    } else if (vendor == NVIDIA && !has_file(d, vendor))
        doctor_add_finding(d, DOCTOR_ERROR, address,
                           "sudo nvidia-modprobe -u -c=0, or restart",
                           "%s lacks /dev/nvidiactl or /dev/nvidia-uvm", what);
    else if (smoke_test_misleading_variable())
        doctor_add_finding(d, DOCTOR_INFO, address, "",
                           "%s has no driver among those that %s selects", what,
                           smoke_test_misleading_variable());
    else
        report_missing_driver(d, address, vendor, what);
}

static void check_device(struct doctor *d, const char *address)
{
    enum { DISPLAY = 0x03, ACCELERATOR = 0x12 };
    char module[64], what[160];
    unsigned class = number_in(d, address, "class") >> 16;
    unsigned id = number_in(d, address, "vendor");
    unsigned device = number_in(d, address, "device");
    if (class != DISPLAY && class != ACCELERATOR)
        return;
    module_of(d, address, module);
    for (int i = 0; i < VENDOR_COUNT; i++)
        if (vendors[i].id == id) {
            snprintf(what, sizeof(what), "%.32s, a GPU of %s (%04x:%04x)", address,
                     vendors[i].name, id, device);
            check_vendor(d, address, (enum pci_vendor)i, what, module);
            return;
        }
    doctor_add_finding(
        d, DOCTOR_INFO, address, "",
        class == DISPLAY
            ? "%s (%04x:%04x) is a display controller without known compute support"
            : "%s (%04x:%04x) is an accelerator without a known driver",
        address, id, device);
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
        doctor_add_finding(d, DOCTOR_INFO, "", "", "no GPU on the PCI bus");
}
