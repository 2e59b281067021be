/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: shapes, error messages, fusion, memory planning. */
#include "unit/test.h"

#include "net/plan.h"

static weft_context *ctx;

static weft_net *net_of(const char *text, int h, int w, int c)
{
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(
        ctx, text, weft_net_params(.name = "net", .height = h, .width = w, .channels = c),
        &net));
    return net;
}

static void check_seed(void)
{
    struct weft_net_info info;
    struct weft_layer_info layer;
    weft_net *net = net_of(weft_net_builtin("small", -1), 28, 28, 1);
    REQUIRE(net);
    weft_net_info(net, &info);
    CHECK_INT(info.layers, 6);
    CHECK_INT(info.classes, 10);
    CHECK_INT(info.batch, 512);
    CHECK_INT(info.weights, 320 + 5408 * 32 + 32 + 330);
    /* The products; two relu, the pool and softmax. */
    CHECK_INT(info.flops, 2 * (26 * 26 * 32 * 9 + 5408 * 32 + 320) + 26 * 26 * 32 + 32 +
                              13 * 13 * 32 * 4 + 4 * 10);
    CHECK_INT(info.optimizer.kind, WEFT_OPTIMIZER_ADAM);
    CHECK(info.optimizer.learning_rate == 1e-3f);
    CHECK_OK(weft_net_layer(net, 0, &layer));
    CHECK_TEXT(layer.name, "conv1");
    CHECK_TEXT(layer.text, "conv 32 3x3 relu");
    CHECK_INT(layer.height, 26);
    CHECK_OK(weft_net_layer(net, 3, &layer));
    CHECK_TEXT(layer.name, "dense1");
    CHECK_FAILS(weft_net_layer(net, 6, &layer), WEFT_ERR_ARG, "has no layer 6");
    weft_net_destroy(&net);
}

/* Every built-in reads, and ends in ten classes. */
static void check_builtins(void)
{
    const char *name;
    int count = 0;
    for (; (name = weft_net_builtin(NULL, count)); count++) {
        struct weft_net_info info;
        weft_net *net = net_of(weft_net_builtin(name, 0), 28, 28, 1);
        REQUIRE(net);
        weft_net_info(net, &info);
        CHECK_INT(info.classes, 10);
        CHECK(info.batch > 0);
        weft_net_destroy(&net);
    }
    CHECK(count >= 7);
}

/* `dense classes` has the classes of the params, and the network's text their number. */
static void check_classes(void)
{
    static const char text[] =
        "flatten # dense classes\ndense bias=no classes\nsoftmax\n";
    static const int wanted[] = {3, 1000, 0};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(wanted); i++) {
        struct weft_net_info info, again;
        weft_net *net = NULL, *copy = NULL;
        CHECK_OK(weft_net_create(
            ctx, text,
            weft_net_params(.height = 4, .width = 4, .channels = 1, .classes = wanted[i]),
            &net));
        REQUIRE(net);
        weft_net_info(net, &info);
        CHECK_INT(info.classes, wanted[i] ? wanted[i] : 10);
        CHECK_OK(weft_net_create(ctx, info.text, NULL, &copy));
        REQUIRE(copy);
        weft_net_info(copy, &again);
        CHECK_INT(again.classes, info.classes);
        weft_net_destroy(&copy);
        weft_net_destroy(&net);
    }
}

