/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of control groups, versions 1 and 2 (Linux: cgroups(7)), of containers and
 * services. */
#ifndef WEFT_OS_CONTROL_GROUPS_H
#define WEFT_OS_CONTROL_GROUPS_H

enum weft_group_resource {
    WEFT_GROUP_PROCESSORS, /* CPU time by time */
    WEFT_GROUP_MEMORY,     /* bytes */
};

/* The smallest limit of the groups of this process and those that contain them; INFINITY:
 * none. `root` is "" or a folder with proc and sys, for tests. */
double weft_group_limit(const char *root, enum weft_group_resource resource);

#endif
