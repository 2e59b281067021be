/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation: what is drawn, text, training that repeats and resumes to the bit. */
#include "unit/trainer_fixture.h"

#include "device/batch.h"
#include "net/augment.h"

#include <math.h>

enum { IMAGES = 20000 };

static struct weft_augment resolve(const char *text, int side)
{
    struct weft_augment_options options = {0};
    struct weft_augment augment = {0};
    CHECK_OK(weft_augment_read(ctx, text, &options));
    CHECK_OK(weft_augment_resolve(
        ctx, &options, (struct weft_shape){.h = side, .w = side, .c = 1}, &augment));
    return augment;
}

static struct weft_augment_draw draw_of(const struct weft_augment *a, int side,
                                        unsigned image, unsigned epoch)
{
    return weft_augment_draw(a, side, side, image, epoch, 11, 12);
}

/* Half of the images are flipped; alternating, each in every second epoch. */
static void check_flips(void)
{
    const struct weft_augment random = resolve("flip", 28),
                              alternating = resolve("alternating-flip", 28);
    int flipped = 0, first = 0, same = 0, both = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        flipped += draw_of(&random, 28, i, 3).flip;
        both += draw_of(&random, 28, i, 3).flip && draw_of(&random, 28, i, 4).flip;
        first += draw_of(&alternating, 28, i, 0).flip;
        for (unsigned epoch = 0; epoch < 4; epoch++)
            same += draw_of(&alternating, 28, i, epoch).flip ==
                    draw_of(&alternating, 28, i, epoch + 1).flip;
    }
    CHECK_NEAR(flipped, IMAGES / 2.0, 400); /* 5.6 deviations */
    CHECK_NEAR(both, IMAGES / 4.0, 350);
    CHECK_NEAR(first, IMAGES / 2.0, 400);
    CHECK(same == 0);
}

/* All 5 x 5 shifts, as often; the square's centre everywhere. */
static void check_places(void)
{
    const struct weft_augment a = resolve("shift=2 cutout=8", 28);
    int shifts[25] = {0}, corners = 0;
    double area = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        REQUIRE(d.dy >= -2 && d.dy <= 2 && d.dx >= -2 && d.dx <= 2);
        CHECK(d.top >= 0 && d.left >= 0 && d.bottom <= 28 && d.right <= 28);
        shifts[5 * (d.dy + 2) + d.dx + 2]++;
        area += (d.bottom - d.top) * (d.right - d.left);
        corners += d.bottom - d.top == 4 && d.right - d.left == 4 && !d.top && !d.left;
    }
    for (int i = 0; i < 25; i++)
        CHECK_NEAR(shifts[i], IMAGES / 25.0, 160); /* 5.8 deviations */
    /* 8 rows, fewer for 4 centres at the top (4 to 7) and 3 at the bottom (7 to 5) */
    double rows = (8.0 * 28 - (4 + 3 + 2 + 1) - (1 + 2 + 3)) / 28;
    CHECK_NEAR(area / IMAGES, rows * rows, 0.5);
    CHECK_NEAR(corners, IMAGES / 784.0, 30);
}

static void check_erased(void)
{
    const struct weft_augment a = resolve("erase=0.25", 28);
    int erased = 0;
    double area = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        int rows = d.bottom - d.top, columns = d.right - d.left;
        if (!rows && !columns)
            continue;
        erased++;
        area += rows * columns;
        CHECK(d.top >= 0 && d.left >= 0 && d.bottom <= 28 && d.right <= 28);
        CHECK(rows * columns >= 784 / 50 / 2 && rows * columns <= 784 * 2 / 5 + 28);
        CHECK(rows < 28 && columns < 28);
    }
    CHECK_NEAR(erased, IMAGES / 4.0, 350);
    /* below 0.21: large rectangles fit less often */
    CHECK_NEAR(area / erased / 784, 0.19, 0.02);
}

/* Another image, epoch or seed: other draws. */
static void check_keys(void)
{
    const struct weft_augment a = resolve("shift=100", 300);
    const struct weft_augment_draw d = weft_augment_draw(&a, 300, 300, 5, 6, 7, 8);
    const unsigned others[][4] = {{4, 6, 7, 8}, {5, 7, 7, 8}, {5, 6, 8, 8}, {5, 6, 7, 9}};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        const unsigned *k = others[i];
        const struct weft_augment_draw o =
            weft_augment_draw(&a, 300, 300, k[0], k[1], k[2], k[3]);
        CHECK(o.dy != d.dy || o.dx != d.dx);
    }
    CHECK(weft_augment_reflect(-1, 4) == 1 && weft_augment_reflect(4, 4) == 2 &&
          weft_augment_reflect(-7, 4) == 1 && weft_augment_reflect(9, 4) == 3 &&
          weft_augment_reflect(3, 1) == 0);
    CHECK(weft_augment_sqrt(24) == 4 && weft_augment_sqrt(25) == 5 &&
          weft_augment_sqrt(0xFFFFFFFF) == 65535);
}

