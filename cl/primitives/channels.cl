/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives on channels, [image][position][channel]; a row is a position of an image.
 *
 *     copy_channels:   y[row][y_first + c] = x[row][x_first + c], c < count
 *     scale:           y[image][position][c] = x[image][position][c] scale[image][c]
 *     scale_gradient:  dscale[image][c] = sum over positions of x dy
 *     channel_shuffle: y[row][j groups + i] = x[row][i per_group + j]
 *
 * Each is multiplied by f'(output) if ACT is not the identity; `output` has the layout of
 * the result. A work-item computes a vector of VW channels; VW divides every number of
 * channels and every first channel, and is 1 for channel_shuffle. Global size >= `items`,
 * the number of vectors; a row, or a row of dscale, has `blocks` vectors. */
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/storage.h"

static inline floatv with_act_grad(floatv v, __global const stored_act_grad *output,
                                   float2 act_params)
{
    if (CHOSEN_ACT == ACT_identity)
        return v;
    const floatv f = VLOAD_ACT_GRAD(output);
    return v * activate_gradient(f, f, act_params);
}

/* Writes the channels of y from `begin`, blocks VW of them; those that x does not have
 * become 0. */
__kernel void copy_channels(VIEW(const stored_x, x), VIEW(const stored_act_grad, output),
                            VIEW(stored_y, y), uint items, uint blocks, uint begin,
                            uint count, uint x_first, uint x_channels, uint y_first,
                            uint y_channels, float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint row = i / blocks, c = begin + (i - row * blocks) * VW;
    const uint from = c - y_first; /* wraps below y_first */
    const uint to = row * y_channels + c;
    floatv v = (floatv)(0.0f);
    if (from < count)
        v = with_act_grad(VLOAD_X(x + x_at + row * x_channels + x_first + from),
                          output + output_at + to, act_params);
    VSTORE_Y(v, y + y_at + to);
}

__kernel void scale(VIEW(const stored_x, x), VIEW(const stored_other, factors),
                    VIEW(const stored_act_grad, output), VIEW(stored_y, y), uint items,
                    uint blocks, uint positions, float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint row = i / blocks, block = i - row * blocks;
    const uint factor = (row / positions * blocks + block) * VW;
    const floatv v =
        VLOAD_X(x + x_at + i * VW) * VLOAD_OTHER(factors + factors_at + factor);
    VSTORE_Y(with_act_grad(v, output + output_at + i * VW, act_params),
             y + y_at + i * VW);
}

__kernel void scale_gradient(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                             VIEW(const stored_act_grad, output), VIEW(stored_y, dscale),
                             uint items, uint blocks, uint positions, float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint image = i / blocks;
    const uint first = (image * positions * blocks + i - image * blocks) * VW;
    x += x_at + first;
    dy += dy_at + first;
    floatv sum = (floatv)(0.0f);
    for (uint position = 0; position < positions; position++) {
        const uint at = position * blocks * VW;
        sum = MAD(VLOAD_X(x + at), VLOAD_OTHER(dy + at), sum);
    }
    VSTORE_Y(with_act_grad(sum, output + output_at + i * VW, act_params),
             dscale + dscale_at + i * VW);
}

__kernel void channel_shuffle(VIEW(const stored_x, x),
                              VIEW(const stored_act_grad, output), VIEW(stored_y, y),
                              uint items, uint channels, uint groups, uint per_group,
                              float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint row = i / channels, c = i - row * channels;
    const uint member = c / groups, group = c - member * groups;
    const floatv v = VLOAD_X(x + x_at + row * channels + group * per_group + member);
    VSTORE_Y(with_act_grad(v, output + output_at + i, act_params), y + y_at + i);
}
