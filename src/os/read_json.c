/* SPDX-License-Identifier: Apache-2.0 */
/* jansson reports a failed allocation as invalid syntax in several places. */
#include "os/read_json.h"

#include <stdlib.h>

json_t *weft_read_json(const char *text, size_t size, json_error_t *error,
                       bool *no_memory)
{
    json_t *found = json_loadb(text, size, JSON_REJECT_DUPLICATES, error);
    *no_memory = false;
    if (found)
        return found;
    /* After a single failed allocation the second attempt succeeds. If memory is out for
     * good, a text's multiple, which parsing it takes, is not available either. */
    found = json_loadb(text, size, JSON_REJECT_DUPLICATES, error);
    void *sample = found ? NULL : malloc(16 * size + 1);
    *no_memory = !found && !sample;
    free(sample);
    return found;
}
