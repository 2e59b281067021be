/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in networks. */
#include "net/graph.h"

#include <string.h>

static const struct {
    const char *name, *text;
} builtins[] = {
    {"small", "# A small network for 28x28 grey images: 174 thousand weights.\n"
              "conv 32 3x3 relu\n"
              "max-pool 2\n"
              "flatten\n"
              "dense 32 relu\n"
              "dense 10\n"
              "softmax\n"
              "optimizer adam 1e-3\n"
              "batch 512\n"},
    {"small-64", "# The same, twice as wide, with dropout.\n"
                 "conv 64 3x3 relu\n"
                 "max-pool 2\n"
                 "flatten\n"
                 "dense 64 relu\n"
                 "dropout 0.2\n"
                 "dense 10\n"
                 "softmax\n"
                 "optimizer adam 1e-3\n"
                 "batch 512\n"},
    {"medium", "# For 28x28 grey images: seven convolutions, 290 thousand weights.\n"
               "conv 8 2x2 gelu\n"
               "conv 32 3x3 pad=same bias=no\n"
               "max-pool 2\n"
               "batch-norm gelu\n"
               "conv 32 3x3 pad=same bias=no\n"
               "batch-norm gelu\n"
               "conv 64 3x3 pad=same bias=no\n"
               "max-pool 2\n"
               "batch-norm gelu\n"
               "conv 64 3x3 pad=same bias=no\n"
               "batch-norm gelu\n"
               "conv 128 3x3 pad=same bias=no\n"
               "max-pool 2\n"
               "batch-norm gelu\n"
               "conv 128 3x3 pad=same bias=no\n"
               "batch-norm gelu\n"
               "global-max-pool\n"
               "dense 10 bias=no\n"
               "softmax\n"
               "optimizer sgd 0.1 momentum=0.9 nesterov=yes\n"
               "batch 256\n"},
    {"resnet9", "# ResNet-9 (Page, DAWNBench 2018): eight convolutions, two residuals, "
                "6.6 million weights.\n"
                "conv 64 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "conv 128 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "max-pool 2 as=half\n"
                "conv 128 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "conv 128 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "add half\n"
                "conv 256 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "max-pool 2\n"
                "conv 512 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "max-pool 2 as=eighth\n"
                "conv 512 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "conv 512 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "add eighth\n"
                "global-max-pool\n"
                "dense 10 bias=no init=uniform\n"
                "softmax\n"
                "optimizer sgd 0.002 momentum=0.9 nesterov=yes decay=5e-4\n"
                "batch 256\n"},
};

const char *weft_net_builtin(const char *name, int index)
{
    if (!name)
        return index >= 0 && index < (int)WEFT_ARRAY_SIZE(builtins) ? builtins[index].name
                                                                    : NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(builtins); i++)
        if (!strcmp(name, builtins[i].name))
            return builtins[i].text;
    return NULL;
}
