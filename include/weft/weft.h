/* SPDX-License-Identifier: Apache-2.0 */
/* weft: convolutional networks on any OpenCL device.
 *
 * base.h statuses, log, context; device.h devices; dataset.h and image.h data; net.h
 * networks; model.h model files; train.h training; inference.h inference; explain.h
 * layers and gradients; search.h nearest vectors. For tools: verify.h, bench.h, tune.h.
 *
 * A program:
 *
 *     weft_context *context = NULL;
 *     weft_device *device = NULL;
 *     weft_dataset *data = NULL;
 *     weft_net *net = NULL;
 *     weft_trainer *trainer = NULL;
 *     struct weft_dataset_info shape;
 *     int index;
 *
 *     if (weft_context_create(&context, NULL) ||
 *         weft_device_find(context, NULL, &index, NULL) ||
 *         weft_device_open(context, index, NULL, &device) ||
 *         weft_dataset_open(context, "fashion-mnist", WEFT_SPLIT_TRAIN, NULL, &data))
 *         goto failed;
 *     weft_dataset_info(data, &shape);
 *     if (weft_net_create(context, weft_net_builtin("small", 0),
 *                         weft_net_params(.height = shape.height, .width = shape.width,
 *                                         .channels = shape.channels,
 *                                         .classes = shape.classes),
 *                         &net) ||
 *         weft_trainer_create(device, net, data, NULL, &trainer) ||
 *         weft_trainer_run(trainer, 1000) ||
 *         weft_trainer_save_checkpoint(trainer, "small.safetensors", NULL))
 *         goto failed;
 *
 * weft_error(context) returns the message of the last failure. A complete program is
 * tests/unit/example_embed.c.
 */
#ifndef WEFT_H
#define WEFT_H

#include <weft/base.h>
#include <weft/bench.h>
#include <weft/dataset.h>
#include <weft/device.h>
#include <weft/explain.h>
#include <weft/image.h>
#include <weft/inference.h>
#include <weft/model.h>
#include <weft/net.h>
#include <weft/search.h>
#include <weft/train.h>
#include <weft/tune.h>
#include <weft/verify.h>

#endif
