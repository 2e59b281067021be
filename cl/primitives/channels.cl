/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives on channels, [image][position][channel]; a row is a position of an image.
 *
 *     copy_channels:   y[row][y_first + c] = x[row][x_first + c], c < count
 *     scale:           y[image][position][c] = x[image][position][c] scale[image][c]
 *     scale_gradient:  dscale[image][c] = sum over positions of x dy, or of dy (SUMS)
 *     channel_shuffle: y[row][j groups + i] = x[row][i per_group + j]
 *
 * Each is multiplied by f'(output) if ACT is not the identity; `output` has the layout of
 * the result. A work-item computes a vector of VW channels, the last of a run of channels
 * may have fewer. Global size >= `items`, the number of vectors; a row, or a row of
 * dscale, has `blocks` vectors. */
#ifndef TAILS
#define TAILS 1 /* VW does not divide every number of channels and every first one */
#endif
#ifndef SUMS
#define SUMS 0
#endif
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

/* Stores the lanes of v in a run of channels that ends `count` behind y. */
static inline void store_in_run(floatv v, __global stored_y *y, uint count)
{
    if (TAILS)
        store_part_y(v, y, count);
    else
        VSTORE_Y(v, y);
}

/* Three runs of y's channels: `before` vectors of zeros, `copied` ones, and the others of
 * `blocks`, of zeros. */
__kernel void copy_channels(VIEW(const stored_x, x), VIEW(const stored_act_grad, output),
                            VIEW(stored_y, y), uint items, uint blocks, uint before,
                            uint copied, uint count, uint x_first, uint x_channels,
                            uint y_first, uint y_channels, float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint row = i / blocks, block = i - row * blocks;
    uint c = block * VW, end = y_first;
    if (block >= before + copied) {
        c = y_first + count + (block - before - copied) * VW;
        end = y_channels;
    } else if (block >= before) {
        c = y_first + (block - before) * VW;
        end = y_first + count;
    }
    const uint to = row * y_channels + c;
    floatv v = (floatv)(0.0f);
    if (block >= before && block < before + copied)
        v = with_act_grad(VLOAD_X(x + x_at + row * x_channels + x_first + c - y_first),
                          output + output_at + to, act_params);
    store_in_run(v, y + y_at + to, end - c);
}

__kernel void scale(VIEW(const stored_x, x), VIEW(const stored_other, factors),
                    VIEW(const stored_act_grad, output), VIEW(stored_y, y), uint items,
                    uint blocks, uint channels, uint positions, float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint row = i / blocks, c = (i - row * blocks) * VW;
    const uint at = row * channels + c, factor = row / positions * channels + c;
    const floatv v = VLOAD_X(x + x_at + at) * VLOAD_OTHER(factors + factors_at + factor);
    store_in_run(with_act_grad(v, output + output_at + at, act_params), y + y_at + at,
                 channels - c);
}

__kernel void scale_gradient(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                             VIEW(const stored_act_grad, output), VIEW(stored_y, dscale),
                             uint items, uint blocks, uint channels, uint positions,
                             float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint image = i / blocks, c = (i - image * blocks) * VW;
    const uint first = image * positions * channels + c, to = image * channels + c;
    x += x_at + first;
    dy += dy_at + first;
    floatv sum = (floatv)(0.0f);
    for (uint position = 0; position < positions; position++) {
        const uint at = position * channels;
        const floatv g = VLOAD_OTHER(dy + at);
        sum = SUMS ? sum + g : MAD(VLOAD_X(x + at), g, sum);
    }
    store_in_run(with_act_grad(sum, output + output_at + to, act_params),
                 dscale + dscale_at + to, channels - c);
}

__kernel void channel_shuffle(VIEW(const stored_x, x),
                              VIEW(const stored_act_grad, output), VIEW(stored_y, y),
                              uint items, uint blocks, uint channels, uint groups,
                              uint per_group, float2 act_params)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const uint row = i / blocks, c = (i - row * blocks) * VW, to = row * channels + c;
    uint member = c / groups, group = c - member * groups;
    x += x_at + row * channels;
    float lanes[VW];
    for (uint lane = 0; lane < VW; lane++) {
        lanes[lane] = 0.0f;
        if (!TAILS || c + lane < channels)
            lanes[lane] = LOAD_X(x + group * per_group + member);
        if (++group == groups) {
            group = 0;
            member++;
        }
    }
    store_in_run(with_act_grad(LOAD_LANES(lanes), output + output_at + to, act_params),
                 y + y_at + to, channels - c);
}
