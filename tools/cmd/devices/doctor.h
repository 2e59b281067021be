/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a program and its GPU, from the OpenCL loader to the PCI bus: a
 * list of findings, each with its fix. Files of the system are looked at below a root,
 * so that a made-up machine can be looked at too. */
#ifndef WEFT_CMD_DEVICES_DOCTOR_H
#define WEFT_CMD_DEVICES_DOCTOR_H

#include "core/app.h"
#include "core/icd_files.h"

enum doctor_severity { DOCTOR_OK, DOCTOR_INFO, DOCTOR_ERROR };

enum { DOCTOR_MAX_FINDINGS = 128 };

struct doctor_finding {
    enum doctor_severity severity;
    const char *area;
    char about[256]; /* a file, a variable, a PCI address; "" */
    char what[600];  /* half a sentence that begins with it */
    char fix[400];   /* of what is wrong */
};

struct doctor {
    const char *root; /* "" is the machine's own */
    const weft_context *context;
    struct doctor_finding findings[DOCTOR_MAX_FINDINGS];
    int count;
    const char *area; /* of the probe that looks */
};

/* To be called once the context is made: drivers have been loaded then. */
void doctor_run(struct doctor *doctor, const weft_context *context, const char *root);

/* Whether a finding that is wrong says what this note of the library does. */
bool doctor_explains(const struct doctor *doctor, const char *note);

/* "WHAT; MEND" */
void doctor_format_finding(const struct doctor_finding *finding, char out[1024]);

/* All findings. */
enum app_exit doctor_print(struct app *app, const struct doctor *doctor);

/* For the probes. `fix` "": there is none. */
void doctor_add_finding(struct doctor *doctor, enum doctor_severity severity,
                        const char *about, const char *fix, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The path below the root. False: it is too long. */
bool doctor_resolve_path(const struct doctor *doctor, const char *path,
                         char out[PATHS_MAX]);
bool doctor_path_exists(const struct doctor *doctor, const char *path);
/* The text of a file, to be freed; NULL: it cannot be read. */
char *doctor_read_file(const struct doctor *doctor, const char *path);
/* The names in a folder, sorted, that begin so; *names to be freed by doctor_list_free.
 */
int doctor_list_folder(const struct doctor *doctor, const char *folder, const char *begin,
                       char ***names);
void doctor_list_free(char **names, int count);

/* What kind of container this is; NULL: none. */
const char *doctor_container_kind(const struct doctor *doctor);

/* doctor_check_drivers.c */
void doctor_list_icds(const struct doctor *doctor, struct icd_list *list);
void doctor_check_loader(struct doctor *doctor);
void doctor_check_environment(struct doctor *doctor);
void doctor_check_drivers(struct doctor *doctor);

/* doctor_check_device_files.c */
void doctor_check_device_files(struct doctor *doctor);
void doctor_check_system(struct doctor *doctor);

/* doctor_check_pci.c */
void doctor_check_pci(struct doctor *doctor);

#endif
