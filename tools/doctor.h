/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a program and its GPU, from the OpenCL loader to the PCI bus: a
 * list of findings, each with its mend. Files of the system are looked at below a root,
 * so that a made-up machine can be looked at too. */
#ifndef WEFT_TOOLS_DOCTOR_H
#define WEFT_TOOLS_DOCTOR_H

#include "app.h"
#include "icd.h"

enum doctor_grade { DOCTOR_FINE, DOCTOR_TOLD, DOCTOR_WRONG };

enum { DOCTOR_MOST = 128 };

struct doctor_finding {
    enum doctor_grade grade;
    const char *area;
    char about[256]; /* a file, a variable, a PCI address; "" */
    char what[600];  /* half a sentence that begins with it */
    char mend[400];  /* of what is wrong */
};

struct doctor {
    const char *root; /* "" is the machine's own */
    const weft_context *context;
    struct doctor_finding findings[DOCTOR_MOST];
    int count;
    const char *area; /* of the probe that looks */
};

/* To be called once the context is made: drivers have been loaded then. */
void doctor_look(struct doctor *doctor, const weft_context *context, const char *root);

/* Whether a finding that is wrong says what this note of the library does. */
bool doctor_covers(const struct doctor *doctor, const char *note);

/* "WHAT; MEND" */
void doctor_sentence(const struct doctor_finding *finding, char out[1024]);

/* All findings. */
enum app_exit doctor_tell(struct app *app, const struct doctor *doctor);

/* For the probes. `mend` "": there is none. */
void doctor_find(struct doctor *doctor, enum doctor_grade grade, const char *about,
                 const char *mend, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The path below the root. False: it is too long. */
bool doctor_path(const struct doctor *doctor, const char *path, char out[PATHS_MAX]);
bool doctor_exists(const struct doctor *doctor, const char *path);
/* The text of a file, to be freed; NULL: it cannot be read. */
char *doctor_read(const struct doctor *doctor, const char *path);
/* The names in a folder, sorted, that begin so; *names to be freed by doctor_names_free.
 */
int doctor_names(const struct doctor *doctor, const char *folder, const char *begin,
                 char ***names);
void doctor_names_free(char **names, int count);

/* What kind of container this is; NULL: none. */
const char *doctor_container(const struct doctor *doctor);

/* doctor_drivers.c */
void doctor_icds(const struct doctor *doctor, struct icd_list *list);
void doctor_loader(struct doctor *doctor);
void doctor_settings(struct doctor *doctor);
void doctor_drivers(struct doctor *doctor);

/* doctor_files.c */
void doctor_files(struct doctor *doctor);
void doctor_system(struct doctor *doctor);

/* doctor_pci.c */
void doctor_pci(struct doctor *doctor);

#endif
