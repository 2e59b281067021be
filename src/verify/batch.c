/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of make_batch: a whole batch, and the same batch as two shards, with and
 * without augmentation. */
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE, FIRST_SHARD, SECOND_SHARD, PART_COUNT };
enum { MAX_RATES = 9 };

/* Rows of the batch. */
struct shard {
    int first, n;
    struct lab_tensor *x, *labels, *partners, *shares;
};

struct input_case {
    struct verify_case base;
    struct weft_batch_args args; /* all but the part and the views */
    struct shard parts[PART_COUNT];
    struct lab_tensor *state, *bytes, *labels, *balance;
    struct verify_run *whole, *shards; /* shards NULL: a batch of one row */
};

static enum weft_status record_part(const struct input_case *in, enum lab_side side,
                                    int which, struct weft_command_list *list)
{
    const struct verify_case *c = &in->base;
    const struct shard *part = &in->parts[which];
    struct weft_batch_args args = in->args;
    args.first = part->first;
    args.n = part->n;
    args.state = lab_view(&c->lab, in->state, side);
    args.bytes = lab_view(&c->lab, in->bytes, side);
    args.labels = lab_view(&c->lab, in->labels, side);
    args.balance = lab_view(&c->lab, in->balance, side);
    args.x = lab_view(&c->lab, part->x, side);
    args.batch_labels = lab_view(&c->lab, part->labels, side);
    args.partner_labels = lab_view(&c->lab, part->partners, side);
    args.shares = lab_view(&c->lab, part->shares, side);
    return list->primitives->make_batch(list, &args);
}

static enum weft_status record_whole(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    return record_part((const struct input_case *)c, side, WHOLE, list);
}

static enum weft_status record_shards(const struct verify_case *c, enum lab_side side,
                                      struct weft_command_list *list)
{
    WEFT_TRY(record_part((const struct input_case *)c, side, FIRST_SHARD, list));
    return record_part((const struct input_case *)c, side, SECOND_SHARD, list);
}

/* A random state, with a step of the first few epochs or far beyond. */
static void fill_state(struct input_case *in)
{
    struct verify_context *k = in->base.check;
    uint32_t *state = in->state ? lab_initial(&in->base.lab, in->state) : NULL;
    for (size_t i = 0; state && i < in->state->count; i++)
        state[i] = lab_random_bits(&k->random);
    if (state && lab_random_bool(&k->random, 80))
        state[STATE_STEP] =
            (uint32_t)lab_random_int(&k->random, 0, 5 * in->args.steps_per_epoch);
    if (state && in->args.part_rows)
        state[STATE_NEXT_PART] = (uint32_t)lab_random_int(
            &k->random, 0, in->args.global_batch / in->args.part_rows - 1);
    if (state)
        state[STATE_RATE_COUNT] = (uint32_t)lab_random_int(&k->random, 0, MAX_RATES);
}

/* Classes of any sizes, with the images in order: a permutation of them would show
 * nothing more. */
static void fill_balance(struct input_case *in)
{
    struct verify_case *c = &in->base;
    if (!in->balance)
        return;
    uint32_t *table = lab_initial(&c->lab, in->balance);
    uint32_t images = (uint32_t)in->args.count,
             classes = (uint32_t)in->balance->count - images - 2;
    table[BALANCE_CLASSES] = classes;
    uint32_t *first = table + BALANCE_FIRST, at = 0;
    for (uint32_t k = 0; k < classes; k++) {
        uint32_t most = images - at - (classes - 1 - k);
        first[k] = BALANCE_FIRST + classes + 1 + at;
        at += k + 1 == classes
                  ? most
                  : (uint32_t)lab_random_int(&c->check->random, 1, (int)most);
    }
    first[classes] = BALANCE_FIRST + classes + 1 + images;
    for (uint32_t i = 0; i < images; i++)
        first[classes + 1 + i] = i;
}

