/* SPDX-License-Identifier: Apache-2.0 */
/* The command `weft`: runs a subcommand. */
#include "core/app.h"
#include "core/plain_text.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

static const struct app_command *const commands[] = {
    &cmd_devices, &cmd_train,     &cmd_eval,     &cmd_predict, &cmd_show,
    &cmd_teach,   &cmd_calibrate, &cmd_audience, &cmd_sweep,   &cmd_verify,
    &cmd_bench,   &cmd_compare,   &cmd_explain,  &cmd_filter,  &cmd_tune,
    &cmd_serve,   &cmd_embed,     &cmd_similar,  &cmd_clean,
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(*commands) };

/* Manuals: docs/datasets.md, docs/network-language.md, docs/prediction.md,
 * docs/training.md. */
extern const char help_data[], help_net[], help_prediction[], help_training[];
static const struct {
    const char *name, *text, *summary;
} topics[] = {
    {"data", help_data, "datasets: folders of images, CSV, NPY, NPZ, IDX"},
    {"net", help_net, "the language of networks"},
    {"prediction", help_prediction, "formats, standard input, labels, sorting files"},
    {"training", help_training, "several runs in one command, time limits, logs"},
};
enum { TOPIC_COUNT = sizeof(topics) / sizeof(*topics) };

static void print_help(FILE *out)
{
    fputs("weft: convolutional networks on any OpenCL device\n\n", out);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        int column = fprintf(out, "  weft %-9s  ", commands[i]->args.name);
        term_wrap(out, commands[i]->args.summary, column, column, 80);
    }
    fputc('\n', out);
    for (int i = 0; i < TOPIC_COUNT; i++)
        fprintf(out, "  weft help %-10s  %s\n", topics[i].name, topics[i].summary);
    fputs(
        "\n"
        "  weft devices\n"
        "  weft train --data fashion-mnist --net small --out runs/a\n"
        "  weft predict runs/a/best.safetensors shoe.jpg\n"
        "\n"
        "weft help COMMAND describes a command, weft --version prints the version.\n"
        "Exit codes: 0 success, 1 failure, 2 usage, 3 no such device, 4 bad input file,\n"
        "5 verification or threshold failed, 130 interrupted after a checkpoint.\n",
        out);
}

static const struct app_command *find(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (int i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i]->args.name;
        if (!strcmp(names[i], name))
            return commands[i];
    }
    char close[WEFT_SUGGESTION];
    fprintf(stderr, "weft: there is no command '%s'%s\nweft help lists the commands\n",
            plain_text(name), weft_suggestion(name, names, COMMAND_COUNT, close));
    return NULL;
}

static enum app_exit help_for(int argc, char **argv)
{
    if (argc < 3) {
        print_help(stdout);
        return APP_OK;
    }
    for (int i = 0; i < TOPIC_COUNT; i++)
        if (!strcmp(topics[i].name, argv[2])) {
            fputs(topics[i].text, stdout);
            return APP_OK;
        }
    const struct app_command *command = find(argv[2]);
    if (!command)
        return APP_USAGE;
    args_help(stdout, &command->args);
    return APP_OK;
}

static enum app_exit run_command(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return APP_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        printf("weft %s\n", weft_version());
        return APP_OK;
    }
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
        return help_for(argc, argv);
    if (*name == '-') {
        fprintf(stderr,
                "weft: an option needs a command before it: weft COMMAND %s\n"
                "weft help lists the commands\n",
                plain_text(name));
        return APP_USAGE;
    }
    const struct app_command *command = find(name);
    return command ? app_run(command, argc - 1, argv + 1) : APP_USAGE;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* a closed pipe becomes a write error */
    enum app_exit code = run_command(argc, argv);
    if (code != APP_OK || term_flush_stdout())
        return code;
    fprintf(stderr, "weft: writing to stdout: %s\n", strerror(errno));
    return APP_FAILED;
}
