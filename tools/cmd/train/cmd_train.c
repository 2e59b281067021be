/* SPDX-License-Identifier: Apache-2.0 */
/* weft train: trains a network from scratch, or resumes from a checkpoint. */
#include "train/train.h"
#include "core/preprocess.h"
#include "core/tta.h"

const struct args_option train_option_table[] = {
    {.name = "data",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, data),
     .value = "SPEC",
     .help = "dataset: fashion-mnist (the default), a folder or a file; see `weft help "
             "data`"},
    {.name = "net",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, net),
     .value = "NET",
     .help = "a built-in network (small, small-64, fast, medium, wide, resnet9, "
             "resnet20, mobile, lite0), resnet20-x2 with twice "
             "the filters, or a file; default small"},
    {.name = "from",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, from),
     .value = "MODEL",
     .help = "begin with the weights of a model, where the networks have layers of the "
             "same name and shape; without --net its network, with a last layer for the "
             "classes of the data"},
    {.name = "freeze",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, freeze),
     .value = "LAYER",
     .help = "with --from: keep the layers up to this one as they are, the others are "
             "trained; `backbone`: all before the last dense layer, `norms`: batch "
             "normalizations; without augmentation they run once for each "
             "image"},
    {.name = "layer-rates",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, layer_rates),
     .value = "\"LAYER=F ...\"",
     .help =
         "factors of the learning rate: F for the layers up to LAYER, from the one of "
         "the factor before on, as in \"conv3=0.01 backbone=0.1\"; 1 for those "
         "behind; `backbone` is all before the last dense layer"},
    {.name = "input",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, input),
     .value = "HxWxC",
     .help = "size of the input that image files are made; default: that of the "
             "network's input line, else that of all images, else 64x64x3"},
    {.name = "epochs",
     .letter = 'e',
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, epochs),
     .value = "N",
     .help = "passes over the training images; default 10, or what fits into "
             "--time-limit",
     .min = 1,
     .max = 1000000},
    {.name = "batch",
     .letter = 'b',
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, batch),
     .value = "N",
     .help = "images per step; default: the network's, else 128",
     .min = 1,
     .max = 1 << 20},
    {.name = "accumulate",
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, accumulate),
     .value = "N",
     .help =
         "process a batch in N equal parts in turn, in about an N-th of the memory for "
         "activations, and add their gradients before the one update; N divides the "
         "batch; batch normalization uses the statistics of a part",
     .min = 1,
     .max = 1 << 20},
    {.name = "lr",
     .kind = ARGS_DOUBLE,
     .offset = offsetof(struct train_options, learning_rate),
     .value = "X",
     .help = "learning rate; default: the network's",
     .min = 1e-12,
     .max = 1e6},
    {.name = "find-rate",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, find_rate),
     .help =
         "instead of a run: 100 steps with rates from 1e-7 to 10, their losses, and a "
         "suggestion for --lr; nothing is saved"},
    {.name = "schedule",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, schedule),
     .value = "TEXT",
     .help = "learning rate over the run: constant, step, linear, cosine, "
             "one-cycle or exponential, with options as in \"cosine warmup=0.1\"; "
             "default: the network's"},
    {.name = "rates",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, rates),
     .value = "FILE",
     .help = "learning rates of your own: a CSV file of epoch,rate or step,rate, with "
             "straight lines between its rows"},
    {.name = "phases",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, phases),
     .value = "TEXT",
     .help =
         "a run in phases, with words of their own, as in \"epochs=3 "
         "freeze=backbone lr=0.01; epochs=5 lr=0.001 schedule=one-cycle\": epochs, "
         "lr, freeze, layer-rates, schedule and augment, with values of several words "
         "between quotes; others are those of the command"},
    {.name = "augment",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, augment),
     .value = "TEXT",
     .help = "changes of the training images, new in each epoch, as in \"flip shift=2 "
             "cutout=8\"; none: no change; default: the network's"},
    {.name = "labels",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, labels),
     .value = "FILE",
     .help =
         "CSV with other labels for some training images: a column image, the index, "
         "or file, and a column label, a class; such as suspects.csv of `weft clean`"},
    {.name = "class-weights",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, class_weights),
     .value = "W",
     .help = "weights of the classes in the loss: balanced, N / (k n) for a class with n "
             "of the N training images, of k classes; a file with a number for each "
             "class, one a line; default none: all 1"},
    {.name = "balance",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, balance),
     .help = "balanced sampling: an epoch draws as many images as before, but of every "
             "class equally often; images of small classes come more than once, each "
             "time augmented in another way; excludes --class-weights"},
    {.name = "seed",
     .letter = 's',
     .kind = ARGS_SEED,
     .offset = offsetof(struct train_options, seed),
     .value = "S",
     .help = "random seed of initial weights, shuffling, dropout and augmentation; "
             "default 1"},
    {.name = "seeds",
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, seeds),
     .value = "N",
     .help = "a run for each of N seeds from --seed on, in folders of DIR, and the mean "
             "and standard deviation of their results; --resume continues all of them",
     .min = 1,
     .max = 10000},
    {.name = "folds",
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, folds),
     .value = "K",
     .help = "cross-validation: a run for each of K equal parts of the training images, "
             "which it leaves out, and the probabilities of all of them by these runs in "
             "DIR/out-of-fold.csv",
     .min = 2,
     .max = 1000},
    {.name = "audit",
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, audit),
     .value = "N",
     .help = "run every N-th step twice, from the same state, and compare the results of "
             "all ops to the bit; such a step takes as long as three or four",
     .min = 1,
     .max = 1 << 30},
    {.name = "stream",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, stream),
     .help =
         "leave images in their file (plain IDX, NPY of bytes, decoded image files) and "
         "send them to the device batch by batch, also if all of them would fit; larger "
         "ones always are; results are the same to the bit"},
    {.name = "val-split",
     .kind = ARGS_COUNT_OR_PERCENT,
     .offset = offsetof(struct train_options, val_split),
     .value = "N",
     .help = "images held out of training for validation, a count or a percentage; "
             "default: the validation part of --data if it has one, else 10%; 0: no "
             "validation"},
    {.name = "test",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, test),
     .value = "SPEC",
     .help =
         "dataset of the final test; default: the test split of --data; none: no test"},
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct train_options, out),
     .value = "DIR",
     .help = "folder of the run; default: the first unused runs/NET-K"},
    {.name = "resume",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, resume),
     .help = "continue from DIR/last.safetensors, bit-identical to an uninterrupted run; "
             "options are those of the run, but --epochs, --lr, --patience, --test and "
             "those of a call may differ"},
    {.name = "log-csv",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, logs[0]),
     .help = "also write the epochs to DIR/log.csv"},
    {.name = "log-tensorboard",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, logs[1]),
     .help = "also write the epochs to an event file in DIR that TensorBoard reads"},
    {.name = "watch",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, watch),
     .help = "print the address of a page of this computer that follows the run: its "
             "report.html, which a browser loads again every few seconds"},
    {.name = "target-accuracy",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct train_options, target_accuracy),
     .value = "X",
     .help = "stop once the validation accuracy (without validation, the training "
             "accuracy) reaches X; exit code 5 if it never does"},
    {.name = "patience",
     .kind = ARGS_INT,
     .offset = offsetof(struct train_options, patience),
     .value = "N",
     .help = "stop once N epochs in a row had no better validation accuracy than the "
             "best before them",
     .min = 1,
     .max = 1000000},
    {.name = "keep-going",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct train_options, keep_going),
     .help = "continue after the loss or a weight is not finite, or the accuracy is back "
             "at that of guessing; the exit code remains 1"},
    {.name = "time-limit",
     .kind = ARGS_DURATION,
     .offset = offsetof(struct train_options, time_limit),
     .value = "T",
     .help = "a total time such as 90s, 5m or 1.5h: without --epochs as many as fit are "
             "planned, so that the schedule ends in time; a run that is not done by then "
             "stops with a checkpoint"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,     app_preprocess_options, app_data_options,
    app_precision_options, app_tuning_options,     app_tta_options,
    app_device_options,    app_output_options,     NULL};

