/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as text: the language, round trips, and the builder. */
#include "unit/test.h"

#include "net/plan.h"

#include <math.h>

static const char *canonical_text(const weft_net *net)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    return info.canonical_text;
}

static weft_context *ctx;

static weft_net *net_of(const char *text, int h, int w, int c)
{
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(
        ctx, text, weft_net_params(.name = "net", .height = h, .width = w, .channels = c),
        &net));
    return net;
}

/* Words of a line in any order, unread names, all kinds of outputs. */
static void check_language(void)
{
    static const char *const same[][2] = {
        {"conv 64 3x3 pad=same relu", "conv 64 3x3 relu pad=same"},
        {"conv relu 64 3x3", "conv 64 3x3 relu"},
        {"\xef\xbb\xbf"
         "conv 64 3x3",
         "conv 64 3x3"},
        {"\xc2\xa0"
         "conv\xc2\xa0"
         "64\xe2\x80\xaf"
         "3x3\xc2\xa0",
         "conv 64 3x3"},
        {"conv pad=1 64 relu 3x3", "conv 64 3x3 relu pad=1x1"},
        {"conv 64 3x3 pad=1,2,1,2", "conv 64 3x3 pad=1x2"},
        {"max-pool 3 pad=0,1,2,1 stride=2", "max-pool 3x3 stride=2x2 pad=0,1,2,1"},
        {"leaky-relu slope=0.25", "leaky-relu slope=0.25"},
        {"leaky-relu slope=0.01", "leaky-relu"},
        {"conv 4 3 leaky-relu bias=no groups=1 init=glorot slope=0.5",
         "conv 4 3x3 leaky-relu bias=no init=glorot slope=0.5"},
        {"max-pool 2 ceil=yes pad=1", "max-pool 2x2 pad=1x1 ceil=yes"},
        {"avg-pool 2 count-include-pad=yes pad=1",
         "avg-pool 2x2 pad=1x1 count-include-pad=yes"},
        {"slice 1 0001", "slice 1 1"},
        {"channel-shuffle 2", "channel-shuffle 2"},
        {"batch-norm momentum=0.1 epsilon=1e-4", "batch-norm epsilon=0.0001"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(same); i++) {
        char text[128];
        struct weft_layer_info layer;
        snprintf(text, sizeof(text), "%s as=x\nflatten\ndense 3\nsoftmax\n", same[i][0]);
        weft_net *net = net_of(text, 8, 8, 2);
        REQUIRE(net);
        CHECK_OK(weft_net_layer(net, 0, &layer));
        CHECK_TEXT(layer.text, same[i][1]);
        weft_net_destroy(&net);
    }
    static const struct {
        const char *text;
        int outputs, values;
        bool trains;
    } tails[] = {
        {"flatten\ndense 3\nsoftmax\n", 1, 3, true},
        {"flatten\ndense 3\n", 1, 3, false},
        {"flatten\ndense 3 relu\n", 1, 3, false},
        {"conv 4 3 as=a\nflatten\ndense 3\nsoftmax as=p\noutput p\noutput a\n", 2, 147,
         false},
        {"flatten as=a\ndense 3\nsoftmax as=p\ndense 2 from=a\nsoftmax as=q\n"
         "output q\noutput p\n",
         2, 5, false},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tails); i++) {
        struct weft_net_info info;
        struct weft_plan *plan = NULL;
        weft_net *net = net_of(tails[i].text, 8, 8, 1);
        REQUIRE(net);
        weft_net_info(net, &info);
        CHECK_INT(info.outputs, tails[i].outputs);
        CHECK_INT(info.output_values, tails[i].values);
        CHECK_OK(weft_plan_create(net, 2, false, false, WEFT_FLOAT32, &plan));
        weft_plan_destroy(&plan);
        if (tails[i].trains)
            CHECK_OK(weft_plan_create(net, 2, true, false, WEFT_FLOAT32, &plan));
        else
            CHECK_FAILS(weft_plan_create(net, 2, true, false, WEFT_FLOAT32, &plan),
                        WEFT_ERR_ARG, "for training the last layer must be softmax");
        weft_plan_destroy(&plan);
        weft_net_destroy(&net);
    }
}

