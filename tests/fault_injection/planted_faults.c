/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that the checks can fail: the CPU backend is wrapped so that one primitive is
 * wrong in one way (planted_faults.c), and weft_verify must report it. */
#include "fault_injection/planted_faults.h"

#include "verify/verify.h"

#include <stdio.h>
#include <string.h>

enum { CASES = 60 };

static const struct fault *planted;
static struct recorded_primitive
    launches[2 * VERIFY_MAX_RUNS]; /* `list` NULL: a free place */

static struct recorded_primitive *find_record(const struct weft_command_list *list)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(launches); i++)
        if (launches[i].list == list)
            return &launches[i];
    return NULL;
}

/* Stores the call that is at fault, and modifies a copy for the CPU backend. */
static union weft_primitive_args inject_fault(struct weft_command_list *list,
                                              enum weft_primitive slot, const void *args,
                                              size_t size, struct weft_view out)
{
    union weft_primitive_args copy = {0};
    memcpy(&copy, args, size);
    if (slot != planted->primitive)
        return copy;
    struct recorded_primitive *l = find_record(NULL);
    if (l)
        *l = (struct recorded_primitive){
            .list = list, .args = copy, .device = list->device, .out = out};
    if (planted->modify)
        planted->modify(&copy);
    return copy;
}

#define PRIMITIVE(name, type, output)                                                    \
    static enum weft_status wrapped_##name(struct weft_command_list *list,               \
                                           const struct weft_##type##_args *args)        \
    {                                                                                    \
        union weft_primitive_args copy = inject_fault(list, WEFT_PRIMITIVE_##name, args, \
                                                      sizeof(*args), args->output);      \
        return weft_backend_cpu.primitives->name(list, &copy.name);                      \
    }
#include "device/primitives.def"
#undef PRIMITIVE

static const struct weft_primitives wrapped_primitives = {
#define PRIMITIVE(name, args, output) .name = wrapped_##name,
#include "device/primitives.def"
#undef PRIMITIVE
};

static enum weft_status wrapped_replay(struct weft_command_list *list)
{
    struct recorded_primitive *l = find_record(list);
    if (l && planted->before)
        planted->before(l);
    enum weft_status status = weft_backend_cpu.replay(list);
    if (l && planted->after)
        planted->after(l);
    if (l)
        l->replays++;
    return status;
}

static void wrapped_list_destroy(struct weft_command_list *list)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(launches); i++)
        if (launches[i].list == list)
            launches[i].list = NULL;
    weft_backend_cpu.list_destroy(list);
}

static struct weft_backend wrap(void)
{
    struct weft_backend b = weft_backend_cpu;
    b.replay = wrapped_replay;
    b.list_destroy = wrapped_list_destroy;
    b.primitives = &wrapped_primitives;
    return b;
}

struct first_failure {
    char what[96], detail[1200], op[32];
    int number;
};

static void record_first_failure(void *priv, const struct weft_verify_case *checked)
{
    struct first_failure *first = priv;
    if (checked->passed || first->what[0])
        return;
    snprintf(first->what, sizeof(first->what), "%s", checked->direction);
    snprintf(first->detail, sizeof(first->detail), "%s", checked->detail);
    snprintf(first->op, sizeof(first->op), "%s", checked->op);
    first->number = checked->index;
}

/* True: weft_verify reports the fault; with both sides at fault, a gradient check first.
 */
static bool require_detected(struct weft_device *device, struct weft_device *reference,
                             const struct fault *fault)
{
    struct first_failure first = {0};
    struct weft_verify_result result;
    const struct weft_verify_params params =
        *weft_verify_params(.op = fault->op, .cases = CASES, .tiny_shapes = true,
                            .precision = fault->half ? WEFT_PRECISION_FLOAT16
                                                     : WEFT_PRECISION_FLOAT32,
                            .seed = 1, .report = record_first_failure, .priv = &first);
    planted = fault;
    enum weft_status status = verify_with_reference(device, reference, &params, &result);
    bool found = status == WEFT_ERR_MISMATCH && result.failed > 0 &&
                 (!fault->both || !strncmp(first.what, "gradient", 8));
    if (fault->primitive == WEFT_PRIMITIVE_COUNT)
        found = status == WEFT_OK && result.passed > 0;
    printf("%s %s: %s: %d of %d; %s: %s\n", found ? "ok  " : "FAIL",
           fault->op ? fault->op : "all", fault->name, result.failed,
           result.failed + result.passed, first.what, first.detail);
    return found;
}

/* A fault found by mixed cases is found again by its op and number alone. */
static bool require_detected_mixed(struct weft_device *device,
                                   struct weft_device *reference,
                                   const struct fault *fault)
{
    struct first_failure met = {0}, again = {0};
    struct weft_verify_result result;
    struct weft_verify_params params =
        *weft_verify_params(.mixed_cases = 200, .tiny_shapes = true, .seed = 3,
                            .report = record_first_failure, .priv = &met);
    planted = fault;
    enum weft_status status = verify_with_reference(device, reference, &params, &result);
    params = *weft_verify_params(.op = met.op, .first_case = met.number, .cases = 1,
                                 .tiny_shapes = true, .seed = 3,
                                 .report = record_first_failure, .priv = &again);
    bool found =
        status == WEFT_ERR_MISMATCH && !strcmp(met.op, fault->op) &&
        verify_with_reference(device, reference, &params, &result) == WEFT_ERR_MISMATCH &&
        !strcmp(met.detail, again.detail);
    printf("%s mixed cases: %s: met %s, again %s\n", found ? "ok  " : "FAIL", fault->name,
           met.detail, again.detail);
    return found;
}

static enum weft_status open_two(weft_context *context, struct weft_device *two[2])
{
    int index;
    WEFT_TRY(weft_device_find(context, "cpu", &index, NULL));
    for (int i = 0; i < 2; i++)
        WEFT_TRY(weft_device_open(context, index, NULL, &two[i]));
    return WEFT_OK;
}

int main(void)
{
    static const struct fault none = {.name = "nothing planted",
                                      .primitive = WEFT_PRIMITIVE_COUNT};
    static const struct fault none_half = {.name = "nothing planted, float16",
                                           .primitive = WEFT_PRIMITIVE_COUNT,
                                           .half = true};
    static const struct fault *const lists[] = {layer_faults, channel_faults,
                                                training_faults, half_faults};
    const struct weft_backend wrapped = wrap();
    struct weft_device *two[2] = {NULL, NULL};
    weft_context *context = NULL;
    int failed = 0, count = 0;
    if (weft_context_create(&context, weft_context_params(.no_opencl = true)) ||
        open_two(context, two)) {
        printf("FAIL %s\n", weft_error(context));
        weft_context_destroy(&context);
        return 1;
    }
    two[0]->backend = &wrapped;
    failed += !require_detected(two[0], two[1], &none) +
              !require_detected(two[0], two[1], &none_half);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(lists); i++)
        for (const struct fault *fault = lists[i]; fault->name; fault++, count++) {
            two[1]->backend = fault->both ? &wrapped : &weft_backend_cpu;
            failed += !require_detected(two[0], two[1], fault);
        }
    two[1]->backend = &weft_backend_cpu;
    failed += !require_detected_mixed(two[0], two[1], &layer_faults[0]);
    printf("%d faults planted, %d not reported\n", count, failed);
    for (int i = 0; i < 2; i++)
        weft_device_close(&two[i]);
    weft_context_destroy(&context);
    return failed ? 1 : 0;
}
