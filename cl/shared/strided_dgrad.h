/* SPDX-License-Identifier: Apache-2.0 */
/* The data gradient of a convolution with a stride, along one axis. Read by C and
 * OpenCL C.
 *
 *     dx[p] = sum of dy[q] w[k] over the taps k with q stride + k dilation = p + pad
 *
 * What remains of p, p mod stride, deals dx into `stride` parts; those taps are the same
 * within a phase, and each tap belongs to one phase. So a phase is a convolution of dy
 * with stride 1 and a smaller window, turned by half a turn; no tap is tried in vain. */
#ifndef WEFT_PARTS_H
#define WEFT_PARTS_H

struct weft_conv_axis {
    int window, stride, dilation, pad; /* of the forward convolution */
};

/* The phase's places g = p / stride = 0, 1, ... read dy at g + first, and for each tap
 * weft_tap_step() * dilation / stride further. */
struct weft_dgrad_phase {
    int taps, taps_before; /* its own; those of the parts taps_before it */
    int first;
};

#ifndef __OPENCL_VERSION__
/* How far apart the taps of a phase lie in the window: stride over the divisor that it
 * has in common with the dilation. */
static inline int weft_tap_step(int stride, int dilation)
{
    int a = stride, b = dilation;
    while (b) {
        const int rest = a - a / b * b;
        a = b;
        b = rest;
    }
    return stride / a;
}
#endif

/* To which phase tap k belongs. */
static inline int weft_dgrad_phase_of_tap(struct weft_conv_axis axis, int tap)
{
    const int at = tap * axis.dilation - axis.pad,
              rest = at - at / axis.stride * axis.stride;
    return rest < 0 ? rest + axis.stride : rest;
}

/* Its last tap comes first. Where it has none, nothing is read. */
static inline struct weft_dgrad_phase weft_dgrad_phase(struct weft_conv_axis axis,
                                                       int index)
{
    struct weft_dgrad_phase phase = {0, 0, 0};
    for (int k = 0; k < axis.window; k++) {
        const int of = weft_dgrad_phase_of_tap(axis, k);
        phase.taps_before += of < index;
        if (of != index)
            continue;
        phase.taps++;
        phase.first = (index + axis.pad - k * axis.dilation) / axis.stride;
    }
    return phase;
}

/* Which of its phase's taps tap k is, counted from the last one. */
static inline int weft_dgrad_tap_index(struct weft_conv_axis axis, int tap)
{
    const int index = weft_dgrad_phase_of_tap(axis, tap);
    int place = 0;
    for (int k = tap + 1; k < axis.window; k++)
        place += weft_dgrad_phase_of_tap(axis, k) == index;
    return place;
}

#endif
