/* SPDX-License-Identifier: Apache-2.0 */
/* Data gradient of a strided convolution, along one axis. Read by C and OpenCL C.
 *
 *     dx[p] = sum of dy[q] w[k] over the taps k with q stride + k dilation = p + pad
 *
 * p mod stride divides dx into `stride` phases. All pixels of a phase have the same
 * taps, and each tap belongs to one phase, so a phase is a convolution of dy with stride
 * 1 and a smaller filter, rotated by 180 degrees, without multiplications by zero. */
#ifndef WEFT_STRIDED_DGRAD_H
#define WEFT_STRIDED_DGRAD_H

struct weft_conv_axis {
    int window, stride, dilation, pad; /* of the forward convolution */
};

/* The pixels g = p / stride = 0, 1, ... of a phase read dy at g + first, and for each
 * further tap weft_tap_step() * dilation / stride further. */
struct weft_dgrad_phase {
    int taps, taps_before; /* of this phase; of the phases before it */
    int first;
};

#ifndef __OPENCL_VERSION__
/* Distance in the filter of the taps of a phase: stride / gcd(stride, dilation). */
static inline int weft_tap_step(int stride, int dilation)
{
    int a = stride, b = dilation;
    while (b) {
        const int remainder = a - a / b * b;
        a = b;
        b = remainder;
    }
    return stride / a;
}
#endif

/* The phase to which a tap belongs. */
static inline int weft_dgrad_phase_of_tap(struct weft_conv_axis axis, int tap)
{
    const int at = tap * axis.dilation - axis.pad,
              remainder = at - at / axis.stride * axis.stride;
    return remainder < 0 ? remainder + axis.stride : remainder;
}

/* A phase. `first` belongs to its last tap; without taps nothing is read. */
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

/* Position of a tap among those of its phase, counted from the last one. */
static inline int weft_dgrad_tap_index(struct weft_conv_axis axis, int tap)
{
    const int index = weft_dgrad_phase_of_tap(axis, tap);
    int position = 0;
    for (int k = tap + 1; k < axis.window; k++)
        position += weft_dgrad_phase_of_tap(axis, k) == index;
    return position;
}

#endif