static weft_trainer *start(const weft_dataset *data, const char *augment, int batch)
{
    weft_net *net =
        make_net("conv 4 3x3 relu\nflatten\ndense 4\nsoftmax\naugment flip\n");
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_trainer_create(
        device, net, data,
        weft_train_params(.seed = 3, .batch = batch, .augment = augment), &trainer));
    weft_net_destroy(&net);
    REQUIRE(trainer);
    return trainer;
}

static double loss_after(const weft_dataset *data, const char *augment, int steps)
{
    struct weft_progress p;
    weft_trainer *trainer = start(data, augment, 50);
    CHECK_OK(weft_trainer_run(trainer, steps));
    CHECK_OK(weft_trainer_progress(trainer, &p));
    weft_trainer_destroy(&trainer);
    return p.last_loss;
}

static const char *const every[] = {"flip shift=2 cutout=4",
                                    "alternating-flip shift=3 border=zeros erase=0.5"};

static void check_training(const weft_dataset *data)
{
    CHECK(loss_after(data, "none", 9) == loss_after(data, "none", 9));
    CHECK(loss_after(data, NULL, 9) == loss_after(data, "flip", 9));
    CHECK(loss_after(data, NULL, 9) != loss_after(data, "none", 9));
    for (size_t i = 0; i < sizeof(every) / sizeof(*every); i++) {
        CHECK(loss_after(data, every[i], 9) == loss_after(data, every[i], 9));
        CHECK(loss_after(data, every[i], 9) != loss_after(data, NULL, 9));
    }
}

static void check_resumed(const weft_dataset *data)
{
    const char *half = path_of("half"), *whole = path_of("whole"), *two = path_of("two");
    for (size_t i = 0; i < sizeof(every) / sizeof(*every); i++) {
        weft_trainer *trainer = start(data, every[i], 30);
        CHECK_OK(weft_trainer_run(trainer, 9));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, half, NULL));
        CHECK_OK(weft_trainer_run(trainer, 7));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, whole, NULL));
        weft_trainer_destroy(&trainer);
        trainer = start(data, every[i], 30);
        CHECK_OK(weft_trainer_load_checkpoint(trainer, half));
        CHECK_OK(weft_trainer_run(trainer, 7));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, two, NULL));
        CHECK(same_files(whole, two));
        weft_trainer_destroy(&trainer);
        trainer = start(data, "none", 30);
        CHECK_FAILS(weft_trainer_load_checkpoint(trainer, half), WEFT_ERR_FORMAT,
                    "the same augmentation");
        weft_trainer_destroy(&trainer);
    }
}

static void check_messages(const weft_dataset *data)
{
    static const struct {
        const char *augment, *message;
    } wrong[] = {
        {"", "needs words or options"},
        {"flipp", "has no \"flipp\""},
        {"flip alternating-flip", "one too many"},
        {"shift=-1", "shift is -1"},
        {"border=mirror", "choose from reflect, zeros"},
        {"erase=1.5", "erase is 1.5"},
        {"cutout=4 erase=1", "leave out one"},
        {"none flip", "unexpected \"flip\""},
        {"flip shft=2", "no option \"shft\""},
    };
    weft_net *net = make_net("flatten\ndense 4\nsoftmax\n");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        weft_trainer *trainer = NULL;
        CHECK_FAILS(weft_trainer_create(device, net, data,
                                        weft_train_params(.augment = wrong[i].augment),
                                        &trainer),
                    WEFT_ERR_ARG, wrong[i].message);
    }
    weft_net_destroy(&net);
}

/* The line of a text, and params of the builder. */
static void check_net(void)
{
    static const struct {
        const char *text, *written;
    } lines[] = {
        {"none", "none"},
        {"shift=0", "none"},
        {"shift=2 flip", "flip shift=2"},
        {"cutout=8 border=zeros alternating-flip",
         "alternating-flip border=zeros cutout=8"},
        {"erase=0.5 border=reflect", "erase=0.5"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        weft_net *net = NULL, *again = NULL;
        struct weft_net_info info;
        CHECK_OK(weft_net_create(ctx, "dense 3\nsoftmax\n",
                                 weft_net_params(.height = 1, .width = 1, .channels = 4,
                                                 .augment = lines[i].text),
                                 &net));
        weft_net_info(net, &info);
        CHECK_TEXT(info.augment, lines[i].written);
        CHECK_OK(weft_net_create(ctx, info.canonical_text, NULL, &again));
        weft_net_info(again, &info);
        CHECK_TEXT(info.augment, lines[i].written);
        weft_net_destroy(&again);
        weft_net_destroy(&net);
    }
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    check_flips();
    check_places();
    check_erased();
    check_keys();
    check_training(data);
    check_resumed(data);
    check_messages(data);
    check_net();
    weft_dataset_destroy(&data);
    return close_device();
}
