/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in normalizations, learned slopes, dropout, loss, batch and optimizer. */
#include "fault_injection/planted_faults.h"
#include "shared/state.h"

#include <math.h>

static void lose_norm_activation(union weft_primitive_args *a)
{
    a->batch_norm_forward.activation.act = WEFT_ACT_identity;
}

static void lose_norm_row(union weft_primitive_args *a)
{
    a->batch_norm_forward.rows -= a->batch_norm_forward.rows > 1;
}

static void lose_momentum(union weft_primitive_args *a)
{
    a->batch_norm_forward.momentum = 1 - a->batch_norm_forward.momentum;
}

static void grow_norm_epsilon(union weft_primitive_args *a)
{
    a->batch_norm_forward.epsilon *= 4;
}

static void lose_normal(union weft_primitive_args *a)
{
    a->batch_norm_forward.inverse = a->batch_norm_forward.scale;
}

static void lose_layer_norm_activation(union weft_primitive_args *a)
{
    a->layer_norm_forward.activation.act = WEFT_ACT_identity;
}

static void grow_layer_norm_epsilon(union weft_primitive_args *a)
{
    a->layer_norm_forward.epsilon *= 4;
}

static void lose_layer_norm_row(union weft_primitive_args *a)
{
    struct weft_layer_norm_args *args = &a->layer_norm_forward;
    size_t count = (size_t)args->channels;
    if (args->rows < 2)
        return;
    args->rows--;
    args->x.count -= count;
    args->y.count -= count;
    args->dy.count -= count;
    args->dx.count -= count;
}

static void use_weight_as_bias(union weft_primitive_args *a)
{
    a->layer_norm_backward.bias = a->layer_norm_backward.weight;
}

static void lose_prelu_row(union weft_primitive_args *a)
{
    struct weft_prelu_args *args = &a->prelu_backward;
    size_t count = (size_t)args->channels;
    if (args->rows < 2)
        return;
    args->rows--;
    args->x.count -= count;
    args->dy.count -= count;
    args->dx.count -= count;
}

static void use_first_slopes(union weft_primitive_args *a)
{
    int channels = a->prelu_forward.channels;
    if (channels % 2 == 0) {
        a->prelu_forward.channels = channels / 2;
        a->prelu_forward.rows *= 2;
    }
}

static void lose_fold_bias(union weft_primitive_args *a)
{
    a->fold_batch_norm.bias = (struct weft_view){0};
}

static void use_next_layer(union weft_primitive_args *a)
{
    a->dropout.layer++;
}

static void use_seed_as_step(union weft_primitive_args *a)
{
    a->dropout.state.offset++;
}

static void lose_smoothing(union weft_primitive_args *a)
{
    a->loss.label_smoothing = 0;
}

static void lose_class_weights(union weft_primitive_args *a)
{
    a->loss.class_weights = (struct weft_view){0};
}

static void use_one_scale(union weft_primitive_args *a)
{
    a->make_batch.scale[1] = a->make_batch.scale[0];
}

static void lose_shuffle(union weft_primitive_args *a)
{
    a->make_batch.state = (struct weft_view){0};
    a->make_batch.augment = (struct weft_augment){0};
    a->make_batch.gathered = false;
}

static void take_as_gathered(union weft_primitive_args *a)
{
    a->make_batch.gathered = a->make_batch.state.mem != NULL;
}

static void lose_balance(union weft_primitive_args *a)
{
    a->make_batch.balance = (struct weft_view){0};
}

static void draw_for_another_image(union weft_primitive_args *a)
{
    struct weft_batch_args *batch = &a->make_batch;
    batch->count -= batch->gathered && batch->count % batch->global_batch;
}

static void lose_first_row(union weft_primitive_args *a)
{
    a->make_batch.first = 0;
}

static void shorten_epoch(union weft_primitive_args *a)
{
    a->make_batch.steps_per_epoch -= a->make_batch.steps_per_epoch > 1;
}

static void flip_no_image(union weft_primitive_args *a)
{
    a->make_batch.augment.flip = AUGMENT_NO_FLIP;
}

static void flip_at_random(union weft_primitive_args *a)
{
    int *flip = &a->make_batch.augment.flip;
    *flip = *flip ? AUGMENT_FLIP : *flip;
}

static void move_further(union weft_primitive_args *a)
{
    a->make_batch.augment.shift += a->make_batch.augment.shift > 0;
}

static void swap_border(union weft_primitive_args *a)
{
    a->make_batch.augment.zeros = !a->make_batch.augment.zeros;
}

static void erase_wider(union weft_primitive_args *a)
{
    a->make_batch.augment.cutout += a->make_batch.augment.cutout > 0;
}

static void rotate_further(union weft_primitive_args *a)
{
    a->make_batch.augment.rotate += a->make_batch.augment.rotate / 8;
}