static void fill(struct input_case *in)
{
    struct verify_case *c = &in->base;
    uint8_t *bytes = lab_initial(&c->lab, in->bytes);
    for (size_t i = 0; i < in->bytes->count; i++)
        bytes[i] = (uint8_t)lab_random_bits(&c->check->random);
    int32_t *labels = in->labels ? lab_initial(&c->lab, in->labels) : NULL;
    for (size_t i = 0; labels && i < in->labels->count; i++)
        labels[i] = lab_random_int(&c->check->random, 0, 999);
    fill_balance(in);
    fill_state(in);
}

/* The runs' outputs that the case has. */
static struct verify_run *add_run(struct input_case *in, const char *what,
                                  verify_record_fn record, int from, int to)
{
    struct lab_tensor *outputs[4 * PART_COUNT + 2] = {NULL};
    int count = 0;
    for (int i = from; i <= to; i++) {
        outputs[count++] = in->parts[i].x;
        if (in->labels)
            outputs[count++] = in->parts[i].labels;
        if (in->labels && in->args.augment.mix) {
            outputs[count++] = in->parts[i].partners;
            outputs[count++] = in->parts[i].shares;
        }
    }
    outputs[count] = in->state;
    return case_add_run(&in->base, what, record, outputs);
}

/* True if the reference's shards are the rows of its whole batch `x`. */
static bool shards_match(const struct input_case *in, const float *x)
{
    bool same = true;
    for (int i = FIRST_SHARD; i < PART_COUNT; i++) {
        const struct shard *part = &in->parts[i];
        size_t from = (size_t)part->first * (size_t)in->args.pixels;
        same = same && !memcmp(lab_result(&in->base.lab, part->x, LAB_REFERENCE),
                               x + from, part->x->count * sizeof(*x));
    }
    return same;
}

static enum weft_status verify_shards(struct input_case *in, const char *fill)
{
    struct verify_case *c = &in->base;
    const struct lab_tensor *whole = in->parts[WHOLE].x;
    size_t bytes = whole->count * sizeof(float);
    float *x = malloc(bytes); /* the next run overwrites the result */
    if (!x)
        return weft_out_of_memory(lab_context(&c->lab), "verify", bytes);
    memcpy(x, lab_result(&c->lab, whole, LAB_REFERENCE), bytes);
    enum weft_status status = run_and_compare(c, in->shards, fill);
    if (!status)
        report_result(c, "shards and whole batch", fill, 0,
                      shards_match(in, x) ? NULL
                                          : "the shards are not the whole batch's rows");
    free(x);
    return status;
}

static enum weft_status run_case(struct input_case *in, bool exact)
{
    struct verify_case *c = &in->base;
    const char *fill_name = exact ? "integers" : "real";
    in->whole =
        add_run(in, in->state ? "shuffled" : "in order", record_whole, WHOLE, WHOLE);
    if (in->parts[SECOND_SHARD].n)
        in->shards = add_run(in, "shards", record_shards, FIRST_SHARD, SECOND_SHARD);
    WEFT_TRY(case_allocate(c));
    bounds_zero(c);
    double size = 0;
    for (int i = 0; i < in->args.channels; i++)
        size = fmax(size, 255 * fabs((double)in->args.scale[i]) +
                              fabs((double)in->args.shift[i]));
    for (int k = 0; k < PART_COUNT; k++)
        for (size_t i = 0; !exact && in->parts[k].x && i < in->parts[k].x->count; i++)
            in->parts[k].x->bound[i] =
                (in->args.augment.mix ? 6 : 3) * FP32_UNIT_ROUNDOFF * size;
    for (int i = 0; i < 2; i++) {
        fill(in);
        WEFT_TRY(run_and_compare(c, in->whole, fill_name));
        if (in->shards)
            WEFT_TRY(verify_shards(in, fill_name));
    }
    return WEFT_OK;
}

static void random_mix(struct lab_random *r, struct weft_augment *a)
{
    a->mix = LAB_RANDOM_CHOICE(r, AUGMENT_MIXUP, AUGMENT_CUTMIX);
    a->unmixed = LAB_RANDOM_CHOICE(r, 0, 0, 32768);
    for (int i = 0; i < AUGMENT_QUANTILES; i++)
        a->beta[i] = i * 32768 / (AUGMENT_QUANTILES - 1);
}

