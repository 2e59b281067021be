/* SPDX-License-Identifier: Apache-2.0 */
/* Training through the door: the same bits every time, also after a stop; fused as plain;
 * every device as the reference; golden losses; and files that must be refused.
 *
 * usage: test_train [-d SELECTOR] [-f vec|tile] [--save-golden DIR] */
#include "unit/test.h"

#include <weft/weft.h>

#include <math.h>
#include <unistd.h>

static weft_context *ctx;
static weft_device *device;
static char folder[] = "/tmp/weft-test-train-XXXXXX";

/* A network that has every op, and one more for each optimizer. */
static const char every_op[] = "conv 6 3x3 relu\n"
                               "max-pool 2\n"
                               "conv 16 3x2 leaky-relu pad=same groups=2 slope=0.1 as=a\n"
                               "conv 16 3 relu pad=same\n"
                               "avg-pool 3 stride=1 pad=1\n"
                               "add a leaky-relu\n"
                               "conv 8 2 gelu stride=2 dilation=1x2\n"
                               "dropout 0.1\n"
                               "conv 5 1 bias=no\n"
                               "batch-norm silu momentum=0.3\n"
                               "tanh\n"
                               "flatten\n"
                               "dense 24 sigmoid init=glorot\n"
                               "dense 4 init=uniform\n"
                               "softmax\n"
                               "optimizer adamw 5e-3 decay=0.01\n"
                               "batch 20\n";

/* The networks of tests/unit/golden_losses.py, and the first losses that PyTorch finds
 * for them in double precision from the same weights and images. */
static const struct {
    const char *text;
    double losses[10];
    double evaluated; /* the loss over all images after these steps */
} golden[] = {
    {"conv 6 3x3 relu\n"
     "max-pool 2\n"
     "conv 8 3x3 tanh pad=same\n"
     "max-pool 2\n"
     "flatten\n"
     "dense 16 sigmoid\n"
     "dense 4\n"
     "softmax\n"
     "optimizer adam 3e-3\n"
     "batch 16\n",
     {1.387867671, 1.311825918, 1.465377723, 1.336989912, 1.342283205, 1.373271496,
      1.361691770, 1.344353969, 1.308862922, 1.336370485},
     1.299870610},
    {"conv 6 3x3 gelu stride=2 pad=1\n"
     "conv 9 2x3 silu groups=3 dilation=1x2\n"
     "flatten\n"
     "dense 12 leaky-relu slope=0.05\n"
     "dense 4\n"
     "softmax\n"
     "loss smoothing=0.1\n"
     "optimizer sgd 5e-2 momentum=0.8 nesterov=yes decay=1e-3\n"
     "batch 16\n",
     {1.559972283, 1.275083437, 1.347483278, 1.100205925, 1.067044904, 1.053816359,
      1.184480095, 0.991631149, 0.914072204, 1.081754750},
     0.795132053},
    {"conv 6 3x3 bias=no\n"
     "max-pool 2\n"
     "batch-norm gelu\n"
     "conv 8 3x3 pad=same bias=no\n"
     "batch-norm gelu momentum=0.2 epsilon=1e-3\n"
     "conv 8 2x2\n"
     "batch-norm\n"
     "flatten\n"
     "dense 12\n"
     "batch-norm relu\n"
     "dense 4\n"
     "softmax\n"
     "optimizer sgd 1e-1 nesterov=yes decay=1e-3\n"
     "batch 16\n",
     {1.520933420, 1.020607611, 1.058263407, 0.746278809, 0.592864798, 0.454470666,
      0.360908116, 0.440133730, 0.186982536, 0.126034125},
     0.322557230},
    {"conv 6 3x3 pad=same as=a\n"
     "conv 6 3x3 relu pad=same\n"
     "conv 6 3x3 pad=same\n"
     "add a relu\n"
     "avg-pool 3x2 stride=2 pad=1\n"
     "conv 8 3x3 tanh as=b\n"
     "avg-pool 3 stride=1 pad=same\n"
     "add b\n"
     "conv 12 2x3 tanh\n"
     "global-max-pool\n"
     "dense 4\n"
     "softmax\n"
     "optimizer sgd 3e-2 nesterov=yes\n"
     "batch 16\n",
     {1.126614504, 1.072733090, 1.096908494, 1.006108203, 0.769877124, 0.753287418,
      0.628096135, 0.596893048, 0.417695674, 0.422576643},
     0.360035531},
};

