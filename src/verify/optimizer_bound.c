/* SPDX-License-Identifier: Apache-2.0 */
/* ROUND is two units: one for each side where two results in float32 are compared. */
#include "verify/optimizer_bound.h"

#include "shared/weight_groups.h"

#include <math.h>

static const double ROUND = 2 * FP32_UNIT_ROUNDOFF;

struct weft_optimizer optimizer_of_weight(const struct weft_optimizer *o, float rate,
                                          const uint32_t *groups, const float *settings,
                                          size_t i)
{
    struct weft_optimizer own = *o;
    own.learning_rate = rate;
    if (groups) {
        const float *group = settings + GROUP_SETTINGS * groups[i / GROUP_WEIGHTS];
        own.learning_rate *= group[GROUP_RATE];
        own.weight_decay = group[GROUP_DECAY];
    }
    return own;
}

void optimizer_clip(double factor, struct optimizer_weight *a)
{
    a->g *= factor;
    a->g_off = factor * a->g_off + ROUND * fabs(a->g);
}

double optimizer_decay(const struct weft_optimizer *o, struct optimizer_weight *a)
{
    double decay = (double)o->weight_decay, pull = decay * a->w;
    if (o->kind == WEFT_OPTIMIZER_ADAMW)
        return decay;
    a->g += pull;
    a->g_off += decay * a->w_off + ROUND * (fabs(pull) + fabs(a->g));
    return 0;
}

static void step_sgd(const struct weft_optimizer *o, double rate,
                     struct optimizer_weight *a)
{
    double momentum = (double)o->momentum, kept = momentum * a->m;
    a->m = kept + a->g;
    a->m_off = momentum * a->m_off + a->g_off + ROUND * (fabs(kept) + fabs(a->m));
    double move = a->m, move_off = a->m_off;
    if (o->nesterov) {
        move = a->g + momentum * a->m;
        move_off =
            a->g_off + momentum * a->m_off + ROUND * (fabs(momentum * a->m) + fabs(move));
    }
    a->w -= rate * move;
    a->w_off += rate * move_off + ROUND * (fabs(rate * move) + fabs(a->w));
}

static void step_adam(const struct weft_optimizer *o, double rate, double apart,
                      double power1, double power2, struct optimizer_weight *a)
{
    double beta1 = (double)o->beta1, beta2 = (double)o->beta2;
    double epsilon = (double)o->epsilon, g = a->g, g_off = a->g_off;
    double kept = beta1 * a->m, fresh = (1 - beta1) * g;
    a->m = kept + fresh;
    a->m_off =
        beta1 * a->m_off + (1 - beta1) * g_off + 3 * ROUND * (fabs(kept) + fabs(fresh));
    a->v = beta2 * a->v + (1 - beta2) * g * g;
    a->v_off =
        beta2 * a->v_off + (1 - beta2) * (2 * fabs(g) + g_off) * g_off + 4 * ROUND * a->v;
    double mean = a->m / (1 - power1), root = sqrt(a->v / (1 - power2));
    double root_low = sqrt(fmax(a->v - a->v_off, 0) / (1 - power2));
    double low = root_low + epsilon, move = mean / (root + epsilon);
    double move_off = a->m_off / (1 - power1) / low +
                      fabs(mean) / low * (root - root_low) / low +
                      16 * ROUND * fabs(mean) / low;
    double before = fabs(a->w);
    a->w -= rate * (move + apart * a->w);
    a->w_off += rate * (move_off + apart * a->w_off) +
                2 * ROUND * (rate * (fabs(move) + apart * before) + before + fabs(a->w));
}

void optimizer_step(const struct weft_optimizer *o, double rate, double apart,
                    double power1, double power2, struct optimizer_weight *a)
{
    if (o->kind == WEFT_OPTIMIZER_SGD)
        step_sgd(o, rate, a);
    else
        step_adam(o, rate, apart, power1, power2, a);
}

/* In float32 the share has four roundings in lookahead, two in a moving average, and one
 * of its difference to 1. */
double average_of(const struct weft_average_args *a, uint32_t step, double w,
                  double average, double *bound)
{
    double updates = (double)(step / (uint32_t)a->every), decay = (double)a->decay;
    double part = a->steps ? fmin((double)step / a->steps, 1) : 0;
    double keep =
        a->steps ? decay * part * part * part : fmin(decay, updates / (updates + 9));
    double next = average + (1 - keep) * (w - average);
    *bound = ROUND * (8 * keep + 3 * (1 - keep)) * (fabs(w) + fabs(average)) +
             ROUND * (fabs(next) + fabs(average));
    return next;
}

/* Sums of n squares: one rounding of each square, and as many sums as follow one another
 * where 1024 or more are made side by side. The error of a root is half of that of the
 * sum; a root and a quotient in float32 have up to six roundings each, and squares below
 * the normal numbers may be lost. */
struct gradient_norm gradient_norm_of(const struct weft_clip_gradient_args *a,
                                      const float *g, const uint32_t *groups,
                                      const float *settings)
{
    double squares = 0, count = (double)a->g.count;
    for (size_t i = 0; i < a->g.count; i++)
        if (!groups ||
            settings[GROUP_SETTINGS * groups[i / GROUP_WEIGHTS] + GROUP_RATE] != 0)
            squares += (double)g[i] * (double)g[i];
    struct gradient_norm n = {.norm = ldexp(sqrt(squares), -a->loss_scale_log2)};
    double sums = gamma_bound(fmin(count, count / 1024 + 1024) + 2);
    n.norm_off = n.norm * (sums / 2 + sums * sums + 6 * FP32_UNIT_ROUNDOFF) +
                 sqrt(count * (double)FP32_MIN_NORMAL);
    double limit = (double)a->max_norm, divisor = n.norm + 1e-6;
    n.factor = fmin(1, limit / divisor);
    n.factor_off = limit / divisor > 1 + 1e-3 + 2 * n.norm_off / divisor
                       ? 0
                       : limit / divisor *
                             (n.norm_off / (divisor - fmin(n.norm_off, divisor / 2)) +
                              8 * FP32_UNIT_ROUNDOFF);
    return n;
}
