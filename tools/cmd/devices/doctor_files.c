/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of device files, permissions, and the system. */
#define _GNU_SOURCE
#include "devices/doctor.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Device files used by drivers. */
static const struct {
    const char *folder, *begin;
} places[] = {
    {"/dev/dri", "renderD"}, {"/dev", "kfd"},  {"/dev", "nvidia"},
    {"/dev/accel", "accel"}, {"/dev", "mali"}, {"/dev", "kgsl-3d"},
    {"/dev", "dxg"},
};

static const char *user_name(void)
{
    const struct passwd *user = getpwuid(geteuid());
    return user ? user->pw_name : "$USER";
}

static const char *group_name(gid_t id)
{
    static char number[16];
    const struct group *group = getgrgid(id);
    snprintf(number, sizeof(number), "%u", (unsigned)id);
    return group ? group->gr_name : number;
}

/* True if the user joined the group after logging in. */
static bool is_new_group_member(gid_t id)
{
    const struct group *group = getgrgid(id);
    const char *name = user_name();
    for (char **member = group ? group->gr_mem : NULL; member && *member; member++)
        if (!strcmp(*member, name))
            return true;
    return false;
}

static void check_device_file(struct doctor *d, const char *path)
{
    char full[PATHS_MAX], fix[256];
    struct stat s;
    if (!doctor_resolve_path(d, path, full) || stat(full, &s) || S_ISDIR(s.st_mode))
        return;
    if (!access(full, R_OK | W_OK)) {
        doctor_add_finding(d, DOCTOR_OK, path, "", "%s can be opened", path);
        return;
    }
    const char *group = group_name(s.st_gid);
    if (!(s.st_mode & S_IWGRP) || !s.st_gid)
        snprintf(fix, sizeof(fix),
                 "reinstall the driver's package, which contains the udev rule for its "
                 "group");
    else if (is_new_group_member(s.st_gid))
        snprintf(fix, sizeof(fix),
                 "you joined the group %s after this session began: log in again", group);
    else
        snprintf(fix, sizeof(fix),
                 "join the group %s (sudo usermod -aG %s %s) and log in again", group,
                 group, user_name());
    doctor_add_finding(
        d, DOCTOR_ERROR, path, fix,
        "%s cannot be opened by %s, so its GPU is invisible (mode %03o, group %s)", path,
        user_name(), (unsigned)s.st_mode & 0777, group);
}

void doctor_check_device_files(struct doctor *d)
{
    int before = d->count;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        char path[PATHS_MAX], **names;
        int count = doctor_list_folder(d, places[i].folder, places[i].begin, &names);
        for (int k = 0; k < count; k++)
            if (paths_join(path, places[i].folder, names[k]))
                check_device_file(d, path);
        doctor_list_free(names, count);
    }
    if (d->count == before)
        doctor_add_finding(
            d, DOCTOR_INFO, "", "",
            "no device file of a GPU (/dev/dri/renderD*, /dev/kfd, /dev/nvidia*)");
}

const char *doctor_container_kind(const struct doctor *d)
{
    static const struct {
        const char *path, *word, *kind;
    } signs[] = {
        {"/.dockerenv", "", "docker"},
        {"/run/.containerenv", "", "podman"},
        {"/proc/1/cgroup", "docker", "docker"},
        {"/proc/1/cgroup", "kubepods", "Kubernetes"},
        {"/proc/1/cgroup", "/lxc", "LXC"},
        {"/run/systemd/container", "", "systemd"},
    };
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        char *text = NULL;
        bool is = *signs[i].word ? (text = doctor_read_file(d, signs[i].path)) &&
                                       strstr(text, signs[i].word)
                                 : doctor_path_exists(d, signs[i].path);
        free(text);
        if (is)
            return signs[i].kind;
    }
    return NULL;
}

static void report_groups(struct doctor *d)
{
    gid_t ids[64];
    char list[400] = "";
    int count = getgroups(64, ids);
    for (int i = 0; i < count; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", group_name(ids[i]));
    }
    doctor_add_finding(d, DOCTOR_INFO, "", "", "user %s, groups %s", user_name(),
                       *list ? list : "(none)");
}

void doctor_check_system(struct doctor *d)
{
    char *version = doctor_read_file(d, "/proc/version");
    const char *container = doctor_container_kind(d);
    bool wsl = version && strcasestr(version, "microsoft");
    report_groups(d);
    if (container)
        doctor_add_finding(
            d, DOCTOR_INFO, "", "",
            "this is a container (%s): only device files passed to it and drivers "
            "installed in it are available",
            container);
    if (wsl && doctor_path_exists(d, "/dev/dxg"))
        doctor_add_finding(
            d, DOCTOR_INFO, "/dev/dxg", "",
            "this is WSL: GPUs are accessible only through /dev/dxg, which few drivers "
            "support; Intel's (intel-opencl-icd) does");
    else if (wsl)
        doctor_add_finding(d, DOCTOR_ERROR, "/dev/dxg",
                           "in Windows, update the GPU's driver and run wsl --update",
                           "this is WSL without /dev/dxg, so no GPU is accessible");
    free(version);
}
