/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of src/net/builtin, embedded by tools/build/embed_text.py. */
#ifndef WEFT_NET_BUILTIN_NETS_H
#define WEFT_NET_BUILTIN_NETS_H

#include <stddef.h>

struct weft_builtin_net {
    const char *name, *text;
};
extern const struct weft_builtin_net weft_builtin_nets[];
extern const size_t weft_builtin_net_count;

#endif
