/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and reads .icd files. */
#include "core/icd_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_icd(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && n < ICD_NAME_BYTES && !strcmp(name + n - 4, ".icd");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

void icd_list_files(struct icd_list *list, const char *place)
{
    snprintf(list->place, sizeof(list->place), "%s", place);
    list->single = paths_exists(place) && !paths_is_folder(place);
    list->count = list->single;
    if (list->single) {
        snprintf(list->names[0], ICD_NAME_BYTES, "%.255s", paths_basename(place));
        return;
    }
    DIR *folder = opendir(place);
    for (struct dirent *e;
         folder && list->count < ICD_MAX_FILES && (e = readdir(folder));)
        if (is_icd(e->d_name))
            snprintf(list->names[list->count++], ICD_NAME_BYTES, "%.255s", e->d_name);
    if (folder)
        closedir(folder);
    qsort(list->names, (size_t)list->count, sizeof(*list->names), by_name);
}

bool icd_file_path(const struct icd_list *list, int index, char out[PATHS_MAX])
{
    if (list->single)
        return snprintf(out, PATHS_MAX, "%s", list->place) < PATHS_MAX;
    return paths_join(out, list->place, list->names[index]);
}

char *icd_read_library(const char *path)
{
    size_t size;
    char *text = paths_read_file(path, 4096, &size, NULL);
    if (text)
        text[strcspn(text, "\r\n")] = '\0';
    return text;
}
