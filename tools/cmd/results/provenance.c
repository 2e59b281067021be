/* SPDX-License-Identifier: Apache-2.0 */
/* Provenance of a document: host, time and commit of this weft. */
#define _GNU_SOURCE
#include "results/provenance.h"

#include "commit.h"
#include "core/paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* The model name in /proc/cpuinfo, or "". */
static void processor(char out[128])
{
    size_t size;
    char *text = paths_read_file("/proc/cpuinfo", 1 << 20, &size, NULL);
    char *at = text ? strstr(text, "model name") : NULL;
    char *colon = at ? strchr(at, ':') : NULL;
    out[0] = '\0';
    if (colon)
        snprintf(out, 128, "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1);
    memmove(out, out + strspn(out, " "), strlen(out + strspn(out, " ")) + 1);
    free(text);
}

void provenance_write_json(struct json *j)
{
    struct utsname system = {0};
    char name[128], text[300], when[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    emit_text(j, "commit", WEFT_COMMIT);
    emit_text(j, "created", when);
    processor(name);
    uname(&system);
    snprintf(text, sizeof(text), "%.60s %.60s %.60s", system.sysname, system.release,
             system.machine);
    emit_object(j, "host");
    emit_text(j, "processor", name);
    emit_int(j, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    emit_text(j, "system", text);
    emit_end(j);
}