static enum app_exit train_main(struct app *app, const void *given, int count,
                                char **operands)
{
    (void)count;
    (void)operands;
    const struct train_options *o = given;
    if (!!o->seeds + !!o->folds + o->find_rate > 1)
        return app_error(app, APP_USAGE,
                         "--seeds, --folds and --find-rate exclude each other");
    enum app_exit code = o->seeds   ? train_seeds(app, o)
                         : o->folds ? train_folds(app, o)
                                    : train_run(app, o, NULL);
    train_watch_end();
    return code;
}

const struct app_command cmd_train = {
    .args =
        {
            .name = "train",
            .operands = "",
            .summary = "trains a network and saves the best and the last model",
            .examples =
                "  weft train --net small --batch 128 --epochs 10 --seed 1 --out runs/a\n"
                "  weft train --resume --out runs/a\n"
                "  weft train --from lite0.safetensors --freeze backbone --data photos",
            .about =
                "Writes best.safetensors, last.safetensors and log.jsonl to DIR. Ctrl-C "
                "finishes the step, saves a checkpoint and prints the command that "
                "resumes; a resumed run ends with the same bits as an "
                "uninterrupted one.",
            .options = train_option_table,
            .shared = shared_options,
        },
    .defaults = &(const struct train_options){.seed = ARGS_SEED_UNSET,
                                              .val_split = {-1, true},
                                              .app.precision = TRAIN_NO_PRECISION},
    .options_size = sizeof(struct train_options),
    .run = train_main,
};
