/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation: text, training that repeats and resumes to the bit, previews. */
#include "unit/augment_fixture.h"

#include <math.h>

static weft_trainer *start_with(const weft_dataset *data, const char *augment, int batch,
                                bool stream)
{
    weft_net *net =
        make_net("conv 4 3x3 relu\nflatten\ndense 4\nsoftmax\naugment flip\n");
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_trainer_create(device, net, data,
                                 weft_train_params(.seed = 3, .batch = batch,
                                                   .augment = augment, .stream = stream),
                                 &trainer));
    weft_net_destroy(&net);
    REQUIRE(trainer);
    return trainer;
}

static weft_trainer *start(const weft_dataset *data, const char *augment, int batch)
{
    return start_with(data, augment, batch, false);
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

static const char *const every[] = {
    "flip shift=2 cutout=4", "alternating-flip shift=3 border=zeros erase=0.5",
    "flip shift=2 cutout=4 crop=0.5 rotate=20 scale=0.2 shear=0.2 translate=0.1 "
    "brightness=0.3 contrast=0.3 saturation=0.3 trivial-augment",
    "mixup=1 unmixed=0.2", "flip shift=2 cutout=3 cutmix=0.2"};

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

/* The images on the device against batches that are sent there, from the beginning and
 * from a checkpoint of the other; the trainer keeps the images. Each slot of the ring is
 * used twice. */
static void check_streamed(void)
{
    enum { HALF = 9, ALL = 70, BATCH = 30 };
    const char *half = path_of("half"), *whole = path_of("whole"),
               *sent = path_of("sent");
    for (size_t i = 0; i < sizeof(every) / sizeof(*every) + 1; i++) {
        const char *augment = i ? every[i - 1] : "none";
        struct weft_progress p;
        struct weft_trainer_info info;
        weft_dataset *data = make_data(200);
        weft_trainer *trainer = start(data, augment, BATCH);
        weft_trainer_info(trainer, &info);
        CHECK(!info.streamed);
        CHECK_OK(weft_trainer_run(trainer, HALF));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, half, NULL));
        CHECK_OK(weft_trainer_run(trainer, ALL - HALF));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, whole, NULL));
        weft_trainer_destroy(&trainer);
        trainer = start_with(data, augment, BATCH, true);
        weft_trainer_info(trainer, &info);
        CHECK(info.streamed);
        weft_dataset_destroy(&data);
        CHECK_OK(weft_trainer_run(trainer, ALL));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, sent, NULL));
        CHECK(same_files(whole, sent));
        CHECK_OK(weft_trainer_load_checkpoint(trainer, half));
        CHECK_OK(weft_trainer_run(trainer, ALL - HALF));
        CHECK_OK(weft_trainer_progress(trainer, &p));
        CHECK_INT(p.step, ALL);
        CHECK(p.stall_seconds >= 0 && p.stall_seconds < 60);
        CHECK_OK(weft_trainer_save_checkpoint(trainer, sent, NULL));
        CHECK(same_files(whole, sent));
        weft_trainer_destroy(&trainer);
    }
}

/* Each image once; flipped, and black or mean where they are moved or erased. */
static void check_preview(const weft_dataset *data)
{
    enum { SIZE = SIDE * SIDE };
    const struct weft_augment a = resolve("flip shift=2 border=zeros cutout=4", SIDE);
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    uint8_t *pixels = malloc((size_t)info.count * SIZE), seen[1000] = {0};
    struct weft_preview_image *images = malloc((size_t)info.count * sizeof(*images));
    REQUIRE(pixels && images);
    CHECK_OK(weft_preview(
        data,
        weft_preview_params(.augment = "flip shift=2 border=zeros cutout=4",
                            .seed = 11 + (12ull << 32), .epoch = 2, .count = info.count),
        pixels, images));
    for (int i = 0; i < info.count; i++) {
        int index = images[i].index;
        const struct weft_augment_draw d = draw_of(&a, SIDE, (unsigned)index, 2);
        CHECK(!seen[index]++);
        for (int at = 0; at < SIZE; at++) {
            int y = at / SIDE, x = at % SIDE, from_y = y + d.dy;
            int from_x = (d.flip ? SIDE - 1 - x : x) + d.dx, want = 0;
            if (y >= d.top && y < d.bottom && x >= d.left && x < d.right)
                want = (int)lrint(255 * info.mean[0]);
            else if (from_y >= 0 && from_y < SIDE && from_x >= 0 && from_x < SIDE)
                want = info.pixels[index * SIZE + from_y * SIDE + from_x];
            CHECK(pixels[i * SIZE + at] == want);
        }
    }
    CHECK_FAILS(weft_preview(data, weft_preview_params(.first = 1, .count = info.count),
                             pixels, NULL),
                WEFT_ERR_ARG, "images of an epoch");
    free(pixels);
    free(images);
}

static void check_messages(const weft_dataset *data)
{
    static const struct {
        const char *augment, *message;
    } wrong[] = {
        {"", "needs words or options"},
        {"flipp", "has no \"flipp\""},
        {"cutuot 3", "; did you mean cutout?"},
        {"flip alternating-flip", "one too many"},
        {"shift=-1", "shift is -1"},
        {"border=mirror", "choose from reflect, zeros"},
        {"shift=1 border=reflekt", "; did you mean reflect?"},
        {"erase=1.5", "erase is 1.5"},
        {"rotate=181", "rotate is 181"},
        {"scale=0.6", "scale is 0.6"},
        {"cutout=4 erase=1", "leave out one"},
        {"mixup=1 cutmix=1", "leave out one"},
        {"flip unmixed=0.5", "add one of them"},
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
        {"flip unmixed=0.5 cutmix=1", "flip cutmix=1 unmixed=0.5"},
        {"rotate=15 trivial-augment crop=0.08", "trivial-augment crop=0.08 rotate=15"},
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
    check_training(data);
    check_resumed(data);
    check_streamed();
    check_preview(data);
    check_messages(data);
    check_net();
    weft_dataset_destroy(&data);
    return close_device();
}