/* One layer on an image, and the shape that comes out. */
static void check_shapes(void)
{
    static const struct {
        const char *layer;
        int h, w, c, out_h, out_w, out_c;
    } cases[] = {
        {"conv 4 3", 10, 9, 2, 8, 7, 4},
        {"conv 4 3x5 pad=1x2 stride=2", 10, 9, 2, 5, 5, 4},
        {"conv 6 3 pad=same stride=2 groups=2", 7, 8, 4, 4, 4, 6},
        {"conv 4 3 dilation=2x3", 10, 9, 2, 6, 3, 4},
        {"conv 4 1 pad=3", 1, 1, 1, 7, 7, 4},
        {"max-pool 2", 7, 6, 3, 3, 3, 3},
        {"max-pool 3x2 stride=1x2 pad=1x0", 7, 6, 3, 7, 3, 3},
        {"max-pool 2 pad=same", 7, 6, 3, 4, 3, 3},
        {"max-pool 2 ceil=yes", 7, 6, 3, 4, 3, 3},
        {"max-pool 3 stride=2 ceil=yes pad=1", 6, 7, 3, 4, 4, 3},
        {"avg-pool 2 stride=3 ceil=yes", 5, 8, 3, 2, 3, 3},
        {"max-pool 1 stride=3 ceil=yes", 5, 6, 3, 2, 2, 3},
        {"max-pool 3 pad=2,0,1,1", 5, 6, 3, 2, 2, 3},
        {"conv 4 3x5 pad=2,0,1,1", 5, 6, 3, 6, 3, 4},
        {"max-pool 16x17 stride=3", 20, 19, 1, 2, 1, 1},
        {"avg-pool 3x2 stride=2 pad=1", 7, 6, 3, 4, 4, 3},
        {"global-max-pool", 40, 30, 3, 1, 1, 3},
        {"slice 1 2", 7, 6, 3, 7, 6, 2},
        {"channel-shuffle 2", 7, 6, 4, 7, 6, 4},
        {"concat input input", 7, 6, 3, 7, 6, 9},
        {"scale input", 1, 1, 3, 1, 1, 3},
        {"global-avg-pool", 7, 6, 3, 1, 1, 3},
        {"leaky-relu slope=0.2", 7, 6, 3, 7, 6, 3},
        {"clip low=-2 high=0.5", 7, 6, 3, 7, 6, 3},
        {"hard-swish", 7, 6, 3, 7, 6, 3},
        {"dropout 0.5", 7, 6, 3, 7, 6, 3},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++) {
        char text[128];
        struct weft_layer_info layer;
        snprintf(text, sizeof(text), "%s\nflatten\ndense 3\nsoftmax\n", cases[i].layer);
        weft_net *net = net_of(text, cases[i].h, cases[i].w, cases[i].c);
        REQUIRE(net);
        CHECK_OK(weft_net_layer(net, 0, &layer));
        CHECK_INT(layer.height, cases[i].out_h);
        CHECK_INT(layer.width, cases[i].out_w);
        CHECK_INT(layer.channels, cases[i].out_c);
        weft_net_destroy(&net);
    }
}

static void check_op_sentences(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"max-pool 2 pad=1 count-include-pad=yes\n",
         "has no option \"count-include-pad\""},
        {"flatten\ndense clases\n", "units must be a number or classes, not \"clases\""},
        {"concat\n", "concat needs the name of a second layer"},
        {"conv 2 3 as=a\nconv 2 3\nconcat a\n",
         "line 3: concat1: cannot join 6x6x2 with 4x4x2: all must have the same height"},
        {"slice 1\n", "the number of channels is missing after \"1\""},
        {"slice 0 0\n", "the number of channels is 0, must be 1 to"},
        {"slice 1 1\n",
         "slice1: 1 channels from 1 on, of 8x8x1: there are channels 0 to 0"},
        {"conv 2 3 as=a\nscale a from=input\n",
         "line 2: scale1: cannot scale 8x8x1 by 6x6x2: the factors must be 1x1x1"},
        {"channel-shuffle 2\n", "shuffle1: 2 groups do not divide 1 channels"},
    };
    weft_net *net = NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++)
        CHECK_FAILS(weft_net_create(
                        ctx, cases[i].text,
                        weft_net_params(.height = 8, .width = 8, .channels = 1), &net),
                    WEFT_ERR_FORMAT, cases[i].words);
    CHECK(!net);
}

/* Lines that may occur once, and the ends of lines of other systems. */
static void check_lines(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"batch 8\nbatch 8\n", "line 2: a second line \"batch\", the first is line 1"},
        {"optimizer sgd 0.1 decay=0.5\n\noptimizer adamw 0.01\n",
         "line 3: a second line \"optimizer\", the first is line 1; keep one"},
        {"loss smoothing=0.1\nloss\n", "line 2: a second line \"loss\""},
        {"input 8 8 1\ninput 8 8 1\n", "line 2: a second line \"input\""},
        {"width-multiplier 0\n", "the factor is 0, must be 0.01 to 64"},
        {"flatten\nwidth-multiplier 2\n", "must stand before the layers"},
        {"conv 3 3\rkonv\r", "line 2: \"konv\" is not known"},
        {"conv 3 3\r\nkonv\r\n", "line 2: \"konv\" is not known"},
        {"\xff\xfe"
         "c",
         "is a text in UTF-16; save it in UTF-8"},
    };
    weft_net *net = NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++)
        CHECK_FAILS(weft_net_create(
                        ctx, cases[i].text,
                        weft_net_params(.height = 8, .width = 8, .channels = 1), &net),
                    WEFT_ERR_FORMAT, cases[i].words);
    CHECK(!net);
}