static void lose_crop(union weft_primitive_args *a)
{
    a->make_batch.augment.crop = 0;
}

static void lose_contrast(union weft_primitive_args *a)
{
    a->make_batch.augment.contrast = 0;
}

static void mix_less(union weft_primitive_args *a)
{
    a->make_batch.augment.unmixed += 16384;
}

static void swap_mixes(union weft_primitive_args *a)
{
    int *mix = &a->make_batch.augment.mix;
    *mix = *mix ? AUGMENT_MIXUP + AUGMENT_CUTMIX - *mix : *mix;
}

static void lose_partner(union weft_primitive_args *a)
{
    a->loss.partner_labels = a->loss.shares = (struct weft_view){0};
}

static void swap_labels(union weft_primitive_args *a)
{
    struct weft_view labels = a->loss.labels;
    if (!a->loss.shares.mem)
        return;
    a->loss.labels = a->loss.partner_labels;
    a->loss.partner_labels = labels;
}

static void lose_nesterov(union weft_primitive_args *a)
{
    a->optimizer_step.optimizer.nesterov = false;
}

static void lose_decay(union weft_primitive_args *a)
{
    a->optimizer_step.optimizer.weight_decay = 0;
}

static void lose_groups(union weft_primitive_args *a)
{
    a->optimizer_step.groups = (struct weft_view){0};
}

static void mix_decay(union weft_primitive_args *a)
{
    if (a->optimizer_step.optimizer.kind == WEFT_OPTIMIZER_ADAMW)
        a->optimizer_step.optimizer.kind = WEFT_OPTIMIZER_ADAM;
}

static void grow_epsilon(union weft_primitive_args *a)
{
    a->optimizer_step.optimizer.epsilon *= 2;
}

static void use_one_beta(union weft_primitive_args *a)
{
    a->optimizer_step.optimizer.beta2 = a->optimizer_step.optimizer.beta1;
}

static void lower_average_decay(union weft_primitive_args *a)
{
    a->average.decay *= 0.5f;
}

static void lose_part(union weft_primitive_args *a)
{
    a->accumulate_gradient.g.count -= a->accumulate_gradient.g.count > 1;
    a->accumulate_gradient.sum.count = a->accumulate_gradient.g.count;
}

static void swap_part_views(union weft_primitive_args *a)
{
    a->accumulate_gradient.g = a->accumulate_gradient.sum;
}

static void lose_row_of_part(union weft_primitive_args *a)
{
    struct weft_accumulate_gradient_args *sum = &a->accumulate_gradient;
    sum->n -= sum->n > 1;
    sum->all_loss.count = (size_t)sum->n * (size_t)sum->parts;
}

static void same_part(union weft_primitive_args *a)
{
    a->make_batch.part_rows -= a->make_batch.part_rows > 1;
}

static void lose_clip(union weft_primitive_args *a)
{
    a->optimizer_step.optimizer.clip = 0;
}

static void grow_norm(union weft_primitive_args *a)
{
    a->clip_gradient.max_norm *= 1.001f;
}

static void clip_all_groups(union weft_primitive_args *a)
{
    a->clip_gradient.groups = (struct weft_view){0};
}

static void lose_last_gradient(union weft_primitive_args *a)
{
    a->clip_gradient.g.count -= a->clip_gradient.g.count > 1;
}

static void average_without_lookahead(union weft_primitive_args *a)
{
    a->average.steps = 0;
}

static void use_shard_as_batch(union weft_primitive_args *a)
{
    a->loss.global_batch = a->loss.n;
}

static void lose_loss_row(union weft_primitive_args *a)
{
    a->optimizer_step.n -= a->optimizer_step.n > 1;
}

/* The mean of squares less the square of the mean, in float. */
static void cancel_squares(struct recorded_primitive *l)
{
    const struct weft_batch_norm_args *a = &l->args.batch_norm_forward;
    for (size_t k = 0; k < (size_t)a->channels; k++) {
        float sum = 0, squares = 0, n = (float)a->rows;
        for (size_t i = k; i < a->x.count; i += (size_t)a->channels) {
            float x = peek(l, a->x, i);
            sum += x;
            squares += x * x;
        }
        float variance = fmaxf(squares / n - sum / n * (sum / n), 0);
        poke(l, a->inverse, k, 1 / sqrtf(variance + a->epsilon));
    }
}

/* The batch's variance is not corrected in the running variance. */
static void lose_correction(struct recorded_primitive *l)
{
    const struct weft_batch_norm_args *a = &l->args.batch_norm_forward;
    for (size_t k = 0; k < (size_t)a->channels && a->momentum == 1; k++)
        poke(l, a->running_variance, k,
             peek(l, a->running_variance, k) * ((float)a->rows - 1) / (float)a->rows);
}