/* The same nodes, params and settings. */
static void check_same_net(const weft_net *a, const weft_net *b)
{
    CHECK_INT(a->graph.count, b->graph.count);
    CHECK_INT(a->graph.weights, b->graph.weights);
    CHECK_INT(a->graph.output_count, b->graph.output_count);
    CHECK_INT(a->batch, b->batch);
    CHECK(a->label_smoothing == b->label_smoothing);
    CHECK(a->optimizer.kind == b->optimizer.kind &&
          a->optimizer.learning_rate == b->optimizer.learning_rate &&
          a->optimizer.momentum == b->optimizer.momentum &&
          a->optimizer.beta1 == b->optimizer.beta1 &&
          a->optimizer.beta2 == b->optimizer.beta2 &&
          a->optimizer.epsilon == b->optimizer.epsilon &&
          a->optimizer.weight_decay == b->optimizer.weight_decay &&
          a->optimizer.nesterov == b->optimizer.nesterov &&
          a->optimizer.decay_norms == b->optimizer.decay_norms &&
          a->optimizer.clip == b->optimizer.clip &&
          !memcmp(&a->averaging, &b->averaging, sizeof(a->averaging)));
    for (int i = 0; i < a->graph.count && i < b->graph.count; i++) {
        const struct weft_node *x = &a->graph.nodes[i], *y = &b->graph.nodes[i];
        CHECK(x->op == y->op && x->input_count == y->input_count);
        CHECK(!memcmp(x->inputs, y->inputs, sizeof(x->inputs)));
        CHECK(!memcmp(&x->out, &y->out, sizeof(x->out)));
        CHECK(!memcmp(&x->as, &y->as, sizeof(x->as)));
        CHECK(!memcmp(&x->pool, &y->pool, sizeof(x->pool)));
        CHECK(!memcmp(&x->activation, &y->activation, sizeof(x->activation)));
        CHECK(!memcmp(x->params, y->params, sizeof(x->params)));
    }
}

static void check_round_trip(const char *text, int side, int channels)
{
    weft_net *net = net_of(text, side, side, channels), *again = NULL;
    REQUIRE(net);
    CHECK_OK(weft_net_create(ctx, canonical_text(net), NULL, &again));
    REQUIRE(again);
    check_same_net(net, again);
    CHECK_TEXT(canonical_text(again), canonical_text(net));
    weft_net_destroy(&again);
    weft_net_destroy(&net);
}

/* A network's text makes the same network. */
static void check_text(void)
{
    const char *name;
    for (int i = 0; (name = weft_net_builtin(NULL, i)); i++)
        check_round_trip(weft_net_builtin(name, 0), 28, 1);
    for (int i = 0; weft_op_word(i); i++) {
        enum weft_act act;
        char text[192];
        bool is_act = weft_op_find(weft_op_word(i), &act) == &weft_op_act;
        snprintf(text, sizeof(text), "%s\nflatten\ndense 4 %s\nsoftmax\n",
                 is_act ? weft_op_word(i) : "tanh", is_act ? weft_op_word(i) : "");
        check_round_trip(text, 6, 2);
    }
    static const char *const texts[] = {
        "conv 4 3x5 pad=1,2,3,4 stride=2x1 dilation=1x2 groups=2 bias=no init=uniform "
        "gelu rate=0.25 decay=0 frozen=weights\n"
        "batch-norm leaky-relu slope=0.125 momentum=0.3 epsilon=1e-3 "
        "bias-rate=64 decay=1e-4 as=n3\n"
        "avg-pool 2x1 stride=1 pad=same\nmax-pool 2 stride=1x2 pad=1 ceil=yes as=p\n"
        "conv 4 1 as=b from=n3\nadd b silu as=s\nadd n3 from=b\nadd s\n"
        "global-avg-pool as=unread\ndropout 0.3\ndense 7 init=glorot bias=no frozen=yes\n"
        "softmax as=y\noutput y\noutput p\n"
        "loss smoothing=0.1\noptimizer sgd 0.07 momentum=0.8 nesterov=yes decay=1e-3\n"
        "batch 77\n",
        "relu as=a\nconv 2 3 as=c\nglobal-max-pool from=a\ndense 3 as=d\noutput "
        "d\noutput c\n",
        "flatten\ndense 3\nsoftmax\noptimizer adamw 3e-4 beta1=0.8 beta2=0.99 "
        "epsilon=1e-6 decay=0.01 decay-norms=yes clip=0.5\naverage ema 0.99 every=5\n",
    };
    check_round_trip("conv 4 3 pad=same as=n1\nrelu as=n3\nconv 4 3 from=n1 "
                     "pad=same\nadd n1\nadd n3 as=n2\n"
                     "flatten\ndense 3\nsoftmax\n",
                     8, 2);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(texts); i++)
        check_round_trip(texts[i], 12, 2);
}

