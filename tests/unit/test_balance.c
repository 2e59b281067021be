/* SPDX-License-Identifier: Apache-2.0 */
/* Balanced sampling: which images an epoch draws; the images that are sent to the device;
 * bits of repeated, resumed and streamed runs.
 *
 * usage: test_balance [-d SELECTOR] [-f vec|tile] */
#include "unit/trainer_fixture.h"

#include "shared/balance.h"
#include "train/trainer.h"

enum { SIZES = 3, COUNT = 190, EPOCHS = 400, BATCH = 24 };

static const int sizes[SIZES] = {150, 37, 3};
static const int label_of[SIZES] = {0, 1, 3}; /* class 2 has no images */

static const char text[] = "flatten\ndense 4\nsoftmax\n"
                           "optimizer sgd 1e-2\naugment flip shift=1 mixup=0.4\n";

static int class_of(int image)
{
    return image % 50 == 49 && image < 150 ? 2 : image % 5 == 0 && image < 185 ? 1 : 0;
}

static weft_dataset *make_uneven(void)
{
    static const char *const names[] = {"none", "rows", "columns", "checks"};
    weft_dataset *even = make_data(COUNT), *data = NULL;
    struct weft_dataset_info info;
    int32_t labels[COUNT];
    weft_dataset_info(even, &info);
    for (int i = 0; i < COUNT; i++)
        labels[i] = label_of[class_of(i)];
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                            .classes = CLASSES, .pixels = info.pixels, .labels = labels,
                            .class_names = names),
        &data));
    REQUIRE(data);
    weft_dataset_destroy(&even);
    return data;
}

static weft_trainer *start(weft_device *on, const weft_dataset *data, bool stream,
                           int audit)
{
    weft_net *net = make_net(text);
    weft_trainer *t = NULL;
    CHECK_OK(
        weft_trainer_create(on, net, data,
                            weft_train_params(.batch = BATCH, .seed = 7, .stream = stream,
                                              .audit = audit, .balance = true),
                            &t));
    weft_net_destroy(&net);
    REQUIRE(t);
    return t;
}

/* Every class as often as the others; of a class every image once in each cycle; rounds
 * and cycles in orders of their own; nothing depends on anything but the place. */
static void check_draws(const uint32_t *table)
{
    enum { CYCLES = EPOCHS * COUNT / SIZES + 1 };
    static int drawn[SIZES], cycles[COUNT], rounds[SIZES][SIZES], firsts[COUNT];
    int begun[SIZES] = {0}, repeated = 0;
    struct weft_sample last = {0, 0};
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++)
        for (uint32_t at = 0; at < COUNT; at++) {
            struct weft_sample s = weft_balanced_sample(table, COUNT, at, epoch, 7, 0);
            REQUIRE(s.image < COUNT);
            int c = class_of((int)s.image), place = (int)(epoch * COUNT + at) % SIZES;
            rounds[place][c]++;
            repeated += s.image == last.image && s.cycle == last.cycle;
            last = s;
            if (drawn[c] % sizes[c] == 0 && begun[c]++ < 100)
                firsts[s.image]++;
            CHECK_INT((int)s.cycle, drawn[c] / sizes[c]);
            CHECK_INT((int)s.cycle, cycles[s.image]); /* that often before */
            drawn[c]++;
            cycles[s.image]++;
        }
    CHECK_INT(repeated, 0);
    for (int c = 0; c < SIZES; c++) {
        CHECK(drawn[c] >= EPOCHS * COUNT / SIZES && drawn[c] <= CYCLES);
        for (int place = 0; place < SIZES; place++) /* six deviations of 0.5 % */
            CHECK_NEAR(rounds[place][c] * 3.0 / CYCLES, 1, 0.03);
    }
    int most = 0;
    for (int i = 0; i < COUNT; i++)
        most = firsts[i] > most && class_of(i) == 0 ? firsts[i] : most;
    CHECK(most < 8); /* no image is first in most cycles */
}

/* The labels of the steps of a stream, with the partner of the last row behind them. The
 * same bits of a streamed run and a resident one show that of the latter. */
static void check_labels(const weft_dataset *data)
{
    weft_trainer *t = start(device, data, false, 0);
    struct weft_dataset_info info;
    struct weft_stream *stream = NULL;
    weft_dataset_info(data, &info);
    CHECK_INT((int)t->balance[BALANCE_CLASSES], SIZES);
    check_draws(t->balance);
    CHECK_OK(weft_stream_create(ctx,
                                &(struct weft_stream_params){.data = data,
                                                             .batch = BATCH,
                                                             .rows = BATCH + 1,
                                                             .seed = 7,
                                                             .balance = t->balance},
                                &stream));
    REQUIRE(stream);
    for (uint32_t step = 0; step < 9; step++) { /* 7 an epoch */
        const uint8_t *pixels;
        const int32_t *labels;
        REQUIRE(!weft_stream_take(stream, &pixels, &labels));
        for (uint32_t row = 0; row <= BATCH; row++) {
            struct weft_sample s = weft_balanced_sample(
                t->balance, COUNT, step % 7 * BATCH + row, step / 7, 7, 0);
            CHECK_INT(labels[row], info.labels[s.image]);
            CHECK(!memcmp(pixels + row * SIDE * SIDE, info.pixels + s.image * SIDE * SIDE,
                          SIDE * SIDE));
        }
        weft_stream_release(stream);
    }
    weft_stream_destroy(&stream);
    weft_trainer_destroy(&t);
}

/* Bits of a run as it is, audited, with its images sent batch by batch; and resumed. */
static void check_bits(const weft_dataset *data)
{
    for (int way = 0; way < 3; way++) {
        weft_trainer *t = start(device, data, way == 1, 2 * (way == 2));
        check_run_bits(t, way);
        weft_trainer_destroy(&t);
    }
}

static void check_refused(const weft_dataset *data)
{
    static const float class_weights[CLASSES] = {1, 2, 1, 4};
    weft_net *net = make_net(text);
    weft_trainer *t = NULL, *balanced = start(device, data, false, 0);
    CHECK_FAILS(weft_trainer_create(
                    device, net, data,
                    weft_train_params(.balance = true, .class_weights = class_weights),
                    &t),
                WEFT_ERR_ARG, "balance and class_weights exclude each other");
    CHECK_OK(weft_trainer_create(device, net, data,
                                 weft_train_params(.batch = BATCH, .seed = 7), &t));
    REQUIRE(t);
    CHECK_FAILS(weft_trainer_load_checkpoint(t, path_of("half")), WEFT_ERR_FORMAT,
                "continue with balanced sampling");
    CHECK_OK(weft_trainer_run(t, 5));
    CHECK_OK(weft_trainer_save_checkpoint(t, path_of("two"), NULL));
    CHECK(!same_files(path_of("half"), path_of("two")));
    CHECK_FAILS(weft_trainer_load_checkpoint(balanced, path_of("two")), WEFT_ERR_FORMAT,
                "continue without balanced sampling");
    weft_trainer_destroy(&t);
    weft_trainer_destroy(&balanced);
    weft_net_destroy(&net);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_uneven();
    check_labels(data);
    check_bits(data);
    check_refused(data);
    weft_dataset_destroy(&data);
    return close_device();
}
