/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in networks: the texts of src/net/builtin. */
#include "net/builtin_nets.h"

#include <weft/net.h>

#include <string.h>

const char *weft_net_builtin(const char *name, int index)
{
    if (!name)
        return index >= 0 && (size_t)index < weft_builtin_net_count
                   ? weft_builtin_nets[index].name
                   : NULL;
    for (size_t i = 0; i < weft_builtin_net_count; i++)
        if (!strcmp(name, weft_builtin_nets[i].name))
            return weft_builtin_nets[i].text;
    return NULL;
}