/* The builder makes the network that the text makes, and checks every layer at once. */
static void check_builder(void)
{
    weft_net_builder *b = NULL;
    weft_net *built = NULL, *parsed;
    struct weft_optimizer sgd = {.kind = WEFT_OPTIMIZER_SGD,
                                 .learning_rate = 0.1f,
                                 .momentum = 0.9f,
                                 .beta1 = NAN};
    CHECK_OK(weft_net_begin(ctx,
                            weft_net_params(.height = 8, .width = 8, .channels = 2,
                                            .optimizer = &sgd, .batch = 32),
                            &b));
    REQUIRE(b);
    int conv = -1, add = -1;
    CHECK_OK(weft_net_add(b, "conv",
                          weft_layer_params(.filters = 4, .window = {3, 3},
                                            .same_padding = true, .activation = "relu"),
                          NULL, 0, &conv));
    CHECK_OK(weft_net_add(
        b, "conv", weft_layer_params(.filters = 4, .window = {3}, .pad = {1, 1, 1, 1}),
        NULL, 0, NULL));
    CHECK_FAILS(weft_net_add(b, "conv", weft_layer_params(.window = {3}), NULL, 0, NULL),
                WEFT_ERR_ARG, "conv: the number of filters is 0, must be 1 to 65536");
    CHECK_FAILS(weft_net_add(b, "dense", weft_layer_params(.units = 3), NULL, 0, NULL),
                WEFT_ERR_ARG, "dense reads rows");
    CHECK(!strstr(weft_error(ctx), ", line"));
    CHECK_FAILS(weft_net_add(b, "flatten", weft_layer_params(.units = 3), NULL, 0, NULL),
                WEFT_ERR_ARG, "the number of units, which is a field of dense");
    CHECK_FAILS(weft_net_add(b, "konv", NULL, NULL, 0, NULL), WEFT_ERR_ARG, "is no op");
    CHECK_FAILS(weft_net_add(b, "add", NULL, NULL, 0, NULL), WEFT_ERR_ARG,
                "add has 1 inputs, must have 2:");
    CHECK_FAILS(weft_net_add(b, "relu", NULL, (int[]){7}, 1, NULL), WEFT_ERR_ARG,
                "there is no layer 7");
    CHECK_OK(weft_net_add(b, "add",
                          weft_layer_params(.activation = "leaky-relu", .alpha = 0.5f),
                          (int[]){conv + 1, conv}, 2, &add));
    CHECK_OK(weft_net_add(b, "flatten", NULL, &add, 1, NULL));
    CHECK_OK(weft_net_add(b, "dense", weft_layer_params(.units = 3, .no_bias = true),
                          NULL, 0, NULL));
    CHECK_OK(weft_net_add(b, "softmax", NULL, NULL, 0, NULL));
    CHECK_OK(weft_net_end(&b, &built));
    CHECK(!b);
    REQUIRE(built);
    parsed = net_of("conv 4 3x3 relu pad=same as=a\nconv 4 3 pad=1\nadd a leaky-relu "
                    "slope=0.5\nflatten\ndense 3 bias=no\nsoftmax\noptimizer sgd 0.1\n"
                    "batch 32\n",
                    8, 8, 2);
    REQUIRE(parsed);
    check_same_net(built, parsed);
    weft_net_destroy(&parsed);
    CHECK_OK(weft_net_create(ctx, canonical_text(built), NULL, &parsed));
    REQUIRE(parsed);
    check_same_net(built, parsed);
    weft_net_destroy(&parsed);
    weft_net_destroy(&built);
    CHECK_OK(weft_net_begin(ctx, NULL, &b));
    CHECK_FAILS(weft_net_add(b, "relu", NULL, NULL, 0, NULL), WEFT_ERR_ARG,
                "the size of the images is not known");
    CHECK_FAILS(weft_net_end(&b, &built), WEFT_ERR_ARG, "has no layers");
    CHECK_OK(weft_net_begin(ctx, NULL, &b));
    CHECK_OK(weft_net_end(&b, NULL));
    CHECK(!b && !built);
}