static void lose_scaling(struct recorded_primitive *l)
{
    for (size_t i = 0; i < l->out.count; i++)
        poke(l, l->out, i, peek(l, l->out, i) * (1 - l->args.dropout.rate));
}

static void overflow(struct recorded_primitive *l)
{
    for (size_t i = 0; i < l->out.count; i++)
        if (peek(l, l->out, i) < 1e-30f)
            poke(l, l->out, i, NAN);
}

static void sum_gradient(struct recorded_primitive *l)
{
    for (size_t i = 0; l->args.loss.dlogits.mem && i < l->args.loss.dlogits.count; i++)
        poke(l, l->args.loss.dlogits, i,
             peek(l, l->args.loss.dlogits, i) * (float)l->args.loss.n);
}

static void hit_first(struct recorded_primitive *l)
{
    uint32_t one = 1;
    struct weft_view hit = l->args.loss.correct;
    weft_backend_cpu.write(l->device, hit.mem, hit.offset * sizeof(one), &one,
                           sizeof(one));
}

static void stand_still(struct recorded_primitive *l)
{
    uint32_t step;
    struct weft_view state = l->args.optimizer_step.state;
    size_t at = (state.offset + STATE_STEP) * sizeof(step);
    weft_backend_cpu.read(l->device, &step, state.mem, at, sizeof(step));
    step--;
    weft_backend_cpu.write(l->device, state.mem, at, &step, sizeof(step));
}

/* The optimizer step reads a higher power of beta1. */
static void raise_power(struct recorded_primitive *l)
{
    l->kept = peek(l, l->args.optimizer_step.state, STATE_BETA1_POWER);
    poke(l, l->args.optimizer_step.state, STATE_BETA1_POWER,
         l->kept * l->args.optimizer_step.optimizer.beta1);
}

static void restore_power(struct recorded_primitive *l)
{
    poke(l, l->args.optimizer_step.state, STATE_BETA1_POWER, l->kept);
}

static void halve_loss_gradient(struct recorded_primitive *l)
{
    for (size_t i = 0; l->args.loss.dlogits.mem && i < l->args.loss.dlogits.count; i++)
        poke(l, l->args.loss.dlogits, i, peek(l, l->args.loss.dlogits, i) / 2);
}

