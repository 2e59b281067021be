/* SPDX-License-Identifier: Apache-2.0 */
/* The two launches that end a training step: the optimizer over all weights at once, and
 * the step's account.
 *
 *     SGD:   m = momentum m + g + decay w
 *            w -= rate (nesterov ? g + decay w + momentum m : m)
 *     Adam:  g += decay w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *            w -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 *     AdamW: the same without decay in g; w -= rate decay w before
 *
 * Powers and rate come from the state (state.h). What tells optimizers apart are
 * arguments, so that all are one program. */
#include "common.h"
#include "state.h"

#ifndef GROUP
#define GROUP 64 /* work-items of finish_tree, a power of two */
#endif

static inline void put(floatv v, __global float *to, uint i, uint count)
{
    if (i + VW <= count)
        VSTORE(v, to + i);
    else
        store_part(v, to + i, count - i);
}

/* One work-item a vector. Global size >= count / VW, rounded up. `apart`: AdamW. */
__kernel void sgd(__global const uint *state, uint state_at, __global float *w, uint w_at,
                  __global const float *g, uint g_at, __global float *m, uint m_at,
                  uint count, float momentum, float decay, int nesterov)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float rate = as_float(state[state_at + STATE_RATE]);
    const floatv weight = VLOAD(w + w_at + i);
    const floatv gradient = MAD(decay, weight, VLOAD(g + g_at + i));
    const floatv velocity = MAD(momentum, VLOAD(m + m_at + i), gradient);
    const floatv move = nesterov ? MAD(momentum, velocity, gradient) : velocity;
    put(velocity, m + m_at, i, count);
    put(weight - rate * move, w + w_at, i, count);
}

__kernel void adam(__global const uint *state, uint state_at, __global float *w,
                   uint w_at, __global const float *g, uint g_at, __global float *m,
                   uint m_at, __global float *v, uint v_at, uint count, float beta1,
                   float beta2, float epsilon, float decay, int apart)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float rate = as_float(state[state_at + STATE_RATE]);
    const float correct1 = 1.0f - as_float(state[state_at + STATE_BETA1_POWER]);
    const float correct2 = 1.0f - as_float(state[state_at + STATE_BETA2_POWER]);
    floatv weight = VLOAD(w + w_at + i), gradient = VLOAD(g + g_at + i);
    if (apart)
        weight -= rate * decay * weight;
    else
        gradient = MAD(decay, weight, gradient);
    const floatv mean = MAD(beta1, VLOAD(m + m_at + i), (1.0f - beta1) * gradient);
    const floatv square =
        MAD(beta2, VLOAD(v + v_at + i), (1.0f - beta2) * gradient * gradient);
    const floatv move = mean / correct1 / (sqrt(square / correct2) + epsilon);
    put(mean, m + m_at, i, count);
    put(square, v + v_at, i, count);
    put(weight - rate * move, w + w_at, i, count);
}

static inline void account(__global uint *s, float loss, uint hits, uint n, float beta1,
                           float beta2)
{
    const uint step = s[STATE_STEP];
    const uint at = STATE_RING + 2 * (step % STATE_RING_STEPS);
    s[at] = as_uint(loss / n);
    s[at + 1] = hits;
    s[STATE_BETA1_POWER] = as_uint(as_float(s[STATE_BETA1_POWER]) * beta1);
    s[STATE_BETA2_POWER] = as_uint(as_float(s[STATE_BETA2_POWER]) * beta2);
    s[STATE_STEP] = step + 1;
}

/* For processors: one work-item, lane by lane, then the lanes and the rest in order. */
__kernel void finish_serial(__global uint *state, uint state_at,
                            __global const float *loss, uint loss_at,
                            __global const uint *hit, uint hit_at, uint n, float beta1,
                            float beta2)
{
    floatv sums = (floatv)(0.0f);
    float lanes[VW], sum = 0.0f;
    uint hits = 0, i;
    for (i = 0; i + VW <= n; i += VW)
        sums += VLOAD(loss + loss_at + i);
    VSTORE(sums, lanes);
    for (uint lane = 0; lane < VW; lane++)
        sum += lanes[lane];
    for (; i < n; i++)
        sum += loss[loss_at + i];
    for (i = 0; i < n; i++)
        hits += hit[hit_at + i];
    account(state + state_at, sum, hits, n, beta1, beta2);
}

/* For GPUs: one work-group of GROUP work-items, each a stride of rows, then a tree. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
finish_tree(__global uint *state, uint state_at, __global const float *loss, uint loss_at,
            __global const uint *hit, uint hit_at, uint n, float beta1, float beta2)
{
    __local float sums[GROUP];
    __local uint hits[GROUP];
    const uint me = get_local_id(0);
    float sum = 0.0f;
    uint count = 0;
    for (uint i = me; i < n; i += GROUP) {
        sum += loss[loss_at + i];
        count += hit[hit_at + i];
    }
    sums[me] = sum;
    hits[me] = count;
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < reach) {
            sums[me] += sums[me + reach];
            hits[me] += hits[me + reach];
        }
    }
    if (me == 0)
        account(state + state_at, sums[0], hits[0], n, beta1, beta2);
}