enum { SIDE = 12, CLASSES = 4 };

/* Images that can be told apart, by a rule that any language can repeat. */
static weft_dataset *make_data(int count)
{
    static const char *const names[] = {"none", "rows", "columns", "checks"};
    uint8_t *pixels = malloc((size_t)count * SIDE * SIDE);
    int32_t *labels = malloc((size_t)count * sizeof(*labels));
    REQUIRE(pixels && labels);
    for (int i = 0; i < count; i++) {
        labels[i] = i * 7 % CLASSES;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int stripe = (labels[i] & 1 ? y + i : 0) + (labels[i] & 2 ? x + i : 0);
                int noise = (i * 37 + y * 11 + x * 7 + i * y * x * 5) % 97;
                pixels[((size_t)i * SIDE + (size_t)y) * SIDE + (size_t)x] =
                    (uint8_t)(noise + stripe % 3 * 70);
            }
    }
    weft_dataset *data = NULL;
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = count, .height = SIDE, .width = SIDE, .channels = 1,
                            .classes = CLASSES, .pixels = pixels, .labels = labels,
                            .class_names = names),
        &data));
    REQUIRE(data);
    free(pixels);
    free(labels);
    return data;
}

static weft_net *make_net(const char *text)
{
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(
        ctx, text,
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1, .classes = CLASSES),
        &net));
    REQUIRE(net);
    return net;
}

static weft_trainer *make_trainer(weft_device *on, const char *text,
                                  const weft_dataset *data, uint64_t seed, bool plain)
{
    weft_net *net = make_net(text);
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_trainer_create(
        on, net, data, weft_train_params(.seed = seed, .no_fusion = plain), &trainer));
    REQUIRE(trainer);
    weft_net_destroy(&net);
    return trainer;
}

/* The path of a file of this test; the same text for the same name. */
static const char *path_of(const char *name)
{
    static char paths[16][256];
    char path[sizeof(paths[0])];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    size_t i = 0;
    while (paths[i][0] && strcmp(paths[i], path) != 0)
        i++;
    return strcpy(paths[i], path);
}

/* A whole file; `size` its length. To be freed. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    REQUIRE(bytes && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
}

static bool same_files(const char *left, const char *right)
{
    size_t a_size, b_size;
    uint8_t *a = read_file(left, &a_size), *b = read_file(right, &b_size);
    bool same = a_size == b_size && !memcmp(a, b, a_size);
    free(a);
    free(b);
    return same;
}

/* Trains and saves, with a stop after `stop` steps if that is not 0. */
static void train_to(const weft_dataset *data, uint64_t seed, int stop, int steps,
                     const char *path)
{
    weft_trainer *trainer = make_trainer(device, every_op, data, seed, false);
    if (stop) {
        CHECK_OK(weft_trainer_run(trainer, stop));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of("stopped"), NULL));
        weft_trainer_destroy(&trainer);
        trainer = make_trainer(device, every_op, data, seed, false);
        CHECK_OK(weft_trainer_load_checkpoint(trainer, path_of("stopped")));
    }
    CHECK_OK(weft_trainer_run(trainer, steps - stop));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
    weft_trainer_destroy(&trainer);
}

static void check_same_bits(const weft_dataset *data)
{
    const char *whole = path_of("whole"), *again = path_of("again");
    train_to(data, 1, 0, 25, whole);
    train_to(data, 1, 0, 25, again);
    CHECK(same_files(whole, again));
    train_to(data, 1, 13, 25, again);
    CHECK(same_files(whole, again));
    train_to(data, 1, 20, 25, again);
    CHECK(same_files(whole, again));
    train_to(data, 2, 0, 25, again);
    CHECK(!same_files(whole, again));
}

