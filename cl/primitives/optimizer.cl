/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizer step: the last launch of a training step updates all weights, and its first
 * work-item or work-group accumulates the step's metrics.
 *
 *     SGD:   m = momentum m + g + weight_decay w
 *            w -= learning_rate (nesterov ? g + weight_decay w + momentum m : m)
 *     Adam:  g += weight_decay w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *            w -= learning_rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 *     AdamW: the same without weight_decay in g; w -= learning_rate weight_decay w before
 *
 * g is the stored gradient times `unscale`, a power of two, and with CLIP times the
 * factor in the state (clip_gradient.cl).
 *
 * b1^t, b2^t and learning_rate are read from the state (state.h). `variant`: Nesterov
 * momentum, or AdamW. n: rows of the batch; 0: no metrics. A work-item updates a vector;
 * global size >= count / VW, rounded up.
 *
 * GROUPS: 1 if learning rate and decay are those of the group of the weights, in
 * `settings` (weight_groups.h); `groups` has the group of each GROUP_WEIGHTS weights.
 *
 * DEFERRED_RANGES: number of ranges of the gradient that are not in g, but partial sums
 * left by splits of a GEMM (gemm_tile.cl). `deferred` has an entry of DEFERRED_WORDS for
 * each (partial_sums.h). Between the end of a range and the next multiple of VW there
 * are no weights. */
#define ALIGNED 1
#include "lib/common.h"
#include "shared/partial_sums.h"
#include "shared/state.h"
#include "shared/weight_groups.h"

#ifndef WORK_GROUP_SIZE
/* 1: one work-item sums the rows; else the local size, a power of two */
#define WORK_GROUP_SIZE 1
#endif

#ifndef DEFERRED_RANGES
#define DEFERRED_RANGES 0
#endif

#ifndef GROUPS
#define GROUPS 0
#endif
#ifndef CLIP
#define CLIP 0
#endif

/* Gradient at i; partial sums are added in order. */
static inline floatv load_gradient(__global const float *g, uint i,
                                   __global const float *partial_sums,
                                   __global const uint *deferred)
{
    for (uint range = 0; range < DEFERRED_RANGES; range++, deferred += DEFERRED_WORDS) {
        const uint at = i - deferred[DEFERRED_BEGIN], count = deferred[DEFERRED_COUNT];
        if (at >= count)
            continue;
        __global const float *partial_sum = partial_sums + deferred[DEFERRED_FROM] + at;
        floatv sum = VLOAD(partial_sum);
        for (uint p = 1; p < deferred[DEFERRED_PARTIALS]; p++)
            sum += VLOAD(partial_sum + p * deferred[DEFERRED_STRIDE]);
        if (at + VW > count) { /* not written by any split */
            float lanes[VW];
            STORE_LANES(sum, lanes);
            for (uint lane = count - at; lane < VW; lane++)
                lanes[lane] = 0.0f;
            sum = LOAD_LANES(lanes);
        }
        return sum;
    }
    return VLOAD(g + i);
}

static inline void store(floatv v, __global float *to, uint i, uint count)
{
    if (i + VW <= count)
        VSTORE(v, to + i);
    else
        store_part(v, to + i, count - i);
}

/* Stores the metrics and advances the state; called by one work-item. No other work-item
 * reads what it writes. */
static inline void finish_step(__global uint *s, float loss, uint correct_count, uint n,
                               float beta1, float beta2)
{
    const uint step = s[STATE_STEP];
    const uint at = STATE_METRICS_RING + 2 * (step % STATE_RING_STEPS);
    s[at] = as_uint(loss / n);
    s[at + 1] = correct_count;
    s[STATE_NEXT_BETA1_POWER] = as_uint(as_float(s[STATE_BETA1_POWER]) * beta1);
    s[STATE_NEXT_BETA2_POWER] = as_uint(as_float(s[STATE_BETA2_POWER]) * beta2);
    s[STATE_STEP] = step + 1;
}

#if WORK_GROUP_SIZE == 1

/* Sums by lane, then over lanes and the remainder in order. */
static inline void accumulate_metrics(__global uint *state, __global const float *loss,
                                      __global const uint *correct, uint n, float beta1,
                                      float beta2)
{
    if (get_global_id(0) > 0 || n == 0)
        return;
    floatv sums = (floatv)(0.0f);
    float lanes[VW], sum = 0.0f;
    uint correct_count = 0, i;
    for (i = 0; i + VW <= n; i += VW)
        sums += VLOAD(loss + i);
    STORE_LANES(sums, lanes);
    for (uint lane = 0; lane < VW; lane++)
        sum += lanes[lane];
    for (; i < n; i++)
        sum += loss[i];
    for (i = 0; i < n; i++)
        correct_count += correct[i];
    finish_step(state, sum, correct_count, n, beta1, beta2);
}
#define ACCUMULATE_METRICS                                                               \
    accumulate_metrics(state + state_at, loss + loss_at, correct + correct_at, n, beta1, \
                       beta2)

#else

/* Each work-item sums a stride of rows, then a tree. The other work-groups pass the
 * barriers with no rows: PoCL 3.1 executes the code after a conditional barrier for
 * every work-item. */