/* Params that the language could not express, or that nothing could train. */
static void check_refusals(void)
{
    static const char *const names[] = {"a b",  "a=b",  "#",    "\x01",
                                        "\xff", "relu", "input"};
    const struct weft_optimizer optimizers[] = {
        {.kind = (enum weft_optimizer_kind)3},
        {.learning_rate = NAN},
        {.learning_rate = -1},
        {.momentum = 2},
        {.kind = WEFT_OPTIMIZER_ADAM, .beta1 = 1},
    };
    const struct weft_net_params params[] = {
        *weft_net_params(.batch = -1),
        *weft_net_params(.classes = -1),
        *weft_net_params(.label_smoothing = 1),
        *weft_net_params(.label_smoothing = NAN),
    };
    weft_net_builder *b = NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(params); i++)
        CHECK_FAILS(weft_net_begin(ctx, &params[i], &b), WEFT_ERR_ARG, "network: ");
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(optimizers); i++)
        CHECK_FAILS(weft_net_begin(ctx, weft_net_params(.optimizer = &optimizers[i]), &b),
                    WEFT_ERR_ARG, "must be 0 to");
    CHECK(!b);
    CHECK_OK(
        weft_net_begin(ctx, weft_net_params(.height = 2, .width = 2, .channels = 1), &b));
    REQUIRE(b);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(names); i++)
        CHECK_FAILS(
            weft_net_add(b, "relu", weft_layer_params(.name = names[i]), NULL, 0, NULL),
            WEFT_ERR_ARG, "name");
    CHECK_FAILS(weft_net_add(b, "relu", NULL, NULL, 1, NULL), WEFT_ERR_ARG, "inputs");
    CHECK_FAILS(weft_net_add(b, "relu", weft_layer_params(.init = "he"), NULL, 0, NULL),
                WEFT_ERR_ARG, "init, which is a field of conv, not of relu");
    CHECK_OK(weft_net_end(&b, NULL));
    weft_net *net = NULL;
    CHECK_FAILS(weft_net_create(ctx, "input 2 2 1\nclip low=0 high=0\n", NULL, &net),
                WEFT_ERR_FORMAT, "line 2: clip: low=0 must be below high=0");
}

/* The size of the params where a text has none, however the line is written. */
static void check_default_input(void)
{
    static const struct {
        const char *text;
        int height;
    } sizes[] = {{"\xef\xbb\xbf\xc2\xa0 input 2 2 1\r\nflatten\ndense 3\n", 2},
                 {"# input 2 2 1\nflatten\ndense 3\n", 8}};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(sizes); i++) {
        struct weft_net_info info;
        weft_net *net = NULL;
        CHECK_OK(weft_net_create(ctx, sizes[i].text,
                                 weft_net_params(.height = 8, .width = 8, .channels = 1,
                                                 .default_input = true),
                                 &net));
        weft_net_info(net, &info);
        CHECK_INT(info.height, sizes[i].height);
        weft_net_destroy(&net);
    }
}

