/* SPDX-License-Identifier: Apache-2.0 */
/* Training on the features of frozen layers that are computed once and kept in files.
 *
 * usage: test_features [-d SELECTOR] [-f vec|tile] */
#include "unit/moved_weights.h"
#include "unit/trainer_fixture.h"

#include "train/trainer.h"

#include <math.h>

static const char network[] = "conv 6 3x3 frozen=yes\nmax-pool 2\n"
                              "batch-norm relu frozen=yes\n"
                              "conv 8 3x3 relu pad=same\nflatten\ndense 4\nsoftmax\n"
                              "batch 40\noptimizer sgd 0.1\nschedule linear\n";

static weft_trainer *make_on_features(const char *text, const weft_dataset *data,
                                      const char *augment, bool keep)
{
    weft_trainer *t = NULL;
    weft_net *net = make_net(text);
    CHECK_OK(weft_trainer_create(device, net, data,
                                 weft_train_params(.seed = 4, .keep_features = keep,
                                                   .epochs = 4, .augment = augment,
                                                   .features_dir = path_of("features")),
                                 &t));
    REQUIRE(t);
    weft_net_destroy(&net);
    return t;
}

/* Losses before a training of 7 steps, and the weights after it. `way`: that of
 * move_weights; the first move is taken from the last weights again. */
static float *train_on_features(weft_trainer *t, const weft_dataset *const data[2],
                                int way, double losses[2])
{
    CHECK_OK(move_trainer_weights(t, 0));
    float *start = read_weights(t);
    CHECK_OK(move_trainer_weights(t, way));
    float *moved = read_weights(t);
    for (int i = 0; i < 2; i++) {
        struct weft_eval eval = {0};
        CHECK_OK(weft_trainer_evaluate(t, data[i], NULL, &eval));
        losses[i] = eval.loss;
    }
    CHECK_OK(weft_trainer_run(t, 7));
    float *weights = read_weights(t);
    for (size_t i = 0; i < weft_graph_floats(&t->net->graph); i++)
        weights[i] -= moved[i] - start[i];
    free(start);
    free(moved);
    return weights;
}

/* Both train the same layers on the same images in the same order: losses and weights are
 * no further apart than where the weights are moved. */
static void compare_training(const weft_dataset *data, weft_trainer *kept,
                             weft_trainer *plain)
{
    weft_dataset *other = make_data(150);
    const weft_dataset *const both[] = {other, data};
    double losses[2], want_losses[2], off[2] = {0};
    float *moved[MOVED_RUNS];
    float *got = train_on_features(kept, both, 0, losses);
    float *want = train_on_features(plain, both, 0, want_losses);
    for (int k = 0; k < MOVED_RUNS; k++) {
        double moved_losses[2];
        weft_trainer *t = make_on_features(network, data, NULL, false);
        moved[k] = train_on_features(t, both, k + 1, moved_losses);
        for (int i = 0; i < 2; i++)
            off[i] = fmax(off[i], fabs(moved_losses[i] - want_losses[i]));
        weft_trainer_destroy(&t);
    }
    for (int i = 0; i < 2; i++)
        CHECK_NEAR(losses[i], want_losses[i], off[i]);
    CHECK(largest_moved_share(&plain->net->graph, got, want, moved) <= 1);
    for (int k = 0; k < MOVED_RUNS; k++)
        free(moved[k]);
    free(got);
    free(want);
    weft_dataset_destroy(&other);
}

/* A step on features is one without the frozen layers; those of other images, and of the
 * next trainer, are the same. */
static void test_features(const weft_dataset *data)
{
    weft_trainer *plain = make_on_features(network, data, NULL, false);
    weft_trainer *kept = make_on_features(network, data, NULL, true);
    struct weft_trainer_info info;
    weft_trainer_info(kept, &info);
    CHECK_INT(info.features, 5 * 5 * 6);
    CHECK(!info.streamed && !*info.features_note);
    CHECK_INT(kept->plan->graph.count, plain->plan->graph.count - 4);
    compare_training(data, kept, plain);
    struct weft_progress p, q;
    CHECK_OK(weft_trainer_progress(kept, &p));
    CHECK_OK(weft_trainer_progress(plain, &q));
    CHECK(p.learning_rate == q.learning_rate && p.learning_rate < 0.1f);
    weft_trainer_destroy(&plain);

    /* Damaged files are made again. */
    char command[400];
    snprintf(command, sizeof(command),
             "cd '%s' && test $(ls | grep -c 'features$') = 2 && for f in *; do "
             "seq 99999 | dd of=$f bs=1 seek=200 count=4000 conv=notrunc; done "
             "2>/dev/null",
             path_of("features"));
    CHECK(!system(command));
    CHECK_OK(weft_trainer_save_checkpoint(kept, path_of("kept"), NULL));
    weft_trainer *again = make_on_features(network, data, NULL, true);
    CHECK_OK(weft_trainer_load_checkpoint(again, path_of("kept")));
    CHECK_OK(weft_trainer_run(again, 3));
    CHECK_OK(weft_trainer_run(kept, 3));
    CHECK_OK(weft_trainer_save_checkpoint(kept, path_of("kept"), NULL));
    CHECK_OK(weft_trainer_save_checkpoint(again, path_of("again"), NULL));
    CHECK(same_files(path_of("kept"), path_of("again")));
    weft_trainer_destroy(&kept);
    weft_trainer_destroy(&again);

    weft_trainer *whitened = make_on_features(
        "conv 8 2x2 init=whiten relu frozen=yes\nflatten\ndense 4\nsoftmax\n", data, NULL,
        true);
    weft_trainer_info(whitened, &info);
    CHECK(!info.features && !*info.features_note);
    weft_trainer_destroy(&whitened);

    weft_trainer *augmented = make_on_features(network, data, "flip", true);
    weft_trainer_info(augmented, &info);
    CHECK(!info.features && strstr(info.features_note, "augmentation"));
    weft_trainer_destroy(&augmented);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    test_features(data);
    weft_dataset_destroy(&data);
    return close_device();
}
