/* SPDX-License-Identifier: Apache-2.0 */
/* Expected results of the ends of a step: batch, softmax, loss, optimizer. */
#include "verify/expect.h"

#include "shared/random.h"
#include "verify/optimizer_bound.h"
#include "verify/softmax_bound.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double word_as_float(uint32_t word)
{
    float value;
    memcpy(&value, &word, sizeof(value));
    return (double)value;
}

static uint32_t float_as_word(float value)
{
    uint32_t word;
    memcpy(&word, &value, sizeof(word));
    return word;
}

static void expect_word(struct verify_point *p, uint32_t word)
{
    p->want = word;
    p->bound = 0;
    p->exact_word = true;
}

static size_t global_row(const struct verify_call *v, size_t row)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    const uint32_t *state = verify_before(v, &a->state);
    row += (size_t)a->first;
    return a->part_rows ? row + state[STATE_NEXT_PART] * (size_t)a->part_rows : row;
}

/* The image of a row, or its partner. */
static struct weft_sample sample_of(const struct verify_call *v, size_t row, bool partner)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    return weft_batch_sample(a, row, partner, verify_before(v, &a->state),
                             verify_before(v, &a->balance));
}

/* Where the bytes and the label of a row are. */
static size_t place_of(const struct verify_call *v, size_t row, bool partner)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    return a->gathered ? global_row(v, row) + partner : sample_of(v, row, partner).image;
}

/* Part of an argument that may be too large to be read as a whole. */
static void read_part(const struct verify_call *v, const struct weft_view *view,
                      size_t element, size_t at, size_t count, void *to)
{
    const char *whole = verify_before(v, view);
    size_t bytes = count * element;
    if (whole) {
        memcpy(to, whole + at * element, bytes);
        return;
    }
    size_t from = (view->offset + at) * element;
    if (v->device->backend->read(v->device, to, view->mem, from, bytes))
        memset(to, 0xFF, bytes); /* the next read of the device fails, too */
}

/* The learning rate of a step, from the table behind the state. */
static uint32_t learning_rate_of(const struct verify_call *v, const uint32_t *state)
{
    const struct weft_view *view = &v->call.args.make_batch.state;
    uint32_t count = state[STATE_RATE_COUNT], step = state[STATE_STEP], rate = 0;
    if (!count)
        return state[STATE_LEARNING_RATE];
    size_t at = view->offset + STATE_WORDS + (step < count ? step : count - 1);
    if (v->device->backend->read(v->device, &rate, view->mem, at * sizeof(rate),
                                 sizeof(rate)))
        return 0; /* the next read of the device fails, too */
    return rate;
}

static uint8_t byte_at(const void *image, size_t at)
{
    return ((const uint8_t *)image)[at];
}

/* The image of a row and behind it, where they are mixed, its partner, kept for the next
 * element of the row; NULL: no memory. */
static const uint8_t *images_of(struct verify_call *v, size_t row)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    size_t pixels = (size_t)a->pixels;
    if (!v->image)
        v->image = malloc((a->augment.mix ? 2 : 1) * pixels);
    if (v->image && (!v->row_known || v->row != row)) {
        for (int k = 0; k <= (a->augment.mix != AUGMENT_NO_MIX); k++)
            read_part(v, &a->bytes, 1, place_of(v, row, k) * pixels, pixels,
                      v->image + (size_t)k * pixels);
        v->row = row;
        v->row_known = true;
    }
    return v->image;
}

/* Byte `at` of an image, augmented and normalized; *bound is of its
 * rounding. */
static double augmented_value(const struct verify_call *v, const uint8_t *bytes,
                              struct weft_sample sample, size_t at, double *bound)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    const uint32_t *state = verify_before(v, &a->state);
    size_t c = at % (size_t)a->channels;
    uint8_t byte = bytes[at];
    *bound = 0;
    if (a->augment.kind) {
        const struct weft_augment_draw draw =
            weft_batch_draw(a, sample, state[STATE_SEED_LOW], state[STATE_SEED_HIGH]);
        if (!weft_augment_pixel(a, &draw, 0, at, byte_at, bytes, &byte))
            return 0;
    }
    double scaled = byte * (double)a->scale[c], shift = (double)a->shift[c];
    *bound = 3 * FP32_UNIT_ROUNDOFF * (fabs(scaled) + fabs(shift));
    return scaled + shift;
}

