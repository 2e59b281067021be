/* SPDX-License-Identifier: Apache-2.0 */
/* Recording a plan into command lists. */
#ifndef WEFT_NET_LOWER_H
#define WEFT_NET_LOWER_H

#include "net/plan.h"

/* Append to the list. Forward reads TENSOR_X. Backward begins with the loss, which reads
 * TENSOR_LABELS and writes TENSOR_LOSS and TENSOR_CORRECT, and writes the gradients of
 * all weights; of a plan that explains, with the gradient at the logits. */
enum weft_status weft_lower_forward(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_command_list *list);
enum weft_status weft_lower_backward(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers,
                                     struct weft_command_list *list);

#endif
