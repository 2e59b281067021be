/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of the primitives, and calls on test tensors. */
#include "lab/call.h"

#include "shared/augment.h"
#include "shared/state.h"
#include "shared/weight_groups.h"

#include <assert.h>
#include <string.h>

struct argument_list {
    struct lab_argument *items;
    int count;
};

static void add(struct argument_list *list, struct lab_argument argument)
{
    if (!argument.view->mem)
        return;
    assert(list->count < LAB_MAX_ARGUMENTS);
    list->items[list->count++] = argument;
}

/* One ARGUMENTS for each primitive: its views in an order that begins with the results.
 * READ, WRITE and UPDATE say what is done to a view; the rest of their arguments are
 * members of struct lab_argument. */
#define ARGUMENT(member, ...) \
    add(list, (struct lab_argument){.name = #member, .view = &a->member, __VA_ARGS__});
#define READ(member, ...)   ARGUMENT(member, .read = true, __VA_ARGS__)
#define WRITE(member, ...)  ARGUMENT(member, .written = true, __VA_ARGS__)
#define UPDATE(member, ...) ARGUMENT(member, .read = true, .written = true, __VA_ARGS__)
#define FLOATS              .type = LAB_FLOAT
#define VARIANCE            .type = LAB_FLOAT, .content = LAB_POSITIVE
#define STATE               .type = LAB_INT32, .content = LAB_STATE
#define WORDS               .type = LAB_INT32
#define WORDS_BELOW(most) \
    .type = LAB_INT32, .content = LAB_BELOW, .limit = (unsigned)(most)
#define BYTES .type = LAB_BYTE, .content = LAB_BELOW, .limit = 256
#define INDICES                                                           \
    .type = weft_pool_argmax_bytes(&a->pool) == 1 ? LAB_BYTE : LAB_INT32, \
    .content = LAB_ARGMAX, .pool = &a->pool
#define ARGUMENTS(name, type, views)                           \
    static void arguments_##name(struct weft_##type##_args *a, \
                                 struct argument_list *list)   \
    {                                                          \
        views                                                  \
    }
enum { LABELS = 10 }; /* classes, where the arguments have no number of them */

/* clang-format off */
ARGUMENTS(make_batch, batch,
          WRITE(x, FLOATS) WRITE(batch_labels, WORDS)
          WRITE(partner_labels, WORDS) WRITE(shares, WORDS)
          READ(bytes, BYTES) READ(labels, WORDS_BELOW(LABELS)) READ(balance, WORDS)
          UPDATE(state, STATE))
ARGUMENTS(conv_forward, conv,
          WRITE(y, FLOATS) WRITE(argmax, INDICES)
          READ(x, FLOATS) READ(w, FLOATS) READ(bias, FLOATS))
ARGUMENTS(conv_backward_data, conv,
          WRITE(dx, FLOATS)
          READ(dy, FLOATS) READ(argmax, INDICES) READ(w, FLOATS)
          READ(act_grad.output, FLOATS))
ARGUMENTS(conv_backward_weights, conv,
          WRITE(dw, FLOATS) WRITE(dbias, FLOATS)
          READ(dy, FLOATS) READ(argmax, INDICES) READ(x, FLOATS))
ARGUMENTS(dense_forward, dense,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(w, FLOATS) READ(bias, FLOATS))
ARGUMENTS(dense_backward_data, dense,
          WRITE(dx, FLOATS)
          READ(dy, FLOATS) READ(w, FLOATS) READ(act_grad.output, FLOATS))
ARGUMENTS(dense_backward_weights, dense,
          WRITE(dw, FLOATS) WRITE(dbias, FLOATS) READ(dy, FLOATS) READ(x, FLOATS))
ARGUMENTS(pool_forward, pool,
          WRITE(y, FLOATS) WRITE(argmax, INDICES) READ(x, FLOATS))
ARGUMENTS(pool_backward, pool,
          WRITE(dx, FLOATS) READ(dy, FLOATS) READ(argmax, INDICES))
ARGUMENTS(act_forward, act,
          WRITE(y, FLOATS) READ(x, FLOATS))
ARGUMENTS(act_backward, act,
          WRITE(dx, FLOATS) READ(dy, FLOATS) READ(x, FLOATS) READ(y, FLOATS))
ARGUMENTS(add, add,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(other, FLOATS)
          READ(act_grad.output, FLOATS))
ARGUMENTS(copy_channels, copy_channels,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(act_grad.output, FLOATS))
ARGUMENTS(scale, scale,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(scale, FLOATS)
          READ(act_grad.output, FLOATS))
ARGUMENTS(scale_gradient, scale_gradient,
          WRITE(dscale, FLOATS) READ(x, FLOATS) READ(dy, FLOATS)
          READ(act_grad.output, FLOATS))
ARGUMENTS(channel_shuffle, channel_shuffle,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(act_grad.output, FLOATS))
ARGUMENTS(batch_norm_forward, batch_norm,
          WRITE(y, FLOATS) WRITE(mean, FLOATS) WRITE(inverse, FLOATS)
          WRITE(scale, FLOATS) UPDATE(running_mean, FLOATS)
          UPDATE(running_variance, VARIANCE)
          READ(x, FLOATS) READ(weight, FLOATS) READ(bias, FLOATS))
ARGUMENTS(batch_norm_inference, batch_norm,
          WRITE(y, FLOATS)
          READ(x, FLOATS) READ(mean, FLOATS) READ(scale, FLOATS) READ(bias, FLOATS))
ARGUMENTS(batch_norm_backward, batch_norm,
          WRITE(dx, FLOATS) WRITE(dweight, FLOATS) WRITE(dbias, FLOATS)
          READ(dy, FLOATS) READ(x, FLOATS) READ(mean, FLOATS) READ(inverse, VARIANCE)
          READ(scale, FLOATS) READ(bias, FLOATS))
ARGUMENTS(fold_batch_norm, fold_batch_norm,
          WRITE(out_w, FLOATS) WRITE(out_bias, FLOATS)
          READ(w, FLOATS) READ(bias, FLOATS) READ(weight, FLOATS) READ(shift, FLOATS)
          READ(mean, FLOATS) READ(variance, VARIANCE))
ARGUMENTS(layer_norm_forward, layer_norm,
          WRITE(y, FLOATS) WRITE(mean, FLOATS) WRITE(inverse, FLOATS)
          READ(x, FLOATS) READ(weight, FLOATS) READ(bias, FLOATS))
ARGUMENTS(layer_norm_backward, layer_norm,
          WRITE(dx, FLOATS) WRITE(dweight, FLOATS) WRITE(dbias, FLOATS)
          READ(dy, FLOATS) READ(x, FLOATS) READ(weight, FLOATS) READ(bias, FLOATS)
          READ(mean, FLOATS) READ(inverse, VARIANCE))
ARGUMENTS(prelu_forward, prelu,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(slope, FLOATS))
ARGUMENTS(prelu_backward, prelu,
          WRITE(dx, FLOATS) WRITE(dslope, FLOATS)
          READ(dy, FLOATS) READ(x, FLOATS) READ(slope, FLOATS))
ARGUMENTS(cast, cast,
          WRITE(y, FLOATS) READ(x, FLOATS))
ARGUMENTS(dropout, dropout,
          WRITE(y, FLOATS) READ(x, FLOATS) READ(state, STATE))
ARGUMENTS(softmax, softmax,
          WRITE(y, FLOATS) READ(x, FLOATS))
ARGUMENTS(loss, loss,
          WRITE(dlogits, FLOATS) WRITE(loss, FLOATS) WRITE(correct, WORDS)
          READ(logits, FLOATS) READ(labels, WORDS_BELOW(a->classes))
          READ(class_weights, FLOATS) READ(partner_labels, WORDS_BELOW(a->classes))
          READ(shares, WORDS_BELOW(AUGMENT_SHARES + 1)))
ARGUMENTS(accumulate_gradient, accumulate_gradient,
          UPDATE(sum, FLOATS) UPDATE(all_loss, FLOATS) UPDATE(all_correct, WORDS_BELOW(2))
          UPDATE(state, STATE) READ(g, FLOATS) READ(loss, FLOATS)
          READ(correct, WORDS_BELOW(2)))
ARGUMENTS(clip_gradient, clip_gradient,
          UPDATE(state, STATE) READ(g, FLOATS)
          READ(groups, WORDS_BELOW(a->settings.count / GROUP_SETTINGS))
          READ(settings, FLOATS))
ARGUMENTS(optimizer_step, optimizer_step,
          UPDATE(w, FLOATS) UPDATE(m, FLOATS) UPDATE(v, VARIANCE) UPDATE(state, STATE)
          READ(g, FLOATS) READ(groups, WORDS_BELOW(a->settings.count / GROUP_SETTINGS))
          READ(settings, FLOATS) READ(loss, FLOATS) READ(correct, WORDS_BELOW(2)))
ARGUMENTS(average, average,
          UPDATE(average, FLOATS) UPDATE(w, FLOATS) READ(state, STATE))
ARGUMENTS(roofline_probe, roofline_probe,
          WRITE(y, FLOATS) READ(x, FLOATS))
/* clang-format on */

int lab_arguments(struct weft_primitive_call *call,
                  struct lab_argument out[LAB_MAX_ARGUMENTS])
{
    struct argument_list list = {out, 0};
    switch (call->primitive) {
#define PRIMITIVE(name, args_type, output)         \
    case WEFT_PRIMITIVE_##name:                    \
        arguments_##name(&call->args.name, &list); \
        break;
#include "device/primitives.def"
#undef PRIMITIVE
    case WEFT_PRIMITIVE_COUNT:
        break;
    }
    return list.count;
}

enum weft_status lab_call_init(struct lab_call *c, const struct weft_primitive_call *call,
                               struct weft_device *const device[LAB_SIDE_COUNT])
{
    int outputs = 0;
    *c = (struct lab_call){.call = *call, .random = lab_random_begin(1, 0, 0)};
    c->lab.random = &c->random;
    c->argument_count = lab_arguments(&c->call, c->arguments);
    for (int side = 0; side < LAB_SIDE_COUNT; side++)
        c->lab.device[side] = device[side];
    for (int i = 0; i < c->argument_count; i++) {
        const struct lab_argument *a = &c->arguments[i];
        struct lab_tensor *t = lab_add_vector(&c->lab, a->name, a->type, a->view->count);
        t->half = a->view->type == WEFT_FLOAT16;
        t->is_in_out = a->read && a->written;
        if (a->written)
            c->outputs[outputs++] = t;
    }
    return lab_allocate(&c->lab, false, NULL);
}

void lab_call_finish(struct lab_call *c)
{
    lab_finish(&c->lab);
}

/* A training that has run for some steps. */
static void fill_state(struct lab_case *c, struct lab_tensor *t)
{
    static const struct {
        int at;
        float value;
    } floats[] = {{STATE_LEARNING_RATE, 0.01f},
                  {STATE_BETA1_POWER, 0.7f},
                  {STATE_BETA2_POWER, 0.9f},
                  {STATE_NEXT_BETA1_POWER, 0.6f},
                  {STATE_NEXT_BETA2_POWER, 0.8f}};
    uint32_t *words = lab_initial(c, t);
    memset(words, 0, lab_tensor_bytes(t));
    words[STATE_STEP] = 3;
    words[STATE_SEED_LOW] = 1;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(floats); i++)
        memcpy(&words[floats[i].at], &floats[i].value, sizeof(float));
}