static void run_losses(weft_device *on, const char *text, const weft_dataset *data,
                       bool plain, int steps, double *losses, struct weft_eval *eval)
{
    weft_trainer *trainer = make_trainer(on, text, data, 7, plain);
    for (int i = 0; i < steps; i++) {
        struct weft_progress progress;
        CHECK_OK(weft_trainer_run(trainer, 1));
        CHECK_OK(weft_trainer_progress(trainer, &progress));
        CHECK_INT(progress.step, i + 1);
        losses[i] = progress.last_loss;
    }
    if (eval)
        CHECK_OK(weft_trainer_evaluate(trainer, data, NULL, eval));
    weft_trainer_destroy(&trainer);
}

static void compare_losses(const char *what, const double *got, const double *want,
                           int steps, double tolerance)
{
    for (int i = 0; i < steps; i++) {
        test_checks++;
        if (!(fabs(got[i] - want[i]) <= tolerance * fabs(want[i])))
            TEST_FAIL("%s: loss of step %d is %.9g, should be %.9g", what, i, got[i],
                      want[i]);
    }
}

static void check_losses(const weft_dataset *data)
{
    enum { STEPS = 12 };
    double fused[STEPS], plain[STEPS], reference[STEPS];
    weft_device *cpu = NULL;
    int index;
    CHECK_OK(weft_device_find(ctx, "cpu", &index, NULL));
    CHECK_OK(weft_device_open(ctx, index, NULL, &cpu));
    REQUIRE(cpu);
    run_losses(device, every_op, data, false, STEPS, fused, NULL);
    run_losses(device, every_op, data, true, STEPS, plain, NULL);
    run_losses(cpu, every_op, data, true, STEPS, reference, NULL);
    compare_losses("fused against plain", fused, plain, STEPS, 1e-4);
    compare_losses("device against reference", fused, reference, STEPS, 1e-4);
    weft_device_close(&cpu);
    for (size_t i = 0; i < sizeof(golden) / sizeof(*golden); i++) {
        double losses[10];
        char what[32];
        snprintf(what, sizeof(what), "golden run %zu", i + 1);
        struct weft_eval eval = {0};
        run_losses(device, golden[i].text, data, false, 10, losses, &eval);
        compare_losses(what, losses, golden[i].losses, 10, 2e-5);
        CHECK_NEAR(eval.loss, golden[i].evaluated, 2e-5 * golden[i].evaluated);
    }
}

