/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnosis of missing GPUs, from the OpenCL loader to the PCI bus: a list of findings
 * with fixes. System files are read below a root, so that tests can simulate a
 * machine. */
#ifndef WEFT_CMD_DEVICES_DOCTOR_H
#define WEFT_CMD_DEVICES_DOCTOR_H

#include "core/app.h"
#include "core/icd_files.h"

enum doctor_severity { DOCTOR_OK, DOCTOR_INFO, DOCTOR_ERROR };

enum { DOCTOR_MAX_FINDINGS = 128 };

struct doctor_finding {
    enum doctor_severity severity;
    const char *area;
    char subject[256]; /* a file, a variable, a PCI address; may be "" */
    char message[600]; /* starts with the subject */
    char fix[400];     /* may be "" */
};

struct doctor {
    const char *root; /* "": the machine itself */
    const weft_context *context;
    struct doctor_finding findings[DOCTOR_MAX_FINDINGS];
    int count;
    const char *area; /* of the running probe */
};

/* Must follow the creation of the context, which loads the drivers. */
void doctor_run(struct doctor *doctor, const weft_context *context, const char *root);

/* True if an error finding covers this diagnostic of the library. */
bool doctor_explains(const struct doctor *doctor, const char *diagnostic);

/* "MESSAGE: FIX" */
void doctor_format_finding(const struct doctor_finding *finding, char out[1024]);

/* Prints all findings. */
enum app_exit doctor_print(struct app *app, const struct doctor *doctor);

/* doctor_findings.c, for the probes. `fix` may be "". */
void doctor_add_finding(struct doctor *doctor, enum doctor_severity severity,
                        const char *subject, const char *fix, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The path below the root. False: too long. */
bool doctor_resolve_path(const struct doctor *doctor, const char *path,
                         char out[PATHS_MAX]);
bool doctor_path_exists(const struct doctor *doctor, const char *path);
/* The text of a file, or NULL. Caller frees it. */
char *doctor_read_file(const struct doctor *doctor, const char *path);
/* Lists the names in a folder that start with `begin`, sorted. Free them with
 * doctor_list_free. */
int doctor_list_folder(const struct doctor *doctor, const char *folder, const char *begin,
                       char ***names);
void doctor_list_free(char **names, int count);

/* doctor_drivers.c */
void doctor_list_icds(const struct doctor *doctor, struct icd_list *list);
void doctor_check_loader(struct doctor *doctor);
void doctor_check_environment(struct doctor *doctor);
void doctor_check_drivers(struct doctor *doctor);

/* doctor_files.c */
void doctor_check_device_files(struct doctor *doctor);
void doctor_check_system(struct doctor *doctor);
/* The kind of container, or NULL outside of one. */
const char *doctor_container_kind(const struct doctor *doctor);

/* doctor_pci.c */
void doctor_check_pci(struct doctor *doctor);

#endif
