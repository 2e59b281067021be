/* SPDX-License-Identifier: Apache-2.0 */
/* Phases of a training, over the same buffers: their bits, what they allocate, errors.
 *
 * usage: test_phases [-d SELECTOR] [-f vec|tile] */
#include "unit/trainer_fixture.h"

#include "train/trainer.h"

#define LAYERS(c1, norm, c2, dense)                        \
    "conv 6 3x3 " c1 "\nmax-pool 2\nbatch-norm relu " norm \
    "\nconv 8 3x3 relu pad=same " c2 "\nflatten\ndense 4 " dense "\nsoftmax\nbatch 40\n"

static const struct weft_backend *honest;
static int allocations; /* of large buffers, while they are counted */

static enum weft_status count_alloc(struct weft_device *on, size_t bytes,
                                    struct weft_mem **out)
{
    allocations += bytes >= 200 * SIDE * SIDE;
    return honest->alloc(on, bytes, out);
}

/* The second phase: the trainer of the first, over its buffers, or a new one from its
 * model. */
static void begin_second(weft_trainer **t, const weft_net *net, const weft_dataset *data,
                         struct weft_train_params params, bool over)
{
    struct weft_backend counting = *honest;
    weft_trainer *first = *t;
    weft_model *model = NULL;
    counting.alloc = count_alloc;
    device->backend = over ? &counting : honest;
    allocations = 0;
    params.after = t;
    if (over)
        CHECK_OK(weft_trainer_create(device, net, data, &params, t));
    else {
        params.after = NULL;
        CHECK_OK(weft_trainer_model(first, &model));
        params.from = model;
        CHECK_OK(weft_trainer_create(device, net, data, &params, t));
        weft_trainer_destroy(&first);
        weft_model_destroy(&model);
    }
    device->backend = honest;
    REQUIRE(*t);
}

/* A second phase with other frozen layers, over the buffers of the first, has the bits of
 * a new trainer from its model, and of one that is resumed. */
static void test_phases(const weft_dataset *data, bool features, int parts)
{
    enum { EPOCH = 5 };
    static const char end[] = "optimizer adamw 0.01 decay=0.1\naverage ema 0.9\n";
    char text[400];
    const char *names[] = {path_of("created"), path_of("over"), path_of("middle"),
                           path_of("resumed")};
    struct weft_train_params params =
        *weft_train_params(.batch = 40, .seed = 4, .keep_features = features,
                           .accumulate = parts);
    snprintf(text, sizeof(text), LAYERS("frozen=yes", "frozen=yes", "rate=2", "") "%s",
             end);
    weft_net *net = make_net(text), *other = NULL;
    snprintf(text, sizeof(text), LAYERS("", "rate=0.5", "frozen=yes", "") "%s", end);
    other = make_net(text);
    for (int over = 0; over < 2; over++) {
        weft_trainer *t = NULL;
        struct weft_train_params second = params;
        second.first_epoch = 1;
        second.epochs = 2;
        second.schedule = "linear";
        second.augment = "shift=1";
        CHECK_OK(weft_trainer_create(device, net, data, &params, &t));
        REQUIRE(t);
        CHECK_OK(weft_trainer_run(t, EPOCH));
        struct weft_mem *weights = t->buffers.weights, *images = t->images->pixels;
        begin_second(&t, other, data, second, over);
        if (over && !features) {
            CHECK(t->buffers.weights == weights && t->images->pixels == images);
            CHECK(allocations <= (t->activation_bytes >= 200 * SIDE * SIDE));
        }
        CHECK_OK(weft_trainer_run(t, 3));
        CHECK_OK(weft_trainer_save_checkpoint(t, names[2], NULL));
        CHECK_OK(weft_trainer_run(t, 4));
        CHECK_OK(weft_trainer_save_checkpoint(t, names[over], NULL));
        CHECK_OK(weft_trainer_load_checkpoint(t, names[2]));
        CHECK_OK(weft_trainer_run(t, 4));
        CHECK_OK(weft_trainer_save_checkpoint(t, names[3], NULL));
        CHECK(same_files(names[over], names[3]));
        weft_trainer_destroy(&t);
    }
    CHECK(same_files(names[0], names[1]));
    weft_net_destroy(&net);
    weft_net_destroy(&other);
}

static void test_phase_errors(const weft_dataset *data)
{
    weft_trainer *t = make_trainer(device, LAYERS("", "", "", ""), data, 3, false);
    weft_net *net = make_net(LAYERS("", "", "", "")),
             *other = make_net("conv 6 3x3\nflatten\ndense 4\nsoftmax\n");
    weft_dataset *fewer = make_data(160);
    const struct weft_train_params params = *weft_train_params(.after = &t);
    CHECK_FAILS(weft_trainer_create(device, other, data, &params, &t), WEFT_ERR_ARG,
                "other layers");
    CHECK_FAILS(weft_trainer_create(device, net, fewer, &params, &t), WEFT_ERR_ARG,
                "other data");
    CHECK_OK(weft_trainer_run(t, 1));
    weft_dataset_destroy(&fewer);
    weft_net_destroy(&net);
    weft_net_destroy(&other);
    weft_trainer_destroy(&t);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    honest = device->backend;
    weft_dataset *data = make_data(200);
    test_phases(data, false, 1);
    if (!compiles) {
        test_phases(data, true, 1);
        test_phases(data, false, 2);
        test_phase_errors(data);
    }
    weft_dataset_destroy(&data);
    return close_device();
}