/* What was trained must have learned, and must be the same from a file. */
static void check_model(const weft_dataset *data)
{
    weft_trainer *trainer = make_trainer(device, every_op, data, 3, false);
    int64_t confusion[CLASSES * CLASSES], right = 0;
    struct weft_eval before, trained, loaded;
    const char *path = path_of("model");
    CHECK_OK(weft_trainer_evaluate(trainer, data, NULL, &before));
    CHECK_OK(weft_trainer_run(trainer, 400));
    CHECK_OK(weft_trainer_evaluate(trainer, data, NULL, &trained));
    CHECK(trained.accuracy > 0.95 && trained.accuracy > before.accuracy + 0.3);
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path,
                                          (const char *const[]){"note", "kept", NULL}));
    weft_trainer_destroy(&trainer);

    weft_model *model = NULL;
    weft_predictor *predictor = NULL;
    struct weft_model_info info;
    REQUIRE(!weft_model_load(ctx, path, &model));
    weft_model_info(model, &info);
    CHECK_INT(info.step, 400);
    CHECK_TEXT(info.class_names[3], "checks");
    CHECK_TEXT(weft_model_metadata(model, "note"), "kept");
    REQUIRE(!weft_predictor_create(device, model, weft_predictor_params(.batch = 256),
                                   &predictor));
    CHECK_OK(weft_predictor_evaluate(predictor, data, confusion, &loaded));
    CHECK_INT(loaded.correct, trained.correct);
    for (int c = 0; c < CLASSES; c++)
        right += confusion[c * CLASSES + c];
    CHECK_INT(right, loaded.correct);
    CHECK(loaded.loss == trained.loss);
    weft_predictor_destroy(&predictor);

    /* In pieces of another size than the images come in, and whoever serves: the same
     * answers. */
    float all[50][CLASSES], one[50][CLASSES];
    CHECK_OK(weft_predictor_create(device, model, weft_predictor_params(.batch = 16),
                                   &predictor));
    CHECK_OK(weft_predictor_run(predictor, test_pixels(data), 50, all[0]));
    weft_predictor_destroy(&predictor);
    CHECK_OK(weft_predictor_create(
        device, model, weft_predictor_params(.autoselect_backend = true), &predictor));
    CHECK_OK(weft_predictor_run(predictor, test_pixels(data), 50, one[0]));
    weft_predictor_destroy(&predictor);
    for (int i = 0; i < 50; i++) {
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            CHECK_NEAR(all[i][c], one[i][c], 1e-5);
            sum += all[i][c];
        }
        CHECK_NEAR(sum, 1.0, 1e-5);
    }
    weft_model_destroy(&model);
}

static void check_refusals(const weft_dataset *data)
{
    weft_trainer *trainer = make_trainer(device, every_op, data, 1, false);
    weft_trainer *other = make_trainer(device, every_op, data, 2, false);
    const char *path = path_of("checkpoint"), *bad = path_of("bad");
    weft_model *model = NULL;
    size_t size;
    CHECK_OK(weft_trainer_run(trainer, 3));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
    CHECK_FAILS(weft_trainer_load_checkpoint(other, path), WEFT_ERR_FORMAT,
                "the same seed");
    CHECK_FAILS(weft_trainer_load_checkpoint(trainer, path_of("nowhere")), WEFT_ERR_FILE,
                "nowhere");
    CHECK_FAILS(weft_model_load(ctx, path_of("nowhere"), &model), WEFT_ERR_FILE,
                "nowhere");
    CHECK_FAILS(weft_trainer_save_checkpoint(trainer, path_of("no/where"), NULL),
                WEFT_ERR_FILE, "where");

    uint8_t *bytes = read_file(path, &size);
    size_t header = 0;
    for (int i = 8; i-- > 0;)
        header = header << 8 | bytes[i];
    int accepted = 0;
    for (size_t cut = 0; cut < size; cut += 1 + size / 101) {
        write_file(bad, bytes, cut);
        accepted += weft_model_load(ctx, bad, &model) == WEFT_OK;
        weft_model_destroy(&model);
    }
    CHECK_INT(accepted, 0);
    /* A flipped bit in the header is refused, or is in a note, or in a name of the
     * optimizer's. */
    for (size_t at = 0; at < header + 8; at += 1 + header / 301) {
        bytes[at] ^= 1 << at % 8;
        write_file(bad, bytes, size);
        if (!weft_model_load(ctx, bad, &model))
            weft_model_destroy(&model);
        bytes[at] ^= 1 << at % 8;
    }
    /* A name that would command a terminal. */
    int hostile = 0;
    for (size_t at = 8; at < header; at++)
        if (!memcmp(bytes + at, "checks", 6)) {
            bytes[at] = 0x7f;
            write_file(bad, bytes, size);
            CHECK_FAILS(weft_model_load(ctx, bad, &model), WEFT_ERR_FORMAT,
                        "no valid note \"data.classes\"");
            bytes[at] = 'c';
            hostile++;
        }
    CHECK_INT(hostile, 1);
    memset(bytes + header + 8, 0xff, 4); /* a NaN */
    write_file(bad, bytes, size);
    CHECK_FAILS(weft_trainer_load_checkpoint(trainer, bad), WEFT_ERR_FORMAT,
                "not finite");
    CHECK_OK(weft_model_load(ctx, bad, &model));
    weft_model_destroy(&model);
    free(bytes);
    weft_trainer_destroy(&trainer);
    weft_trainer_destroy(&other);
}