/* Each part is there in half of the cases. */
static struct weft_augment random_augment(struct verify_context *k, int height, int width)
{
    struct lab_random *r = &k->random;
    struct weft_augment a = {.kind = AUGMENT_WHOLE_PIXELS};
    a.flip = lab_random_int(r, AUGMENT_NO_FLIP, AUGMENT_ALTERNATE_FLIP);
    a.zeros = lab_random_bool(r, 50);
    if (lab_random_bool(r, 50))
        a.shift = lab_random_int(r, 1, 2 + width / 2);
    int side = height > width ? height : width; /* something remains */
    if (side > 1 && lab_random_bool(r, 50))
        a.cutout = lab_random_int(r, 1, side - 1);
    else
        a.erase = LAB_RANDOM_CHOICE(r, 0, 32768, 65536);
    if (lab_random_bool(r, 40))
        random_mix(r, &a);
    if (lab_random_bool(r, 60))
        return a;
    a.kind = AUGMENT_RESAMPLED;
    a.crop = lab_random_bool(r, 50) * lab_random_int(r, 1, 65536);
    a.rotate = lab_random_bool(r, 50) * lab_random_int(r, 0, 32768);
    a.scale = lab_random_bool(r, 50) * lab_random_int(r, 0, 8192);
    a.shear = lab_random_bool(r, 50) * lab_random_int(r, 0, 16384);
    a.translate = lab_random_bool(r, 50) * lab_random_int(r, 0, 65536);
    a.brightness = lab_random_bool(r, 50) * lab_random_int(r, 0, 256);
    a.contrast = lab_random_bool(r, 50) * lab_random_int(r, 0, 256);
    a.saturation = lab_random_bool(r, 50) * lab_random_int(r, 0, 256);
    a.trivial = lab_random_bool(r, 50);
    for (int c = 0; c < 4; c++)
        a.middle[c] = lab_random_int(r, 0, 255);
    return a;
}

static void random_geometry(struct input_case *in, struct verify_context *k, bool exact,
                            bool shuffled)
{
    struct weft_batch_args *a = &in->args;
    bool small = k->params->tiny_shapes;
    a->channels = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 4);
    int places = LAB_RANDOM_CHOICE(&k->random, 1, 3, 5, 7, 13, 49, small ? 9 : 784);
    a->width = places == 49 ? 7 : places == 784 ? 28 : places;
    if (lab_random_bool(&k->random, 30))
        a->width = places / a->width; /* a high image, of the same pixels */
    a->pixels = a->channels * places;
    int n = small ? lab_random_int(&k->random, 1, 7)
                  : LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 7, 13, 17, 33, 64);
    int parts = shuffled && lab_random_bool(&k->random, 25) ? 3 : 1;
    a->part_rows = parts > 1 ? n : 0;
    a->global_batch = n * parts;
    a->count = a->global_batch * lab_random_int(&k->random, 1, 4) +
               lab_random_int(&k->random, 0, n - 1);
    a->steps_per_epoch = a->count / a->global_batch;
    int split = n > 1 ? lab_random_int(&k->random, 1, n - 1) : 0;
    in->parts[WHOLE].n = n;
    in->parts[FIRST_SHARD].n = in->parts[SECOND_SHARD].first = split;
    in->parts[SECOND_SHARD].n = split ? n - split : 0;
    for (int i = 0; i < 4; i++) {
        a->scale[i] = exact ? (float)lab_random_int(&k->random, 1, 9) / 16
                            : lab_random_float(&k->random, 0.001f, 1);
        a->shift[i] = exact ? (float)lab_random_int(&k->random, -9, 9)
                            : lab_random_float(&k->random, -3, 3);
    }
}