static struct weft_augment_mix mix_of(const struct verify_call *v, size_t row)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    const uint32_t *state = verify_before(v, &a->state);
    return weft_batch_mix(a, sample_of(v, row, false), state[STATE_SEED_LOW],
                          state[STATE_SEED_HIGH]);
}

/* Mixtures are rounded once in each product and in their sum. */
static void expect_pixel(struct verify_call *v, struct verify_point *p)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    size_t row = p->at / (size_t)a->pixels, at = p->at % (size_t)a->pixels;
    const uint8_t *images = images_of(v, row);
    p->want = NAN;
    if (!images)
        return;
    p->want = augmented_value(v, images, sample_of(v, row, false), at, &p->bound);
    if (!a->augment.mix)
        return;
    const struct weft_augment_mix mix = mix_of(v, row);
    double weight = (double)weft_batch_weight(a, &mix, at), bound;
    double other =
        augmented_value(v, images + a->pixels, sample_of(v, row, true), at, &bound);
    p->bound =
        weight * p->bound + (1 - weight) * bound +
        3 * FP32_UNIT_ROUNDOFF * (fabs(weight * p->want) + fabs((1 - weight) * other));
    p->want = weight * p->want + (1 - weight) * other;
}

static void expect_label(const struct verify_call *v, bool partner,
                         struct verify_point *p)
{
    uint32_t label = 0;
    read_part(v, &v->call.args.make_batch.labels, sizeof(label),
              place_of(v, p->at, partner), 1, &label);
    expect_word(p, label);
}

void expect_make_batch(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_batch_args *a = &v->call.args.make_batch;
    const uint32_t *state = verify_before(v, &a->state);
    if (verify_is(v, output, &a->state)) {
        size_t from = p->at == STATE_BETA1_POWER   ? STATE_NEXT_BETA1_POWER
                      : p->at == STATE_BETA2_POWER ? STATE_NEXT_BETA2_POWER
                      : p->at == STATE_PART        ? STATE_NEXT_PART
                                                   : p->at;
        expect_word(p, p->at == STATE_LEARNING_RATE ? learning_rate_of(v, state)
                                                    : state[from]);
    } else if (verify_is(v, output, &a->batch_labels)) {
        expect_label(v, false, p);
    } else if (verify_is(v, output, &a->partner_labels)) {
        expect_label(v, true, p);
    } else if (verify_is(v, output, &a->shares)) {
        expect_word(p, (uint32_t)mix_of(v, p->at).share);
    } else {
        expect_pixel(v, p);
    }
}

/* The sums of a row of logits, kept for the next element of it. */
static struct softmax_row row_of(struct verify_call *v, const float *x, size_t at,
                                 int classes)
{
    struct softmax_row row;
    _Static_assert(sizeof(row) <= sizeof(v->shared), "room for all of it");
    if (!v->row_known || v->row != at) {
        row = softmax_row_of(x + at * (size_t)classes, classes);
        memcpy(v->shared, &row, sizeof(row));
        v->row = at;
        v->row_known = true;
    }
    memcpy(&row, v->shared, sizeof(row));
    return row;
}

void expect_softmax(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_softmax_args *a = &v->call.args.softmax;
    const float *x = verify_floats(v, &a->x);
    (void)output;
    struct softmax_row row = row_of(v, x, p->at / (size_t)a->classes, a->classes);
    double distance = row.largest - (double)x[p->at];
    p->want = exp(-distance) / row.sum;
    p->bound = softmax_probability_bound(p->want, distance, a->classes);
}