static void check_sentences(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "has no layers"},
        {"flatten\nsoftmax\n", "nothing to train"},
        {"flatten\ndense 3\nsoftmax\nrelu\n", "line 4: relu: nothing may read softmax"},
        {"konv 3 3\n", "\"konv\" is not known; did you mean conv? A line begins"},
        {"\n# hello\nconv\n", "line 3: the number of filters is missing after \"conv\""},
        {"conv 3\n", "the window is missing"},
        {"conv 3 3x\n", "ROWSxCOLUMNS, not \"3x\""},
        {"conv 3 3 \033[2Jrelu\n", "line 1: has a control character (byte 27)"},
        {"conv 3 3 relux\n", "\"relux\" is no activation"},
        {"conv 3 3 relu tanh\n", "unexpected \"tanh\" after \"relu\""},
        {"conv 0 3\n", "is 0, must be 1 to 65536"},
        {"conv 99999999999999999999 3\n", "must be an integer"},
        {"conv 3 9\n", "a window of 9x9 does not fit into 8x8"},
        {"conv 3 3 strid=2\n", "\"conv\" has no option \"strid\"; did you mean stride?"},
        {"conv 3 3 stride=2 stride=2\n", "duplicate option \"stride\""},
        {"conv 3 3 groups=2\n", "groups=2 must divide the 1 input channels"},
        {"conv 3 3 bias=maybe\n", "bias=maybe is not known; choose from no, yes"},
        {"max-pool 2 pad=2\n", "pad must be smaller than the window"},
        {"max-pool 16\n", "a window of 16x16 does not fit into 8x8"},
        {"global-avg-pool 2\n", "unexpected \"2\""},
        {"dense 3\nsoftmax\n", "put a line \"flatten\" before it"},
        {"dropout 1\n", "is 1, must be 0 to 0.99"},
        {"dropout nan\n", "must be a number"},
        {"softmax\n", "softmax reads rows"},
        {"optimizer\n", "must be sgd, adam or adamw"},
        {"optimizer sgd\n", "the learning rate is missing"},
        {"batch 0\n", "is 0, must be 1"},
        {"stride=2\n", "begins with an option"},
        {"relu from=a\n", "line 1: no line above is called \"a\": put as=a"},
        {"relu as=a\nrelu as=a\n", "line 2: as=a: an earlier layer has this name"},
        {"relu as=tanh\n", "as=tanh: this is the name of an activation"},
        {"relu as=input\n", "this is the name of the batch"},
        {"relu as=\n", "a name has 1 to 31 characters"},
        {"add\n", "add needs the name of a second layer"},
        {"add a\n", "no line above is called \"a\""},
        {"add a as=a\n", "no line above is called \"a\""},
        {"conv 2 3 as=a\nconv 2 1\nconv 3 1\nadd a relu\n",
         "line 4: add1: cannot add 6x6x2 to 6x6x3: both must have the same shape"},
        {"relu\nflatten from=input\ndense 3\nsoftmax\n",
         "line 1: nothing reads the output of relu1"},
        {"flatten as=a\ndense 3\nsoftmax\nrelu from=a\n",
         "line 3: nothing reads the output of softmax1"},
        {"conv 3 3 pad=1,2,3\n", "pad must be valid, same, ROWSxCOLUMNS or TOP,LEFT"},
        {"conv 3 3 pad=1,2,3,256\n", "line 1: conv: pad is 256, must be 0 to 255"},
        {"max-pool 3 pad=0,0,0,3\n", "pad must be smaller than the window"},
        {"conv 3 3 3\n", "unexpected \"3\" after \"3\""},
        {"output a\n", "no line above is called \"a\""},
        {"output input\n", "the batch is no output"},
        {"dense 3 as=a\noutput a\n", "dense reads rows"},
        {"flatten\ndense 3 as=a\noutput a\noutput a\n", "line 4: layer 1 is an output"},
        {"flatten\ninput 8 8 1\n", "must stand before the layers"},
        {"input 9 9 1\n", "the input is 9x9x1, the data are 8x8x1"},
        {"conv 65536 7 pad=3\nconv 65536 7 pad=3\n", "too large"},
        {"flatten # Stra\xdf"
         "e\n",
         "line 1: is not UTF-8"},
    };
    weft_net *net = NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++)
        CHECK_FAILS(weft_net_create(
                        ctx, cases[i].text,
                        weft_net_params(.height = 8, .width = 8, .channels = 1), &net),
                    WEFT_ERR_FORMAT, cases[i].words);
    CHECK_FAILS(weft_net_create(ctx, "flatten\ndense 3\nsoftmax\n", NULL, &net),
                WEFT_ERR_FORMAT, "the size of the images is not known");
    CHECK_FAILS(
        weft_net_create(ctx, "input 32768 32768 4\nmax-pool 1 stride=255\n", NULL, &net),
        WEFT_ERR_FORMAT, "line 2: one image of 32768x32768x4");
    CHECK_FAILS(weft_net_create(ctx, "flatten\ndense 3\nsoftmax\n",
                                weft_net_params(.height = 8), &net),
                WEFT_ERR_ARG, "an input of 8x0x0; each must be 1 to 65535");
    CHECK_FAILS(weft_net_create(ctx, "input 2 2 1\nflatten\ndense 3\nsoftmax\n",
                                weft_net_params(.classes = 4), &net),
                WEFT_ERR_FORMAT, "has 3 outputs for 4 classes");
    CHECK(!net);
}

