/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation of training images: text, and the numbers that the kernels use. */
#include "net/augment.h"

#include "os/suggest.h"
#include "util/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The words, of which a line has one of each field. */
static const struct {
    const char *name;
    size_t offset;
    int value;
} words[] = {
    {"flip", offsetof(struct weft_augment_options, flip), AUGMENT_FLIP},
    {"alternating-flip", offsetof(struct weft_augment_options, flip),
     AUGMENT_ALTERNATE_FLIP},
    {"trivial-augment", offsetof(struct weft_augment_options, trivial), 1},
};

static const char *const borders[] = {"reflect", "zeros", NULL};

/* The options; `max` of names 0. */
static const struct {
    const char *name;
    size_t offset;
    bool is_float;
    float max;
    const char *const *names;
} fields[] = {
    {"shift", offsetof(struct weft_augment_options, shift), false, AUGMENT_MAX_EXTENT,
     NULL},
    {"border", offsetof(struct weft_augment_options, zeros), false, 0, borders},
    {"cutout", offsetof(struct weft_augment_options, cutout), false, AUGMENT_MAX_EXTENT,
     NULL},
    {"erase", offsetof(struct weft_augment_options, erase), true, 1, NULL},
    {"crop", offsetof(struct weft_augment_options, crop), true, 1, NULL},
    {"rotate", offsetof(struct weft_augment_options, rotate), true, 180, NULL},
    {"scale", offsetof(struct weft_augment_options, scale), true, 0.5f, NULL},
    {"shear", offsetof(struct weft_augment_options, shear), true, 1, NULL},
    {"translate", offsetof(struct weft_augment_options, translate), true, 1, NULL},
    {"brightness", offsetof(struct weft_augment_options, brightness), true, 1, NULL},
    {"contrast", offsetof(struct weft_augment_options, contrast), true, 1, NULL},
    {"saturation", offsetof(struct weft_augment_options, saturation), true, 1, NULL},
    {"mixup", offsetof(struct weft_augment_options, mixup), true, 4, NULL},
    {"cutmix", offsetof(struct weft_augment_options, cutmix), true, 4, NULL},
    {"unmixed", offsetof(struct weft_augment_options, unmixed), true, 1, NULL},
};

static enum weft_status parse_word(struct weft_line_parser *parser, const char *word,
                                   struct weft_augment_options *out)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(words); i++) {
        int *field = (int *)(void *)((char *)out + words[i].offset);
        if (strcmp(word, words[i].name))
            continue;
        if (*field)
            return weft_line_parser_fail(parser, "augment: \"%s\" is one too many", word);
        *field = words[i].value;
        parser->next++;
        return WEFT_OK;
    }
    const char *names[WEFT_ARRAY_SIZE(words) + WEFT_ARRAY_SIZE(fields)];
    char close[WEFT_SUGGESTION];
    int count = 0;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(words); i++)
        names[count++] = words[i].name;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(fields); i++)
        names[count++] = fields[i].name;
    return weft_line_parser_fail(
        parser,
        "augment has no \"%s\": its words are flip, "
        "alternating-flip and trivial-augment, the rest are options, as in shift=2%s",
        word, weft_suggestion(word, names, count, close));
}

static enum weft_status parse_field(struct weft_line_parser *parser, size_t i,
                                    struct weft_augment_options *out)
{
    void *field = (char *)out + fields[i].offset;
    if (fields[i].names)
        return weft_line_parser_option_name(parser, fields[i].name, fields[i].names,
                                            field);
    if (fields[i].is_float)
        return weft_line_parser_option_float(parser, fields[i].name, 0, fields[i].max,
                                             field);
    const char *text = weft_line_parser_option(parser, fields[i].name);
    return text ? weft_line_parser_int(parser, fields[i].name, text, 0,
                                       (int)fields[i].max, field)
                : WEFT_OK;
}

enum weft_status weft_augment_parse(struct weft_line_parser *parser,
                                    struct weft_augment_options *out)
{
    const char *word = weft_line_parser_peek(parser);
    *out = (struct weft_augment_options){0};
    if (!word && !parser->option_count)
        return weft_line_parser_fail(parser, "augment needs words or options, as in "
                                             "\"flip shift=2\", or none");
    if (word && !strcmp(word, "none")) {
        parser->next++;
        return WEFT_OK;
    }
    for (; (word = weft_line_parser_peek(parser));)
        WEFT_TRY(parse_word(parser, word, out));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(fields); i++)
        WEFT_TRY(parse_field(parser, i, out));
    if (out->cutout && out->erase > 0)
        return weft_line_parser_fail(parser, "augment: cutout and erase are two ways to "
                                             "do the same: leave out one");
    if (out->mixup > 0 && out->cutmix > 0)
        return weft_line_parser_fail(parser, "augment: mixup and cutmix are two ways to "
                                             "mix: leave out one");
    if (out->unmixed > 0 && !weft_augment_mixes(out))
        return weft_line_parser_fail(parser,
                                     "augment: unmixed is the part that mixup or cutmix "
                                     "leaves as it is: add one of them");
    return WEFT_OK;
}