void expect_loss(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_loss_args *a = &v->call.args.loss;
    const float *x = verify_floats(v, &a->logits);
    const int32_t *labels = verify_before(v, &a->labels);
    bool is_gradient = verify_is(v, output, &a->dlogits);
    size_t classes = (size_t)a->classes;
    size_t at = is_gradient ? p->at / classes : p->at;
    const struct softmax_target target = softmax_target_of(
        a, at, labels, a->class_weights.mem ? verify_floats(v, &a->class_weights) : NULL,
        a->shares.mem ? verify_before(v, &a->partner_labels) : NULL,
        a->shares.mem ? verify_before(v, &a->shares) : NULL);
    struct softmax_row row = row_of(v, x, at, a->classes);
    if (verify_is(v, output, &a->correct)) {
        expect_word(p, row.first == softmax_target_label(&target));
        return;
    }
    if (!is_gradient) {
        p->want = softmax_loss(&row, x + at * classes, &target, &p->bound);
        return;
    }
    double distance = row.largest - (double)x[p->at];
    double probability = exp(-distance) / row.sum;
    double q = softmax_target_part(&target, (int)(p->at % classes));
    p->want =
        target.weight * ldexp(probability - q, a->loss_scale_log2) / a->global_batch;
    p->bound = softmax_gradient_bound(probability, q, distance, a->classes, target.weight,
                                      a->loss_scale_log2, a->global_batch);
}

/* A deferred gradient from the moment that the step made of it. */
static double gradient_from_moment(const struct weft_optimizer *o, double moment,
                                   double old, double *off)
{
    bool adam = o->kind != WEFT_OPTIMIZER_SGD;
    double beta = adam ? (double)o->beta1 : (double)o->momentum,
           fresh = adam ? 1 - beta : 1;
    *off = 4 * FP32_UNIT_ROUNDOFF * (fabs(moment) + fabs(beta * old)) / fresh;
    return (moment - beta * old) / fresh;
}

static struct optimizer_weight updated(const struct verify_call *c, size_t i)
{
    const struct weft_optimizer_step_args *a = &c->call.args.optimizer_step;
    const uint32_t *state = verify_before(c, &a->state);
    const struct weft_optimizer own = optimizer_of_weight(
        &a->optimizer, (float)word_as_float(state[STATE_LEARNING_RATE]),
        verify_before(c, &a->groups), verify_floats(c, &a->settings), i);
    const struct weft_optimizer *o = &own;
    const float *m = verify_floats(c, &a->m), *v = verify_floats(c, &a->v);
    struct optimizer_weight s = {.w = (double)verify_floats(c, &a->w)[i],
                                 .m = (double)m[i],
                                 .v = v ? (double)v[i] : 0};
    double apart = 0;
    if (c->gradients_deferred) {
        const float *moment = verify_after(c, &a->m);
        s.g = gradient_from_moment(o, (double)moment[i], s.m, &s.g_off);
        apart = o->kind == WEFT_OPTIMIZER_ADAMW ? (double)o->weight_decay : 0;
    } else {
        s.g = ldexp((double)verify_floats(c, &a->g)[i], -a->loss_scale_log2);
        if (o->clip > 0)
            optimizer_clip(word_as_float(state[STATE_CLIP_FACTOR]), &s);
        apart = optimizer_decay(o, &s);
    }
    optimizer_step(o, (double)o->learning_rate, apart,
                   word_as_float(state[STATE_BETA1_POWER]),
                   word_as_float(state[STATE_BETA2_POWER]), &s);
    return s;
}

