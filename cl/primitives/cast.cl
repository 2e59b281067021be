/* SPDX-License-Identifier: Apache-2.0 */
/* y = x, from one floating-point type to another (storage.h).
 *
 * A work-item converts a vector of VW elements. Global size >= count / VW, rounded up.
 * Loads may read past the end (buffers are padded), stores may not. */
#include "lib/common.h"
#include "lib/storage.h"

__kernel void cast(VIEW(const stored_x, x), VIEW(stored_y, y), uint count)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const floatv v = VLOAD_X(x + x_at + i);
    if (i + VW <= count)
        VSTORE_Y(v, y + y_at + i);
    else
        store_part_y(v, y + y_at + i, count - i);
}