void lab_call_fill(struct lab_call *c)
{
    for (int i = 0; i < c->argument_count; i++) {
        const struct lab_argument *a = &c->arguments[i];
        struct lab_tensor *t = &c->lab.tensors[i];
        if (!a->read)
            continue;
        switch (a->content) {
        case LAB_UNIFORM:
            lab_fill_uniform(&c->lab, t, -1, 1);
            break;
        case LAB_POSITIVE:
            lab_fill_uniform(&c->lab, t, 0.5f, 1.5f);
            break;
        case LAB_BELOW:
            lab_fill_below(&c->lab, t, a->limit);
            break;
        case LAB_ARGMAX:
            lab_fill_argmax(&c->lab, t, a->pool);
            break;
        case LAB_STATE:
            fill_state(&c->lab, t);
        }
    }
}

enum weft_status lab_call_record(struct lab_call *c, enum lab_side side,
                                 const struct weft_command_list_params *params,
                                 struct weft_command_list **out)
{
    struct weft_device *device = c->lab.device[side];
    for (int i = 0; i < c->argument_count; i++)
        *c->arguments[i].view = lab_view(&c->lab, &c->lab.tensors[i], side);
    WEFT_TRY(device->backend->list_create(device, params, out));
    enum weft_status status = weft_primitive_record(*out, &c->call);
    if (!status)
        status = device->backend->list_finalize(*out);
    if (status) {
        device->backend->list_destroy(*out);
        *out = NULL;
    }
    return status;
}