/* All names that the text might choose for a layer without one are taken. */
static void check_taken_names(void)
{
    struct weft_net_builder *b = NULL;
    weft_net *net = NULL, *again = NULL;
    CHECK_OK(
        weft_net_begin(ctx, weft_net_params(.height = 2, .width = 2, .channels = 1), &b));
    REQUIRE(b);
    CHECK_OK(weft_net_add(b, "flatten", NULL, NULL, 0, NULL));
    char name[WEFT_NAME_BYTES] = "n1";
    for (size_t i = 2; i < sizeof(name); i++) {
        CHECK_OK(weft_net_add(b, "relu", weft_layer_params(.name = name), NULL, 0, NULL));
        strcat(name, i < sizeof(name) - 1 ? "_" : "");
    }
    CHECK_OK(weft_net_add(b, "add", NULL, (int[]){0, 1}, 2, NULL));
    CHECK_OK(weft_net_add(b, "dense", weft_layer_params(.units = 2), NULL, 0, NULL));
    CHECK_OK(weft_net_output(b, 30));
    CHECK_OK(weft_net_output(b, 32));
    CHECK_OK(weft_net_end(&b, &net));
    REQUIRE(net);
    CHECK_OK(weft_net_create(ctx, canonical_text(net), NULL, &again));
    weft_net_destroy(&again);
    weft_net_destroy(&net);
}

/* Layers of other widths, as they are written. */
static void check_width(void)
{
    static const struct {
        const char *factor, *layers[7];
    } cases[] = {
        {"1",
         {"conv 8 2x2 init=whiten", "conv 6 3x3", "conv 6 3x3 groups=6",
          "conv 4 1x1 groups=2", "flatten", "dense 5", "dense 10"}},
        {"2",
         {"conv 8 2x2 init=whiten", "conv 12 3x3", "conv 12 3x3 groups=12",
          "conv 8 1x1 groups=2", "flatten", "dense 10", "dense 10"}},
        {"0.1", {"conv 8 2x2 init=whiten", "conv 1 3x3", NULL}},
    };
    char text[512];
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++) {
        snprintf(text, sizeof(text),
                 "width-multiplier %s\nconv 8 2 init=whiten\nconv 6 3\n%s",
                 cases[i].factor,
                 cases[i].layers[2]
                     ? "conv 6 3 groups=6\nconv 4 1 groups=2\nflatten\ndense 5\n"
                       "dense classes\nsoftmax\n"
                     : "");
        weft_net *net = net_of(text, 8, 8, 1);
        REQUIRE(net);
        for (int k = 0; k < 7 && cases[i].layers[k]; k++) {
            struct weft_layer_info layer;
            weft_net_layer(net, k, &layer);
            CHECK_TEXT(layer.text, cases[i].layers[k]);
        }
        weft_net_destroy(&net);
    }
}

static void check_suggestions(void)
{
    static const struct {
        const char *line, *close;
    } cases[] = {
        {"conv 3 3 sigmiod", "sigmoid"},       {"conv 3 3 pad=smae", "same"},
        {"conv 3 3 init=whitn", "whiten"},     {"conv 3 3 bias=n", "no"},
        {"relu from=blok1", "block1"},         {"optimizer adma 1", "adam"},
        {"average lokahead 0.5", "lookahead"}, {"schedule cosin", "cosine"},
        {"augment cutuot 3", "cutout"},        {"maxpool 2", "max-pool"},
        {"augment border=reflekt", "reflect"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++) {
        char text[96], says[64];
        weft_net *net = NULL;
        snprintf(text, sizeof(text), "input 8 8 1\ntanh as=block1\n%s\n", cases[i].line);
        snprintf(says, sizeof(says), "; did you mean %s?", cases[i].close);
        CHECK_FAILS(weft_net_create(ctx, text, NULL, &net), WEFT_ERR_FORMAT, says);
    }
}

int main(void)
{
    if (weft_context_create(&ctx, weft_context_params(.no_opencl = true)))
        return 1;
    test_context = ctx;
    check_language();
    check_text();
    check_width();
    check_builder();
    check_refusals();
    check_default_input();
    check_taken_names();
    check_suggestions();
    weft_context_destroy(&ctx);
    return test_end();
}