enum weft_status weft_augment_read(weft_context *ctx, const char *text,
                                   struct weft_augment_options *out)
{
    struct weft_line_parser parser = {.ctx = ctx, .where = "augment"};
    enum weft_status status = weft_line_parser_split(&parser, text, strlen(text));
    if (!status)
        status = weft_augment_parse(&parser, out);
    if (!status)
        status = weft_line_parser_check_all_used(&parser);
    return status == WEFT_ERR_FORMAT ? WEFT_ERR_ARG : status;
}

__attribute__((format(printf, 2, 3))) static void put(char out[WEFT_AUGMENT_TEXT],
                                                      const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    snprintf(out + used, WEFT_AUGMENT_TEXT - used, "%s", used ? " " : "");
    used = strlen(out);
    vsnprintf(out + used, WEFT_AUGMENT_TEXT - used, format, args);
    va_end(args);
}

void weft_augment_write(const struct weft_augment_options *options,
                        char out[WEFT_AUGMENT_TEXT])
{
    const char *base = (const char *)options;
    out[0] = 0;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(words); i++)
        if (*(const int *)(const void *)(base + words[i].offset) == words[i].value)
            put(out, "%s", words[i].name);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(fields); i++) {
        const void *field = base + fields[i].offset;
        char number[32];
        int whole;
        float real;
        memcpy(&whole, field, sizeof(whole));
        memcpy(&real, field, sizeof(real));
        if (!whole) /* +0, too */
            continue;
        if (fields[i].names) {
            put(out, "%s=%s", fields[i].name, fields[i].names[whole]);
        } else if (fields[i].is_float) {
            weft_float_write(number, sizeof(number), real);
            put(out, "%s=%s", fields[i].name, number);
        } else {
            put(out, "%s=%d", fields[i].name, whole);
        }
    }
    if (!out[0])
        put(out, "none");
}

static int fraction(float value, int one)
{
    return (int)lrintf(value * (float)one);
}

/* Quantiles of Beta(a, a) up to its median, 1/2. With s = t^a its density times dt is
 * (1 - s^(1/a))^(a - 1) ds up to a factor, which has no pole. */
static void find_quantiles(double a, int out[AUGMENT_QUANTILES])
{
    enum { STEPS = 8192, LAST = AUGMENT_QUANTILES - 1 };
    double end = pow(0.5, a), sums[STEPS + 1] = {0};
    for (int i = 0; i < STEPS; i++) {
        double middle = pow(end * (i + 0.5) / STEPS, 1 / a);
        sums[i + 1] = sums[i] + pow(1 - middle, a - 1);
    }
    for (int k = 1, i = 0; k < LAST; k++) {
        double want = sums[STEPS] * k / LAST;
        while (sums[i + 1] < want)
            i++;
        double s = i + (want - sums[i]) / (sums[i + 1] - sums[i]);
        out[k] = (int)lrint(65536 * pow(end * s / STEPS, 1 / a));
    }
    out[0] = 0;
    out[LAST] = 32768;
}

enum weft_status weft_augment_resolve(weft_context *ctx,
                                      const struct weft_augment_options *options,
                                      struct weft_shape image, const double *middle,
                                      struct weft_augment *out)
{
    static const struct weft_augment_options none;
    *out = (struct weft_augment){0};
    if (!memcmp(options, &none, sizeof(none)))
        return WEFT_OK;
    if (image.h > AUGMENT_MAX_EXTENT || image.w > AUGMENT_MAX_EXTENT)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "augment takes images of up to %dx%d, these are %dx%d",
                         AUGMENT_MAX_EXTENT, AUGMENT_MAX_EXTENT, image.h, image.w);
    *out = (struct weft_augment){.kind = AUGMENT_WHOLE_PIXELS,
                                 .flip = options->flip,
                                 .shift = options->shift,
                                 .zeros = options->zeros,
                                 .cutout = options->cutout,
                                 .erase = fraction(options->erase, 65536),
                                 .mix = options->mixup > 0    ? AUGMENT_MIXUP
                                        : options->cutmix > 0 ? AUGMENT_CUTMIX
                                                              : AUGMENT_NO_MIX,
                                 .unmixed = fraction(options->unmixed, 65536)};
    if (out->mix)
        find_quantiles((double)(options->mixup + options->cutmix), out->beta);
    const struct weft_augment whole = *out;
    out->crop = fraction(options->crop, 65536);
    out->rotate = fraction(options->rotate / 360, 65536);
    out->scale = fraction(options->scale, 16384);
    out->shear = fraction(options->shear, 16384);
    out->translate = fraction(options->translate, 65536);
    out->brightness = fraction(options->brightness, 256);
    out->contrast = fraction(options->contrast, 256);
    out->saturation = fraction(options->saturation, 256);
    out->trivial = options->trivial;
    if (!memcmp(out, &whole, sizeof(whole)))
        return WEFT_OK;
    out->kind = AUGMENT_RESAMPLED;
    for (int c = 0; c < image.c && c < (int)WEFT_ARRAY_SIZE(out->middle); c++)
        out->middle[c] = (int)lrint(middle[c] * 255);
    return WEFT_OK;
}