const struct fault training_faults[] = {
    {"squares cancel", "batch-norm", IN(batch_norm_forward), .after = cancel_squares},
    {"variance not corrected", "batch-norm", IN(batch_norm_forward),
     .after = lose_correction},
    {"last row missing", "batch-norm", IN(batch_norm_forward), .modify = lose_norm_row},
    {"momentum turned", "batch-norm", IN(batch_norm_forward), .modify = lose_momentum},
    {"epsilon four times", "batch-norm", IN(batch_norm_forward),
     .modify = grow_norm_epsilon},
    {"no activation", "batch-norm", IN(batch_norm_inference),
     .modify = lose_norm_activation},
    {"no derivative", "batch-norm", IN(batch_norm_backward),
     .modify = lose_norm_activation},
    {"last row missing", "batch-norm", IN(batch_norm_backward), .modify = lose_norm_row},
    {"scale for inverse", "batch-norm", IN(batch_norm_backward), .modify = lose_normal},
    {"half precision", "batch-norm", IN(batch_norm_forward), .after = round_to_half},
    {"no activation", "layer-norm", IN(layer_norm_forward),
     .modify = lose_layer_norm_activation},
    {"epsilon four times", "layer-norm", IN(layer_norm_forward),
     .modify = grow_layer_norm_epsilon},
    {"last row missing", "layer-norm", IN(layer_norm_forward),
     .modify = lose_layer_norm_row},
    {"half precision", "layer-norm", IN(layer_norm_forward), .after = round_to_half},
    {"no derivative", "layer-norm", IN(layer_norm_backward),
     .modify = lose_layer_norm_activation},
    {"last row missing", "layer-norm", IN(layer_norm_backward),
     .modify = lose_layer_norm_row},
    {"weight for bias", "layer-norm", IN(layer_norm_backward),
     .modify = use_weight_as_bias},
    {"no derivative on both", "layer-norm", IN(layer_norm_backward), true,
     .modify = lose_layer_norm_activation},
    {"slopes of the first half", "prelu", IN(prelu_forward), .modify = use_first_slopes},
    {"slopes of the first half", "prelu", IN(prelu_backward), .modify = use_first_slopes},
    {"last row missing", "prelu", IN(prelu_backward), .modify = lose_prelu_row},
    {"half precision", "prelu", IN(prelu_forward), .after = round_to_half},
    {"dropped bias", "fold-batch-norm", IN(fold_batch_norm), .modify = lose_fold_bias},
    {"last of out_w unwritten", "fold-batch-norm", IN(fold_batch_norm),
     .before = keep_last, .after = restore_last},
    {"no scaling", "dropout", IN(dropout), .after = lose_scaling},
    {"another layer's stream", "dropout", IN(dropout), .modify = use_next_layer},
    {"another word for the step", "dropout", IN(dropout), .modify = use_seed_as_step},
    {"overflows", "softmax", IN(softmax), .after = overflow},
    {"smoothing ignored", "loss", IN(loss), .modify = lose_smoothing},
    {"class weights ignored", "loss", IN(loss), .modify = lose_class_weights},
    {"gradient not divided by n", "loss", IN(loss), .after = sum_gradient},
    {"gradient divided by the shard's rows", "loss", IN(loss),
     .modify = use_shard_as_batch},
    {"divided by the shard's rows on both", "loss", IN(loss), true,
     .modify = use_shard_as_batch},
    {"one correct too many", "loss", IN(loss), .after = hit_first},
    {"one scale for all channels", "batch", IN(make_batch), .modify = use_one_scale},
    {"not shuffled", "batch", IN(make_batch), .modify = lose_shuffle},
    {"not balanced", "batch", IN(make_batch), .modify = lose_balance},
    {"taken as gathered", "batch", IN(make_batch), .modify = take_as_gathered},
    {"draws for another image", "batch", IN(make_batch),
     .modify = draw_for_another_image},
    {"shard from row 0", "batch", IN(make_batch), .modify = lose_first_row},
    {"epoch too short", "batch", IN(make_batch), .modify = shorten_epoch},
    {"no image flipped", "batch", IN(make_batch), .modify = flip_no_image},
    {"flipped at random", "batch", IN(make_batch), .modify = flip_at_random},
    {"shifted further", "batch", IN(make_batch), .modify = move_further},
    {"another border", "batch", IN(make_batch), .modify = swap_border},
    {"a wider square", "batch", IN(make_batch), .modify = erase_wider},
    {"rotated further", "batch", IN(make_batch), .modify = rotate_further},
    {"not cropped", "batch", IN(make_batch), .modify = lose_crop},
    {"contrast unchanged", "batch", IN(make_batch), .modify = lose_contrast},
    {"mixed too rarely", "batch", IN(make_batch), .modify = mix_less},
    {"mixed in another way", "batch", IN(make_batch), .modify = swap_mixes},
    {"one label of two", "loss", IN(loss), .modify = lose_partner},
    {"shares of the wrong labels", "loss", IN(loss), .modify = swap_labels},
    {"no nesterov", "optimizer", IN(optimizer_step), .modify = lose_nesterov},
    {"no decay", "optimizer", IN(optimizer_step), .modify = lose_decay},
    {"groups ignored", "optimizer", IN(optimizer_step), .modify = lose_groups},
    {"decay in the gradient", "optimizer", IN(optimizer_step), .modify = mix_decay},
    {"epsilon doubled", "optimizer", IN(optimizer_step), .modify = grow_epsilon},
    {"wrong correction power", "optimizer", IN(optimizer_step), .before = raise_power,
     .after = restore_power},
    {"one beta for both", "optimizer", IN(optimizer_step), .modify = use_one_beta},
    {"last loss missing", "optimizer", IN(optimizer_step), .modify = lose_loss_row},
    {"step not counted", "optimizer", IN(optimizer_step), .after = stand_still},
    {"last sum missing", "accumulate-gradient", IN(accumulate_gradient),
     .modify = lose_part},
    {"sum added to itself", "accumulate-gradient", IN(accumulate_gradient),
     .modify = swap_part_views},
    {"a row of a part missing", "accumulate-gradient", IN(accumulate_gradient),
     .modify = lose_row_of_part},
    {"rows of parts overlap", "batch", IN(make_batch), .modify = same_part},
    {"not clipped", "optimizer", IN(optimizer_step), .modify = lose_clip},
    {"another norm", "clip-gradient", IN(clip_gradient), .modify = grow_norm},
    {"norm of frozen groups too", "clip-gradient", IN(clip_gradient),
     .modify = clip_all_groups},
    {"last gradient missing", "clip-gradient", IN(clip_gradient),
     .modify = lose_last_gradient},
    {"half the decay", "average", IN(average), .modify = lower_average_decay},
    {"lookahead ignored", "average", IN(average), .modify = average_without_lookahead},
    {"last unwritten", "average", IN(average), .before = keep_last,
     .after = restore_last},
    {"dx halved on both", "batch-norm", IN(batch_norm_backward), true,
     .after = halve_gradient},
    {"no derivative on both", "batch-norm", IN(batch_norm_backward), true,
     .modify = lose_norm_activation},
    {"gradient halved on both", "loss", IN(loss), true, .after = halve_loss_gradient},
    {.primitive = WEFT_PRIMITIVE_COUNT},
};
