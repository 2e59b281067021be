/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of the ops: random cases, run on the device and on the reference, compared
 * within error bounds, reported.
 *
 * A case is one geometry: its tensors, and its runs (forward, backward-data, ...), each
 * recorded once on either side and replayed for several fills of the tensors. All random
 * choices depend on seed, op and number of the case alone, so that a case is the same on
 * every device. */
#ifndef WEFT_VERIFY_VERIFY_H
#define WEFT_VERIFY_VERIFY_H

#include <weft/verify.h>

#include "device/backend.h"
#include "lab/compare.h"
#include "lab/tensors.h"
#include "shared/state.h"

/* Largest relative error of rounding to nearest. */
#define FP32_UNIT_ROUNDOFF 0x1p-24
/* An ulp relative to a normal number, at most. */
#define FP32_EPSILON 0x1p-23
/* A device may flush smaller numbers to zero (OpenCL 1.2, section 7.5.3). */
#define FP32_MIN_NORMAL 0x1p-126

/* One call of weft_verify. */
struct verify_context {
    struct weft_device *device[LAB_SIDE_COUNT];
    const struct weft_verify_params *params;
    struct weft_verify_result *result;
    int op, number;              /* of the case */
    int end;                     /* number behind the last case */
    struct lab_random random;    /* the case's stream */
    uint32_t random_config_seed; /* of the device's lists */
    char first_fault[768];
};

/* verify.c. weft_verify with a given reference, for tests of the checks. */
enum weft_status verify_with_reference(struct weft_device *device,
                                       struct weft_device *reference,
                                       const struct weft_verify_params *params,
                                       struct weft_verify_result *out);

/* The check of an op: makes one random case and runs it. */
struct verify_check {
    const char *name;
    enum weft_status (*run)(struct verify_context *k);
    bool supports_fp16; /* has tensors that may be float16 */
};
#define VERIFY_CHECK(name) extern const struct verify_check verify_##name;
#include "verify/checks.def"
#undef VERIFY_CHECK

/* random_shapes.c. One axis of a window that moves over an image. */
struct window_axis {
    int in, window, stride, dilation, before, after, out;
};
enum padding_mode { PADDING_VALID, PADDING_SAME, PADDING_ASYMMETRIC };
/* Sets padding and `out`; makes `in` large enough for one window. */
void window_axis_resolve(struct verify_context *k, struct window_axis *axis,
                         enum padding_mode padding);
/* A random pool over rows x columns: windows that overlap, touch, or leave a rest. */
void random_pool(struct verify_context *k, struct weft_pool *pool);
/* The largest number of windows that contain one position. */
int pool_max_overlap(const struct weft_pool *pool);
struct weft_activation random_activation(struct verify_context *k, bool grad_from_output);
/* `exact`: such that integers stay exact, if the activation can. */
struct weft_activation random_act_parameters(struct verify_context *k, enum weft_act act,
                                             bool exact);
/* Largest and *least number of multiply-adds of a case; one in four is large, for tiles.
 * */
enum { TYPICAL_CASE_MACS = 60000 };
double random_case_macs(struct verify_context *k, double *least);
double conv_macs(const struct weft_conv *v);
void random_conv(struct verify_context *k, struct weft_conv *v);

struct verify_case;
typedef enum weft_status (*verify_record_fn)(const struct verify_case *c,
                                             enum lab_side side,
                                             struct weft_command_list *list);

enum { VERIFY_MAX_OUTPUTS = 9, VERIFY_MAX_RUNS = 12 };

struct verify_run {
    const char *what; /* "backward-data" */
    verify_record_fn record;
    struct weft_command_list_params list_params;
    struct lab_tensor *outputs[VERIFY_MAX_OUTPUTS + 1]; /* NULL after the last */
    int replays;                                        /* in a row, at least 1 */
    bool unsupported; /* refused by the device: reported once, not repeated */
    struct weft_command_list *list[LAB_SIDE_COUNT];
};

/* The first member of every op's case. */
struct verify_case {
    struct lab_case lab;
    struct verify_context *check;
    char text[640]; /* describes the case */
    int run_count;
    struct verify_run runs[VERIFY_MAX_RUNS];
};