/* The plan's nodes that launch something, as a word each: "conv+relu+max-pool dense". */
static void describe_plan(const struct weft_plan *plan, char *out, size_t size)
{
    out[0] = 0;
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (weft_node_is_noop(node, plan->training))
            continue;
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s%s%s%s%s", used ? " " : "", node->op->name,
                 node->batch_norm != WEFT_NO_NODE ? "+batch-norm" : "",
                 node->activation.act ? "+" : "",
                 node->activation.act ? weft_act_names[node->activation.act] : "",
                 node->op == &weft_op_conv && node->pool.r ? "+max-pool" : "");
    }
}

static void check_fusion(void)
{
    static const struct {
        const char *text;
        bool training, plain;
        const char *words;
    } cases[] = {
        {"conv 4 3 relu\nmax-pool 2\nflatten\ndense 3\nsoftmax\n", true, false,
         "conv+relu+max-pool dense softmax"},
        {"conv 4 3 relu\nmax-pool 2\nflatten\ndense 3\nsoftmax\n", true, true,
         "conv act+relu max-pool dense softmax"},
        {"conv 4 3 gelu\nmax-pool 2\nflatten\ndense 3\nsoftmax\n", true, false,
         "conv act+gelu max-pool dense softmax"},
        {"conv 4 3 gelu\nmax-pool 2\nflatten\ndense 3\nsoftmax\n", false, false,
         "conv+gelu+max-pool dense softmax"},
        {"conv 4 3\nmax-pool 2\nrelu\nflatten\ndense 3\nsoftmax\n", true, false,
         "conv+max-pool act+relu dense softmax"},
        {"flatten\ndense 4 tanh\ndropout 0.5\ndense 3\nsoftmax\n", true, false,
         "dense+tanh dropout dense softmax"},
        {"flatten\ndense 4 tanh\ndropout 0.5\ndense 3\nsoftmax\n", false, false,
         "dense+tanh dense softmax"},
        {"conv 4 3 as=a\nconv 4 1 relu\nadd a relu\nmax-pool 2\nflatten\ndense "
         "3\nsoftmax\n",
         true, false, "conv conv+relu add+relu max-pool dense softmax"},
        {"conv 4 3 as=a\nrelu\nadd a\nflatten\ndense 3\nsoftmax\n", true, false,
         "conv act+relu add dense softmax"},
        {"conv 4 3 relu as=a\nmax-pool 3 stride=1 pad=1\nadd a gelu\nflatten\n"
         "dense 3\nsoftmax\n",
         true, false, "conv+relu max-pool add act+gelu dense softmax"},
        {"conv 4 3\nbatch-norm gelu\nflatten\ndense 3\nbatch-norm\nsoftmax\n", true,
         false, "conv batch-norm+gelu dense batch-norm softmax"},
        {"conv 4 3\nbatch-norm gelu\nflatten\ndense 3\nbatch-norm\nsoftmax\n", true, true,
         "conv batch-norm act+gelu dense batch-norm softmax"},
        {"conv 4 3\nbatch-norm gelu\nflatten\ndense 3\nbatch-norm\nsoftmax\n", false,
         false, "conv+batch-norm+gelu dense+batch-norm softmax"},
        {"conv 4 3\nmax-pool 2\nbatch-norm relu\nconv 4 3 relu\nbatch-norm\nflatten\n"
         "dense 3\nsoftmax\n",
         false, false,
         "conv+max-pool batch-norm+relu conv+relu batch-norm dense softmax"},
        {"conv 4 3 as=a\nbatch-norm\nadd a\nflatten\ndense 3\nsoftmax\n", false, false,
         "conv batch-norm add dense softmax"},
        {"conv 4 3 relu\navg-pool 2\nconv 4 2\nglobal-max-pool\ndense 3\nsoftmax\n", true,
         false, "conv+relu avg-pool conv global-max-pool dense softmax"},
        {"conv 4 3 as=a\nrelu as=b\nmax-pool 2\nflatten\ndense 3\nsoftmax as=c\n"
         "output a\noutput b\noutput c\n",
         false, false, "conv act+relu max-pool dense softmax"},
        {"conv 4 3 as=a\nbatch-norm as=b\nrelu\nflatten\ndense 3\nsoftmax as=c\n"
         "output a\noutput b\noutput c\n",
         false, false, "conv batch-norm act+relu dense softmax"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i++) {
        weft_net *net = net_of(cases[i].text, 8, 8, 1);
        struct weft_plan *plan = NULL;
        REQUIRE(net);
        CHECK_OK(weft_plan_create(net, 5, cases[i].training, cases[i].plain, WEFT_FLOAT32,
                                  &plan));
        REQUIRE(plan);
        char words[256];
        describe_plan(plan, words, sizeof(words));
        CHECK_TEXT(words, cases[i].words);
        weft_plan_destroy(&plan);
        weft_net_destroy(&net);
    }
}

/* Spans that live at the same time must not share bytes, and the whole must not be
 * wasteful. */
static void check_places(void)
{
    uint32_t random = 1;
    for (int round = 0; round < 200; round++) {
        enum { COUNT = 24 };
        struct weft_live_range live_ranges[COUNT];
        size_t peak, busiest = 0;
        for (int i = 0; i < COUNT; i++) {
            random = random * 1664525u + 1013904223u;
            int first = (int)(random >> 8) % 30;
            live_ranges[i] =
                (struct weft_live_range){.first = first,
                                         .last = first + (int)(random >> 16) % 10,
                                         .bytes = (random >> 4) % 5000};
        }
        CHECK_OK(weft_arena_assign(ctx, live_ranges, COUNT, &peak));
        int collisions = 0;
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < i; j++)
                collisions +=
                    live_ranges[i].bytes && live_ranges[j].bytes &&
                    live_ranges[i].first <= live_ranges[j].last &&
                    live_ranges[j].first <= live_ranges[i].last &&
                    live_ranges[i].offset <
                        live_ranges[j].offset + live_ranges[j].bytes &&
                    live_ranges[j].offset < live_ranges[i].offset + live_ranges[i].bytes;
        CHECK_INT(collisions, 0);
        for (int t = 0; t < 40; t++) {
            size_t alive = 0;
            for (int i = 0; i < COUNT; i++)
                if (live_ranges[i].first <= t && t <= live_ranges[i].last)
                    alive += live_ranges[i].bytes;
            busiest = alive > busiest ? alive : busiest;
        }
        CHECK(peak >= busiest);
        CHECK(peak <= 2 * busiest + COUNT * WEFT_ALIGN);
    }
}