static void check_shape_mismatches(const weft_dataset *data)
{
    weft_trainer *trainer = NULL;
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(ctx, "flatten\ndense 4\nsoftmax\n",
                             weft_net_params(.height = 3, .width = 3, .channels = 1),
                             &net));
    CHECK_FAILS(weft_trainer_create(device, net, data, NULL, &trainer), WEFT_ERR_ARG,
                "do not fit network");
    weft_net_destroy(&net);
    CHECK_OK(weft_net_create(
        ctx, "flatten\ndense 5\nsoftmax\n",
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net));
    CHECK_FAILS(weft_trainer_create(device, net, data, NULL, &trainer), WEFT_ERR_ARG,
                "4 classes, but network network has 5 outputs");
    weft_net_destroy(&net);
    CHECK(!trainer);
}

/* More steps than the device remembers, without asking in between. */
static void check_long_run(const weft_dataset *data)
{
    weft_trainer *trainer =
        make_trainer(device, "flatten\ndense 4\nsoftmax\nbatch 10\n", data, 1, false);
    struct weft_progress progress;
    CHECK_OK(weft_trainer_run(trainer, 2500));
    CHECK_OK(weft_trainer_progress(trainer, &progress));
    CHECK_INT(progress.step, 2500);
    CHECK_INT(progress.steps_per_epoch, 20);
    CHECK_INT(progress.epoch, 125);
    CHECK_INT(progress.samples, 200);
    CHECK(progress.correct > 100);
    weft_trainer_destroy(&trainer);
}

/* Files for tests/unit/golden_losses.py: the first weights of the golden networks. */
static void save_golden(const weft_dataset *data, const char *to)
{
    for (size_t i = 0; i < sizeof(golden) / sizeof(*golden); i++) {
        char path[512];
        weft_trainer *trainer = make_trainer(device, golden[i].text, data, 7, false);
        snprintf(path, sizeof(path), "%s/golden%zu.safetensors", to, i + 1);
        CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
        weft_trainer_destroy(&trainer);
    }
}

static void check_all(const weft_dataset *data)
{
    check_same_bits(data);
    check_losses(data);
    check_model(data);
    check_refusals(data);
    check_shape_mismatches(data);
    check_long_run(data);
}

static void open_device(const char *selector, const char *family)
{
    int index;
    if (weft_device_find(ctx, selector, &index, NULL))
        test_skip(weft_error(ctx));
    CHECK_OK(weft_device_open(
        ctx, index,
        weft_device_params(.family = !strcmp(family, "tile")  ? WEFT_FAMILY_TILE
                                     : !strcmp(family, "vec") ? WEFT_FAMILY_VEC
                                                              : WEFT_FAMILY_AUTO),
        &device));
    REQUIRE(device);
}

int main(int argc, char **argv)
{
    const char *selector = "cpu", *family = "", *golden_to = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "-d"))
            selector = argv[i + 1];
        else if (!strcmp(argv[i], "-f"))
            family = argv[i + 1];
        else if (!strcmp(argv[i], "--save-golden"))
            golden_to = argv[i + 1];
    }
    if (weft_context_create(&ctx,
                            weft_context_params(.no_opencl = !strcmp(selector, "cpu"))))
        return 1;
    test_context = ctx;
    REQUIRE(mkdtemp(folder));
    open_device(selector, family);
    weft_dataset *data = make_data(200);
    if (golden_to)
        save_golden(data, golden_to);
    else
        check_all(data);
    weft_dataset_destroy(&data);
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    char remove[300];
    snprintf(remove, sizeof(remove), "rm -r '%s'", folder);
    CHECK(!system(remove));
    return test_end();
}