/* case.c */
void case_init(struct verify_case *c, struct verify_context *k);
void case_finish(struct verify_case *c);
/* Appends to the case's text. */
void case_describe(struct verify_case *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True: the checks are of float16. */
bool is_fp16_run(const struct verify_context *k);
/* Then the tensor is float16 on the device, with this chance. */
void tensor_set_fp16(struct verify_case *c, struct lab_tensor *t, int percent);
/* `writes` ends in the first NULL. */
struct verify_run *case_add_run(struct verify_case *c, const char *what,
                                verify_record_fn record,
                                struct lab_tensor *const writes[]);
/* Allocates all tensors and their bounds, in one buffer or in own buffers. */
enum weft_status case_allocate(struct verify_case *c);
/* Bounds of all tensors to zero, no tensor left out of comparisons. */
void bounds_zero(struct verify_case *c);
/* Records and finalizes the list of one side, unless it has been. */
enum weft_status run_record(struct verify_case *c, struct verify_run *run,
                            enum lab_side side);
/* Runs on one side, from the initial contents. */
enum weft_status run_execute(struct verify_case *c, struct verify_run *run,
                             enum lab_side side);
/* Runs the reference with the absolute value of every float: sums of |a b|, for bounds.
 * */
enum weft_status run_reference_abs(struct verify_case *c, struct verify_run *run);

/* The a-priori bound of a sum of `terms` products, relative to sum |a b| (Higham,
 * "Accuracy and stability of numerical algorithms", section 3.1); any order. */
double gamma_bound(double terms);
/* The same for products as the device computes them in this run. */
double products_error_bound(struct verify_case *c, struct verify_run *run, double terms);

/* report.c. Runs both sides, the device twice, compares, and reports. */
enum weft_status run_and_compare(struct verify_case *c, struct verify_run *run,
                                 const char *fill);
/* Reports a result; `fault` NULL: passed. */
void report_result(struct verify_case *c, const char *what, const char *fill,
                   double worst, const char *fault);

/* gradcheck.c. The gradient of L = sum coefficient y along a random direction of +-1,
 * against the central difference of L. */
struct gradient_check {
    const char *what; /* "dw" */
    struct verify_run *forward, *backward;
    struct lab_tensor *input, *output, *gradient;
    struct lab_tensor *coefficients; /* dy; NULL: all are 1 / batch */
    int batch;
    struct lab_tensor *argmax;         /* written by forward, read by backward; or NULL */
    struct lab_tensor *act_output;     /* set from the input; NULL: no activation */
    struct weft_activation activation; /* the one that makes act_output */
    double step;
    bool rounded; /* numbers are; or the op is curved. False: all are exact */
};
enum weft_status verify_gradient(struct verify_case *c,
                                 const struct gradient_check *slope, enum lab_side side);

/* act_bounds.c. The activations in double, and error bounds of a device's. */
double act_reference(struct weft_activation a, double x);
double act_gradient_reference(struct weft_activation a, double x, double y);
/* True if integers in the range of the checks have exact outputs and derivatives. */
bool act_is_exact(struct weft_activation a);
bool act_is_kinked(struct weft_activation a);
/* By how much an integer times f' may be off, as a share of the integer: 0 where f' is a
 * float. */
double act_gradient_rounding(double gradient);
/* x, or a point beyond it with no kink within `step`; multiples of `step` stay such. */
double act_off_kink(struct weft_activation a, double x, double step);
/* Adds the name and parameters behind `what`. */
void case_describe_act(struct verify_case *c, const char *what, struct weft_activation a);
/* |x| is at most `x_size` and known to `x_bound`; y = f(x). */
double act_error_bound(struct weft_activation a, double x_size, double x_bound, double y);
/* Error bound of f'(x) where x is known to x_bound. */
double act_gradient_error_bound(struct weft_activation a, double x, double x_bound);
/* Every eighth element becomes a value where no activation has the derivative 0, so that
 * a gradient of zeros alone is a fault whatever else was drawn. */
void tensor_set_passing(struct verify_case *c, struct lab_tensor *t, float value);
/* Possible outputs of an activation; exact: multiples of 1/4. */
void tensor_fill_act_outputs(struct verify_case *c, struct lab_tensor *t,
                             struct weft_activation a, bool exact);

#endif
