/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the norm of a gradient, and of the factor that limits it. */
#include "shared/state.h"
#include "shared/weight_groups.h"
#include "verify/optimizer_bound.h"

struct clip_case {
    struct verify_case base;
    struct weft_clip_gradient_args args; /* without views */
    float largest;
    struct lab_tensor *state, *g, *groups, *settings;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct clip_case *v = (const struct clip_case *)c;
    struct weft_clip_gradient_args args = v->args;
    args.state = lab_view(&c->lab, v->state, side);
    args.g = lab_view(&c->lab, v->g, side);
    args.groups = lab_view(&c->lab, v->groups, side);
    args.settings = lab_view(&c->lab, v->settings, side);
    return list->primitives->clip_gradient(list, &args);
}

static void fill(struct clip_case *v)
{
    struct verify_case *c = &v->base;
    struct lab_random *random = &c->check->random;
    uint32_t *state = lab_initial(&c->lab, v->state);
    for (size_t i = 0; i < v->state->count; i++)
        state[i] = lab_random_bits(random);
    lab_fill_uniform(&c->lab, v->g, -v->largest, v->largest);
    if (v->groups) {
        float *settings = lab_initial(&c->lab, v->settings);
        for (size_t i = 0; i < v->settings->count; i++)
            settings[i] = lab_random_bool(random, 30) ? 0 : 0.5f;
        lab_fill_below(&c->lab, v->groups,
                       (unsigned)(v->settings->count / GROUP_SETTINGS));
    }
    v->args.g.count = v->g->count;
    const struct gradient_norm n =
        gradient_norm_of(&v->args, lab_initial(&c->lab, v->g),
                         v->groups ? lab_initial(&c->lab, v->groups) : NULL,
                         v->groups ? lab_initial(&c->lab, v->settings) : NULL);
    v->state->bound[STATE_CLIP_FACTOR] = n.factor_off;
    v->state->bound[STATE_NORM_RING + state[STATE_STEP] % STATE_RING_STEPS] = n.norm_off;
}

static enum weft_status verify_clip_case(struct verify_context *k)
{
    struct clip_case v = {0};
    struct verify_case *c = &v.base;
    int n = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 70)
                                   : LAB_RANDOM_CHOICE(&k->random, 1, 3, 5, 13, 17, 31,
                                                       33, 257, 4099, 30011, 262147);
    int groups = LAB_RANDOM_CHOICE(&k->random, 0, 1, 4);
    v.args.max_norm = lab_random_float(&k->random, 0.01f, 2);
    v.args.loss_scale_log2 = lab_random_bool(&k->random, 50) ? 0 : 7;
    v.largest = LAB_RANDOM_CHOICE(&k->random, 0, 1, 1000) / 256.0f;
    case_init(c, k);
    case_describe(c, " %d gradients times 2^%d, at most %.9g, %d groups", n,
                  v.args.loss_scale_log2, (double)v.args.max_norm, groups);
    v.state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    v.state->is_in_out = true;
    v.g = lab_add_tensor(&c->lab, "g", LAB_FLOAT, 1, 1, 1, n);
    if (groups) {
        v.groups = lab_add_tensor(&c->lab, "groups", LAB_INT32, 1, 1, 1,
                                  (n + GROUP_WEIGHTS - 1) / GROUP_WEIGHTS);
        v.settings = lab_add_tensor(&c->lab, "settings", LAB_FLOAT, 1, 1, 1,
                                    GROUP_SETTINGS * groups);
    }
    struct verify_run *run =
        case_add_run(c, "factor", record, (struct lab_tensor *[]){v.state, NULL});
    enum weft_status status = case_allocate(c);
    for (int i = 0; i < 2 && !status; i++) {
        bounds_zero(c);
        fill(&v);
        status = run_and_compare(c, run, "real");
    }
    case_finish(c);
    return status;
}

const struct verify_check verify_clip_gradient = {"clip-gradient", verify_clip_case};