static void expect_state(const struct verify_call *c, struct verify_point *p)
{
    const struct weft_optimizer_step_args *a = &c->call.args.optimizer_step;
    const uint32_t *state = verify_before(c, &a->state);
    const float *loss = verify_floats(c, &a->loss);
    const uint32_t *correct = verify_before(c, &a->correct);
    size_t ring = STATE_METRICS_RING + 2 * (state[STATE_STEP] % STATE_RING_STEPS);
    expect_word(p, state[p->at]);
    if (!a->n)
        return;
    if (p->at == STATE_STEP)
        expect_word(p, state[STATE_STEP] + 1);
    else if (p->at == STATE_NEXT_BETA1_POWER || p->at == STATE_NEXT_BETA2_POWER) {
        bool first = p->at == STATE_NEXT_BETA1_POWER;
        float power =
            (float)word_as_float(state[first ? STATE_BETA1_POWER : STATE_BETA2_POWER]);
        expect_word(
            p, float_as_word(power * (first ? a->optimizer.beta1 : a->optimizer.beta2)));
    } else if (p->at == ring) {
        double sum = 0, size = 0;
        for (int i = 0; i < a->n; i++) {
            sum += (double)loss[i];
            size += fabs((double)loss[i]);
        }
        p->got = word_as_float((uint32_t)p->got);
        p->want = sum / a->n;
        p->bound = gamma_bound(a->n + 6) * size / a->n + FP32_MIN_NORMAL;
        p->exact_word = false;
    } else if (p->at == ring + 1) {
        uint32_t count = 0;
        for (int i = 0; i < a->n; i++)
            count += correct[i];
        expect_word(p, count);
    }
}

void expect_optimizer_step(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_optimizer_step_args *a = &v->call.args.optimizer_step;
    if (verify_is(v, output, &a->state)) {
        expect_state(v, p);
        return;
    }
    struct optimizer_weight s = updated(v, p->at);
    bool is_w = verify_is(v, output, &a->w), is_m = verify_is(v, output, &a->m);
    p->want = is_w ? s.w : is_m ? s.m : s.v;
    p->bound = (is_w ? s.w_off : is_m ? s.m_off : s.v_off) + FP32_MIN_NORMAL;
}

void expect_average(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_average_args *a = &v->call.args.average;
    const uint32_t *state = verify_before(v, &a->state);
    double w = (double)verify_floats(v, &a->w)[p->at];
    p->want = average_of(a, state[STATE_STEP], w,
                         (double)verify_floats(v, &a->average)[p->at], &p->bound);
    if (!a->steps && verify_is(v, output, &a->w)) {
        p->want = w;
        p->bound = 0;
    }
}

void expect_accumulate_gradient(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_accumulate_gradient_args *a = &v->call.args.accumulate_gradient;
    const uint32_t *state = verify_before(v, &a->state), *word;
    size_t part = state[STATE_PART], first = part * (size_t)a->n;
    bool inside = p->at >= first && p->at - first < (size_t)a->n;
    if (verify_is(v, output, &a->sum)) {
        double sum = part ? (double)verify_floats(v, &a->sum)[p->at] : 0;
        p->want = sum + (double)verify_floats(v, &a->g)[p->at];
        p->bound = part ? FP32_UNIT_ROUNDOFF * fabs(p->want) + FP32_MIN_NORMAL : 0;
    } else if (verify_is(v, output, &a->all_loss)) {
        p->want = (double)(inside ? verify_floats(v, &a->loss)[p->at - first]
                                  : verify_floats(v, &a->all_loss)[p->at]);
        p->bound = 0;
    } else if (verify_is(v, output, &a->all_correct)) {
        word = verify_before(v, inside ? &a->correct : &a->all_correct);
        expect_word(p, word[inside ? p->at - first : p->at]);
    } else {
        expect_word(p, p->at == STATE_NEXT_PART ? (part + 1) % (size_t)a->parts
                                                : state[p->at]);
    }
}

void expect_clip_gradient(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_clip_gradient_args *a = &v->call.args.clip_gradient;
    const uint32_t *state = verify_before(v, &a->state);
    bool is_factor = p->at == STATE_CLIP_FACTOR;
    (void)output;
    expect_word(p, state[p->at]);
    if (!is_factor && p->at != STATE_NORM_RING + state[STATE_STEP] % STATE_RING_STEPS)
        return;
    const struct gradient_norm n =
        gradient_norm_of(a, verify_floats(v, &a->g), verify_before(v, &a->groups),
                         verify_floats(v, &a->settings));
    p->got = word_as_float((uint32_t)p->got);
    p->want = is_factor ? n.factor : n.norm;
    p->bound = is_factor ? n.factor_off : n.norm_off;
    p->exact_word = false;
}
