/* SPDX-License-Identifier: Apache-2.0 */
/* Models and checkpoints: saved and loaded results agree, damaged files are rejected.
 *
 * usage: test_checkpoint [-d SELECTOR] [-f vec|tile] */
#include "model/model.h"
#include "unit/moved_weights.h"
#include "unit/trainer_fixture.h"
#include "verify/softmax_bound.h"

#include <math.h>

enum { IMAGES = 50 };

static void predict(const weft_model *model, const struct weft_predictor_params *params,
                    const weft_dataset *data, float out[IMAGES][CLASSES])
{
    weft_predictor *predictor = NULL;
    CHECK_OK(weft_predictor_create(device, model, params, &predictor));
    CHECK_OK(weft_predictor_run(predictor, test_pixels(data), IMAGES, out[0]));
    weft_predictor_destroy(&predictor);
}

/* Sets the largest move of each image's probabilities with the weights. */
static void move_model(weft_model *model, const struct weft_predictor_params *params,
                       const weft_dataset *data, float right[IMAGES][CLASSES],
                       double off[IMAGES])
{
    const struct weft_graph *graph = &model->net->graph;
    size_t bytes = weft_graph_floats(graph) * sizeof(float);
    float *kept = malloc(bytes), moved[IMAGES][CLASSES];
    REQUIRE(kept);
    memcpy(kept, model->weights, bytes);
    for (int way = 1; way <= MOVED_RUNS; way++) {
        move_weights(graph, model->weights, way);
        predict(model, params, data, moved);
        memcpy(model->weights, kept, bytes);
        for (int i = 0; i < IMAGES; i++)
            for (int c = 0; c < CLASSES; c++)
                off[i] = fmax(off[i], fabs((double)moved[i][c] - (double)right[i][c]));
    }
    free(kept);
}

/* The batch size and the selected backend change the predictions by rounding alone. */
static void check_predictions(weft_model *model, const weft_dataset *data,
                              const struct weft_prediction *evaluated)
{
    const struct weft_predictor_params *batch = weft_predictor_params(.batch = 16);
    float all[IMAGES][CLASSES], one[IMAGES][CLASSES];
    double off[IMAGES] = {0};
    predict(model, batch, data, all);
    predict(model, weft_predictor_params(.autoselect_backend = true), data, one);
    move_model(model, batch, data, all, off);
    for (int i = 0; i < IMAGES; i++) {
        double sum = 0, bound = 0, named = (double)evaluated[i].probability;
        for (int c = 0; c < CLASSES; c++) {
            double p = (double)all[i][c];
            double own = softmax_probability_bound(p, p > 0 ? -log(p) : 0, CLASSES);
            CHECK_NEAR(p, (double)one[i][c], off[i] + 2 * own);
            CHECK(p <= named + off[i] + 2 * own);
            if (c == evaluated[i].label)
                CHECK_NEAR(named, p, off[i] + 2 * own);
            sum += p;
            bound += own;
        }
        CHECK_NEAR(sum, 1.0, bound);
    }
}

/* Training reaches a high accuracy, and the saved model gives the same results. */
static void check_model(const weft_dataset *data)
{
    weft_trainer *trainer = make_trainer(device, every_op, data, 3, false);
    int64_t right = 0;
    struct weft_prediction predictions[200];
    struct weft_dataset_info images;
    weft_dataset_info(data, &images);
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
    CHECK(info.preprocess->fit == WEFT_FIT_CROP && info.preprocess->trim &&
          info.preprocess->invert == WEFT_INVERT_AUTO);
    REQUIRE(!weft_predictor_create(device, model, weft_predictor_params(.batch = 256),
                                   &predictor));
    CHECK_OK(weft_predictor_evaluate(predictor, data, predictions, &loaded));
    CHECK_INT(loaded.correct, trained.correct);
    for (int i = 0; i < images.count; i++)
        right += predictions[i].label == images.labels[i];
    CHECK_INT(right, loaded.correct);
    CHECK(loaded.loss == trained.loss);
    weft_predictor_destroy(&predictor);
    check_predictions(model, data, predictions);
    weft_model_destroy(&model);
}

