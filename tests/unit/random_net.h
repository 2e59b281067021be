/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks of every op, activation and option that the library has: the tables of
 * src/ops and cl/shared are what is drawn from, so that a new op is in them. */
#ifndef WEFT_TESTS_UNIT_RANDOM_NET_H
#define WEFT_TESTS_UNIT_RANDOM_NET_H

#include "net/graph.h"

enum { RANDOM_NET_CLASSES = 4 };

/* A number below `below`: a function of the network, a stream, and a place in it. */
uint32_t random_net_draw(uint32_t number, uint32_t stream, uint32_t at, uint32_t below);

/* A small network for training; NULL after an error. A function of `number`. */
weft_net *random_net_create(weft_context *ctx, uint32_t number);

#endif