static void add_parts(struct input_case *in)
{
    struct verify_case *c = &in->base;
    static const char *const names[PART_COUNT][2] = {
        {"x", "batch labels"},
        {"x of the first shard", "labels of the first shard"},
        {"x of the second shard", "labels of the second shard"}};
    for (int i = 0; i < PART_COUNT && in->parts[i].n; i++) {
        struct shard *part = &in->parts[i];
        part->x = lab_add_tensor(&c->lab, names[i][0], LAB_FLOAT, part->n, 1, 1,
                                 in->args.pixels);
        /* Shifts and erased squares can cover small images. */
        part->x->may_be_zero = in->args.augment.kind;
        if (in->labels)
            part->labels =
                lab_add_tensor(&c->lab, names[i][1], LAB_INT32, 1, 1, 1, part->n);
        if (in->labels && in->args.augment.mix) {
            part->partners =
                lab_add_tensor(&c->lab, "partners", LAB_INT32, 1, 1, 1, part->n);
            part->shares = lab_add_tensor(&c->lab, "shares", LAB_INT32, 1, 1, 1, part->n);
        }
    }
    tensor_set_fp16(c, in->parts[WHOLE].x, 75);
    for (int i = FIRST_SHARD; i < PART_COUNT && in->parts[i].x; i++)
        in->parts[i].x->half = in->parts[WHOLE].x->half;
}

static enum weft_status verify_input_case(struct verify_context *k)
{
    struct input_case in = {0};
    struct verify_case *c = &in.base;
    struct weft_batch_args *a = &in.args;
    bool exact = lab_random_bool(&k->random, 60),
         shuffled = lab_random_bool(&k->random, 75);
    bool labelled = lab_random_bool(&k->random, 80);
    random_geometry(&in, k, exact, shuffled);
    if (shuffled && lab_random_bool(&k->random, 60))
        a->augment = random_augment(k, a->pixels / a->channels / a->width, a->width);
    a->gathered = shuffled && lab_random_bool(&k->random, 30);
    int most_classes = a->count < 9 ? a->count : 9;
    int classes = shuffled && lab_random_bool(&k->random, 30)
                      ? lab_random_int(&k->random, 1, most_classes)
                      : 0;
    case_init(c, k);
    case_describe(c, " %d and %d of %d images%s, %d bytes, %d channels, %s, labels %s",
                  in.parts[FIRST_SHARD].n, in.parts[SECOND_SHARD].n, a->count,
                  a->part_rows ? ", one part of three" : "", a->pixels, a->channels,
                  a->gathered ? "gathered"
                  : classes   ? "balanced"
                  : shuffled  ? "shuffled"
                              : "in order",
                  labelled ? "present" : "absent");
    if (a->augment.kind == AUGMENT_RESAMPLED)
        case_describe(
            c,
            ", crop %d, rotate %d, scale %d, shear %d, translate %d, brightness %d, "
            "contrast %d, saturation %d%s",
            a->augment.crop, a->augment.rotate, a->augment.scale, a->augment.shear,
            a->augment.translate, a->augment.brightness, a->augment.contrast,
            a->augment.saturation, a->augment.trivial ? ", trivial" : "");
    if (a->augment.kind)
        case_describe(c, ", rows of %d, flip %d, shift %d, %s, cutout %d, erase %d%s",
                      a->width, a->augment.flip, a->augment.shift,
                      a->augment.zeros ? "zeros" : "reflected", a->augment.cutout,
                      a->augment.erase,
                      a->augment.mix == AUGMENT_MIXUP    ? ", mixup"
                      : a->augment.mix == AUGMENT_CUTMIX ? ", cutmix"
                                                         : "");
    int stored =
        a->gathered ? a->global_batch + (a->augment.mix != AUGMENT_NO_MIX) : a->count;
    in.bytes = lab_add_tensor(&c->lab, "bytes", LAB_BYTE, stored, 1, 1, a->pixels);
    if (shuffled)
        in.state =
            lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS + MAX_RATES);
    if (shuffled)
        in.state->is_in_out = true;
    if (labelled)
        in.labels = lab_add_tensor(&c->lab, "labels", LAB_INT32, 1, 1, 1, stored);
    if (classes)
        in.balance = lab_add_tensor(&c->lab, "balance", LAB_INT32, 1, 1, 1,
                                    BALANCE_FIRST + classes + 1 + a->count);
    add_parts(&in);
    enum weft_status status = run_case(&in, exact);
    case_finish(c);
    return status;
}

const struct verify_check verify_make_batch = {"batch", verify_input_case, true};
