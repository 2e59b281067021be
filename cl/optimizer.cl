/* SPDX-License-Identifier: Apache-2.0 */
/* The launch that ends a training step: the optimizer over all weights at once, and the
 * step's account, which the first work-item or work-group keeps.
 *
 *     SGD:   m = momentum m + g + decay w
 *            w -= rate (nesterov ? g + decay w + momentum m : m)
 *     Adam:  g += decay w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *            w -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 *     AdamW: the same without decay in g; w -= rate decay w before
 *
 * g is what lies in memory times `unscale`, a power of two.
 *
 * Powers and rate come from the state (state.h). `variant`: Nesterov's, or AdamW. n: rows
 * of the account; 0: none is kept. One work-item a vector; global size >= count / VW,
 * rounded up.
 *
 * LEFT: so many ranges of g are not in g but in planes that splits of products left
 * (gemm_tile.cl). `left` tells of each, in LEFT_WORDS: where it begins in g, its length,
 * where its first plane lies in `planes`, how far apart they are, how many. A range
 * begins at a multiple of VW, and what follows it up to the next is nobody's. */
#include "common.h"
#include "state.h"

#ifndef GROUP
#define GROUP 1 /* 1: one work-item sums the rows; else the local size, a power of two */
#endif

#ifndef LEFT
#define LEFT 0
#endif
enum { LEFT_BEGIN, LEFT_COUNT, LEFT_FROM, LEFT_STRIDE, LEFT_PLANES, LEFT_WORDS };

/* g at i; the planes of a range are added in order. */
static inline floatv gradient_at(__global const float *g, uint i,
                                 __global const float *planes, __global const uint *left)
{
    for (uint range = 0; range < LEFT; range++, left += LEFT_WORDS) {
        const uint at = i - left[LEFT_BEGIN], count = left[LEFT_COUNT];
        if (at >= count)
            continue;
        __global const float *plane = planes + left[LEFT_FROM] + at;
        floatv sum = VLOAD(plane);
        for (uint p = 1; p < left[LEFT_PLANES]; p++)
            sum += VLOAD(plane + p * left[LEFT_STRIDE]);
        if (at + VW > count) { /* what no split wrote */
            float lanes[VW];
            VSTORE(sum, lanes);
            for (uint lane = count - at; lane < VW; lane++)
                lanes[lane] = 0.0f;
            sum = VLOAD(lanes);
        }
        return sum;
    }
    return VLOAD(g + i);
}

static inline void put(floatv v, __global float *to, uint i, uint count)
{
    if (i + VW <= count)
        VSTORE(v, to + i);
    else
        store_part(v, to + i, count - i);
}

/* On to the next step; one work-item does it. What is written here, no other reads. */
static inline void advance(__global uint *s, float loss, uint hits, uint n, float beta1,
                           float beta2)
{
    const uint step = s[STATE_STEP];
    const uint at = STATE_RING + 2 * (step % STATE_RING_STEPS);
    s[at] = as_uint(loss / n);
    s[at + 1] = hits;
    s[STATE_NEXT_BETA1_POWER] = as_uint(as_float(s[STATE_BETA1_POWER]) * beta1);
    s[STATE_NEXT_BETA2_POWER] = as_uint(as_float(s[STATE_BETA2_POWER]) * beta2);
    s[STATE_STEP] = step + 1;
}

#if GROUP == 1

/* Lane by lane, then the lanes and the rest in order. */
static inline void account(__global uint *state, __global const float *loss,
                           __global const uint *hit, uint n, float beta1, float beta2)
{
    if (get_global_id(0) > 0 || n == 0)
        return;
    floatv sums = (floatv)(0.0f);
    float lanes[VW], sum = 0.0f;
    uint hits = 0, i;
    for (i = 0; i + VW <= n; i += VW)
        sums += VLOAD(loss + i);
    VSTORE(sums, lanes);
    for (uint lane = 0; lane < VW; lane++)
        sum += lanes[lane];
    for (; i < n; i++)
        sum += loss[i];
    for (i = 0; i < n; i++)
        hits += hit[i];
    advance(state, sum, hits, n, beta1, beta2);
}
#define ACCOUNT account(state + state_at, loss + loss_at, hit + hit_at, n, beta1, beta2)

#else

/* Each a stride of rows, then a tree. The other groups pass the barriers with no rows:
 * what follows a barrier under a condition PoCL 3.1 runs for every work-item. */
static inline void account(__global uint *state, __global const float *loss,
                           __global const uint *hit, uint n, float beta1, float beta2,
                           __local float *sums, __local uint *hits)
{
    const uint me = get_local_id(0), rows = get_group_id(0) == 0 ? n : 0;
    float sum = 0.0f;
    uint count = 0;
    for (uint i = me; i < rows; i += GROUP) {
        sum += loss[i];
        count += hit[i];
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
    if (me == 0 && rows > 0)
        advance(state, sums[0], hits[0], n, beta1, beta2);
}
#define ACCOUNT                \
    __local float sums[GROUP]; \
    __local uint hits[GROUP];  \
    account(state + state_at, loss + loss_at, hit + hit_at, n, beta1, beta2, sums, hits)

#endif

#define ARGUMENTS                                                                   \
    __global uint *state, uint state_at, __global float *w, uint w_at,              \
        __global const float *g, uint g_at, __global const float *planes,           \
        uint planes_at, __global const uint *left, uint left_at, __global float *m, \
        uint m_at, __global float *v, uint v_at, __global const float *loss,        \
        uint loss_at, __global const uint *hit, uint hit_at, uint count, uint n,    \
        float momentum, float beta1, float beta2, float epsilon, float decay,       \
        int variant, float unscale

#define GRADIENT(i) \
    (gradient_at(g + g_at, i, planes + planes_at, left + left_at) * unscale)

__kernel void sgd(ARGUMENTS)
{
    ACCOUNT;
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float rate = as_float(state[state_at + STATE_RATE]);
    const floatv weight = VLOAD(w + w_at + i);
    const floatv gradient = MAD(decay, weight, GRADIENT(i));
    const floatv velocity = MAD(momentum, VLOAD(m + m_at + i), gradient);
    const floatv move = variant ? MAD(momentum, velocity, gradient) : velocity;
    put(velocity, m + m_at, i, count);
    put(weight - rate * move, w + w_at, i, count);
}

__kernel void adam(ARGUMENTS)
{
    ACCOUNT;
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float rate = as_float(state[state_at + STATE_RATE]);
    const float correct1 = 1.0f - as_float(state[state_at + STATE_BETA1_POWER]);
    const float correct2 = 1.0f - as_float(state[state_at + STATE_BETA2_POWER]);
    floatv weight = VLOAD(w + w_at + i), gradient = GRADIENT(i);
    if (variant)
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