static void check_fit(void)
{
    weft_net *net = net_of(weft_net_builtin("small", -1), 28, 28, 1);
    struct weft_plan *plan = NULL;
    REQUIRE(net);
    CHECK_OK(weft_plan_create(net, 100, true, false, WEFT_FLOAT32, &plan));
    REQUIRE(plan);
    CHECK_INT(weft_plan_largest_batch(net, 1000, true, WEFT_FLOAT32, plan->bytes), 100);
    CHECK_INT(weft_plan_largest_batch(net, 1000, true, WEFT_FLOAT32, 10), 0);
    weft_plan_destroy(&plan);
    CHECK_FAILS(weft_plan_create(net, 1 << 20, true, false, WEFT_FLOAT32, &plan),
                WEFT_ERR_ARG, "the largest batch is");
    weft_net_destroy(&net);
}

/* A tensor's place must be a permutation; a dense one after a flatten counts as PyTorch
 * does. */
static void check_layout(void)
{
    weft_net *net = net_of("conv 6 2x3 groups=2\nflatten\ndense 5\nsoftmax\n", 4, 5, 4);
    REQUIRE(net);
    for (int n = 0; n < net->graph.count; n++) {
        const struct weft_node *node = &net->graph.nodes[n];
        char seen[2000] = {0};
        CHECK(node->params[WEFT_PARAM_WEIGHT].count < sizeof(seen));
        for (size_t i = 0; i < node->params[WEFT_PARAM_WEIGHT].count; i++) {
            size_t at =
                node->op->to_native_index(node, &node->params[WEFT_PARAM_WEIGHT], i);
            CHECK(at < node->params[WEFT_PARAM_WEIGHT].count && !seen[at]);
            if (at < node->params[WEFT_PARAM_WEIGHT].count)
                seen[at] = 1;
        }
    }
    const struct weft_node *conv = &net->graph.nodes[0], *dense = &net->graph.nodes[2];
    /* [out 3][in 1][row 1][column 2] of 6x2x2x3 is [row 1][column 2][in 1][out 3]. */
    CHECK_INT(conv->op->to_native_index(conv, &conv->params[WEFT_PARAM_WEIGHT],
                                        ((3 * 2 + 1) * 2 + 1) * 3 + 2),
              ((1 * 3 + 2) * 2 + 1) * 6 + 3);
    /* 3x3x6 was flattened: [out 4][channel 2, row 1, column 0] is [row, column,
     * channel][out]. */
    CHECK_INT(dense->op->to_native_index(dense, &dense->params[WEFT_PARAM_WEIGHT],
                                         4 * 54 + (2 * 3 + 1) * 3 + 0),
              (((1 * 3 + 0) * 6) + 2) * 5 + 4);
    weft_net_destroy(&net);
}