static void check_rejected_files(const weft_dataset *data)
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
    CHECK_FAILS(weft_trainer_save_checkpoint(
                    trainer, path, (const char *const[]){"a", "1", "a", "2", NULL}),
                WEFT_ERR_ARG, "each name its own");
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
    /* A flipped bit in the header is rejected, or is in the metadata or in the name of an
     * optimizer tensor. */
    for (size_t at = 0; at < header + 8; at += 1 + header / 301) {
        bytes[at] ^= 1 << at % 8;
        write_file(bad, bytes, size);
        if (!weft_model_load(ctx, bad, &model))
            weft_model_destroy(&model);
        bytes[at] ^= 1 << at % 8;
    }
    /* From here on a file of another program, without a checksum. */
    int hostile = 0;
    for (size_t at = 8; at < header; at++)
        if (!memcmp(bytes + at, "\"weft.", 6))
            bytes[at + 1] = 'x';
    /* A class name with a control character. */
    for (size_t at = 8; at < header; at++)
        if (!memcmp(bytes + at, "checks\\", 7)) {
            bytes[at] = 0x7f;
            write_file(bad, bytes, size);
            CHECK_FAILS(weft_model_load(ctx, bad, &model), WEFT_ERR_FORMAT,
                        "no valid metadata \"data.classes\"");
            bytes[at] = 'c';
            hostile++;
        }
    CHECK_INT(hostile, 1);
    memset(bytes + header + 8, 0xff, 4); /* a NaN */
    write_file(bad, bytes, size);
    CHECK_FAILS(weft_trainer_load_checkpoint(trainer, bad), WEFT_ERR_FORMAT,
                "non-finite");
    CHECK_OK(weft_model_load(ctx, bad, &model));
    weft_model_destroy(&model);
    free(bytes);
    weft_trainer_destroy(&trainer);
    weft_trainer_destroy(&other);
}

static void write_byte(const char *path, size_t at, uint8_t byte)
{
    FILE *file = fopen(path, "r+b");
    REQUIRE(file && !fseek(file, (long)at, SEEK_SET) && fputc(byte, file) == byte &&
            !fclose(file));
}

/* Each single-bit flip of a file is noticed, by its structure or its checksum. */
static void check_flips(const weft_dataset *data)
{
    weft_trainer *trainer =
        make_trainer(device, "avg-pool 6\nflatten\ndense 4\nsoftmax\noptimizer sgd 0.1",
                     data, 1, false);
    const char *path = path_of("small"), *bad = path_of("bad");
    weft_model *model = NULL;
    size_t size, accepted = 0, changed = 0;
    CHECK_OK(weft_trainer_run(trainer, 3));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path,
                                          (const char *const[]){"note", "kept", NULL}));
    uint8_t *bytes = read_file(path, &size);
    write_file(bad, bytes, size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        write_byte(bad, bit / 8, (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8));
        if (!weft_model_load(ctx, bad, &model))
            accepted++;
        weft_model_destroy(&model);
        write_byte(bad, bit / 8, bytes[bit / 8]);
    }
    CHECK_INT(accepted, 0);
    CHECK(size > 500);

    /* A context that accepts damaged files loads those whose structure is valid, with a
     * warning, and refuses the others. */
    weft_context *lenient = NULL;
    CHECK_OK(weft_context_create(
        &lenient, weft_context_params(.no_opencl = true, .accept_damaged = true)));
    for (size_t byte = size - 32; byte < size; byte++) {
        write_byte(bad, byte, bytes[byte] ^ 1);
        CHECK_FAILS(weft_model_load(ctx, bad, &model), WEFT_ERR_FORMAT, "damaged");
        CHECK_FAILS(weft_trainer_load_checkpoint(trainer, bad), WEFT_ERR_FORMAT,
                    "damaged");
        changed += !weft_model_load(lenient, bad, &model);
        weft_model_destroy(&model);
        write_byte(bad, byte, bytes[byte]);
    }
    CHECK_INT(changed, 32);
    weft_context_destroy(&lenient);
    CHECK_OK(weft_trainer_load_checkpoint(trainer, path));
    free(bytes);
    weft_trainer_destroy(&trainer);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    check_model(data);
    check_rejected_files(data);
    check_flips(data);
    weft_dataset_destroy(&data);
    return close_device();
}