static inline void accumulate_metrics(__global uint *state, __global const float *loss,
                                      __global const uint *correct, uint n, float beta1,
                                      float beta2, __local float *sums,
                                      __local uint *correct_count)
{
    const uint lane = get_local_id(0), rows = get_group_id(0) == 0 ? n : 0;
    float sum = 0.0f;
    uint count = 0;
    for (uint i = lane; i < rows; i += WORK_GROUP_SIZE) {
        sum += loss[i];
        count += correct[i];
    }
    sums[lane] = sum;
    correct_count[lane] = count;
    for (uint offset = WORK_GROUP_SIZE / 2; offset > 0; offset /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < offset) {
            sums[lane] += sums[lane + offset];
            correct_count[lane] += correct_count[lane + offset];
        }
    }
    if (lane == 0 && rows > 0)
        finish_step(state, sums[0], correct_count[0], n, beta1, beta2);
}
#define ACCUMULATE_METRICS                                                               \
    __local float sums[WORK_GROUP_SIZE];                                                 \
    __local uint correct_count[WORK_GROUP_SIZE];                                         \
    accumulate_metrics(state + state_at, loss + loss_at, correct + correct_at, n, beta1, \
                       beta2, sums, correct_count)

#endif

/* The arguments of both kernels: state, weights, gradient and its deferred ranges,
 * groups and their settings, moments, loss and correctness of each row of the batch;
 * numbers of weights and rows; hyperparameters. */
#define OPTIMIZER_TENSORS                                                                \
    ALIASED_VIEW(uint, state), ALIASED_VIEW(float, w), ALIASED_VIEW(const float, g),     \
        ALIASED_VIEW(const float, partial_sums), ALIASED_VIEW(const uint, deferred),     \
        ALIASED_VIEW(const uint, groups), ALIASED_VIEW(const float, settings),           \
        ALIASED_VIEW(float, m), ALIASED_VIEW(float, v), ALIASED_VIEW(const float, loss), \
        ALIASED_VIEW(const uint, correct)
#define OPTIMIZER_NUMBERS                                                        \
    uint count, uint n, float momentum, float beta1, float beta2, float epsilon, \
        float weight_decay, int variant, float unscale

#define STORED_GRADIENT(i) \
    load_gradient(g + g_at, i, partial_sums + partial_sums_at, deferred + deferred_at)
#if CLIP
#define GRADIENT(i) \
    (STORED_GRADIENT(i) * (unscale * as_float(state[state_at + STATE_CLIP_FACTOR])))
#else
#define GRADIENT(i) (STORED_GRADIENT(i) * unscale)
#endif

/* Learning rate and decay of the weights at i. */
#if GROUPS
#define GROUP_SETTING(i, which)                                                       \
    settings[settings_at + GROUP_SETTINGS * groups[groups_at + (i) / GROUP_WEIGHTS] + \
             which]
#define RATE_FACTOR(i) GROUP_SETTING(i, GROUP_RATE)
#define DECAY(i)       GROUP_SETTING(i, GROUP_DECAY)
#else
#define RATE_FACTOR(i) 1.0f
#define DECAY(i)       weight_decay
#endif

__kernel void sgd(OPTIMIZER_TENSORS, OPTIMIZER_NUMBERS)
{
    ACCUMULATE_METRICS;
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float learning_rate =
        as_float(state[state_at + STATE_LEARNING_RATE]) * RATE_FACTOR(i);
    const float decay = DECAY(i);
    const floatv weight = VLOAD(w + w_at + i);
    const floatv gradient = MAD(decay, weight, GRADIENT(i));
    const floatv velocity = MAD(momentum, VLOAD(m + m_at + i), gradient);
    const floatv move = variant ? MAD(momentum, velocity, gradient) : velocity;
    store(velocity, m + m_at, i, count);
    store(weight - learning_rate * move, w + w_at, i, count);
}

__kernel void adam(OPTIMIZER_TENSORS, OPTIMIZER_NUMBERS)
{
    ACCUMULATE_METRICS;
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float learning_rate =
        as_float(state[state_at + STATE_LEARNING_RATE]) * RATE_FACTOR(i);
    const float decay = DECAY(i);
    const float correct1 = 1.0f - as_float(state[state_at + STATE_BETA1_POWER]);
    const float correct2 = 1.0f - as_float(state[state_at + STATE_BETA2_POWER]);
    floatv weight = VLOAD(w + w_at + i), gradient = GRADIENT(i);
    if (variant)
        weight -= learning_rate * decay * weight;
    else
        gradient = MAD(decay, weight, gradient);
    const floatv mean = MAD(beta1, VLOAD(m + m_at + i), (1.0f - beta1) * gradient);
    const floatv square =
        MAD(beta2, VLOAD(v + v_at + i), (1.0f - beta2) * gradient * gradient);
    const floatv move = mean / correct1 / (sqrt(square / correct2) + epsilon);
    store(mean, m + m_at, i, count);
    store(square, v + v_at, i, count);
    store(weight - learning_rate * move, w + w_at, i, count);
}