/* The weights behind flatten go to files as other tools count them, whatever keeps every
 * value in its place in between. */
static void check_rows(void)
{
    enum { CHANNELS = 3, AREA = 4, UNITS = 5 };
    static const char *const texts[] = {
        "flatten\ndense 5\nsoftmax\n",
        "flatten\nrelu\ndropout 0.5\nbatch-norm gelu\nflatten\ndense 5\nsoftmax\n",
        "flatten as=a\ndropout 0.5\nadd a\ndense 5\nsoftmax\n",
    };
    for (size_t t = 0; t < WEFT_ARRAY_SIZE(texts); t++) {
        weft_net *net = net_of(texts[t], 2, 2, CHANNELS);
        REQUIRE(net);
        for (int n = 0; n < net->graph.count; n++) {
            const struct weft_node *node = &net->graph.nodes[n];
            bool dense = node->op == &weft_op_dense,
                 norm = node->op == &weft_op_batch_norm;
            for (size_t i = 0; (dense || norm) && i < CHANNELS * AREA; i++) {
                size_t ours = i % AREA * CHANNELS + i / AREA;
                size_t out = dense ? 2 * CHANNELS * AREA : 0, scale = dense ? UNITS : 1;
                const struct weft_param *other =
                    &node->params[dense ? WEFT_PARAM_BIAS : WEFT_PARAM_RUNNING_MEAN];
                CHECK_INT(node->op->to_native_index(
                              node, &node->params[WEFT_PARAM_WEIGHT], out + i),
                          ours * scale + (dense ? 2 : 0));
                CHECK_INT(node->op->to_native_index(node, other, i), dense ? i : ours);
            }
        }
        weft_net_destroy(&net);
    }
    weft_net *net = net_of("flatten\ndense 12\nrelu\ndense 5\nsoftmax\n", 2, 2, 3);
    REQUIRE(net);
    const struct weft_node *last = &net->graph.nodes[3];
    CHECK_INT(last->op->to_native_index(last, &last->params[WEFT_PARAM_WEIGHT], 1),
              UNITS);
    weft_net_destroy(&net);
}

int main(void)
{
    if (weft_context_create(&ctx, weft_context_params(.no_opencl = true)))
        return 1;
    test_context = ctx;
    check_seed();
    check_builtins();
    check_classes();
    check_shapes();
    check_sentences();
    check_lines();
    check_op_sentences();
    check_fusion();
    check_places();
    check_fit();
    check_layout();
    check_rows();
    weft_context_destroy(&ctx);
    return test_end();
}
