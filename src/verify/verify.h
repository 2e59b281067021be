/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of the ops share: random cases, memory with guard zones on the device
 * and on the reference, running both, comparing, telling.
 *
 * A case is one geometry: its tensors, and its runs (forward, backward-data, ...), each
 * recorded once on either side and replayed for several fills of the tensors. Everything
 * that is drawn depends on seed, op and number of the case alone, so that a case is the
 * same on every device. */
#ifndef WEFT_VERIFY_VERIFY_H
#define WEFT_VERIFY_VERIFY_H

#include "device/backend.h"
#include "shared/random.h"
#include "shared/state.h"

enum verify_side { VERIFY_DEVICE, VERIFY_REFERENCE, VERIFY_SIDE_COUNT };

/* Rounding to nearest errs by at most this share of the result. */
#define FP32_UNIT_ROUNDOFF 0x1p-24
/* An ulp is at most this share of a normal number. */
#define FP32_EPSILON 0x1p-23
/* Below this a device may flush to zero (OpenCL 1.2, section 7.5.3). */
#define FP32_MIN_NORMAL 0x1p-126

/* One weft_verify under way. */
struct verify_context {
    struct weft_device *device[VERIFY_SIDE_COUNT];
    const struct weft_verify_params *params;
    struct weft_verify_result *result;
    int op, number;             /* of the case, */
    int end;                    /* and of the one behind the last */
    uint32_t random_words_used; /* words taken from the case's random stream */
    struct weft_random words;
    uint32_t random_config_seed; /* of the device's lists */
    char first_fault[768];
};

/* verify.c. What weft_verify does, with the reference given: for tests of the checks. */
enum weft_status verify_with_reference(struct weft_device *device,
                                       struct weft_device *reference,
                                       const struct weft_verify_params *params,
                                       struct weft_verify_result *out);

/* An op's check draws one case and runs it. */
struct verify_op {
    const char *name;
    enum weft_status (*run)(struct verify_context *k);
    bool supports_fp16; /* has tensors that may be float16 */
};
extern const struct verify_op verify_conv, verify_dense, verify_pool, verify_act,
    verify_add, verify_dropout, verify_softmax, verify_loss, verify_input,
    verify_optimizer, verify_norm, verify_fold, verify_convert, verify_memory;

/* draw.c. Random numbers of the case. Ranges include both ends. */
uint32_t random_bits(struct verify_context *k);
int random_int(struct verify_context *k, int low, int high);
float random_float(struct verify_context *k, float low, float high);
bool random_bool(struct verify_context *k, int percent);
int random_choice(struct verify_context *k, const int *values, size_t count);
#define RANDOM_CHOICE(k, ...)                      \
    random_choice((k), (const int[]){__VA_ARGS__}, \
                  sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* One axis of a window that moves over an image. */
struct window_axis {
    int in, window, stride, dilation, before, after, out;
};
enum padding_mode { PADDING_VALID, PADDING_SAME, PADDING_ASYMMETRIC };
/* Works out padding and `out`; makes `in` large enough for one window. */
void window_axis_resolve(struct verify_context *k, struct window_axis *axis,
                         enum padding_mode padding);
/* A pool over rows x columns, drawn: windows that overlap, touch, or leave a rest. */
void random_pool(struct verify_context *k, struct weft_pool *pool);
/* In how many windows a place may lie. */
int pool_max_overlap(const struct weft_pool *pool);
struct weft_activation random_activation(struct verify_context *k, bool grad_from_output);
/* How many multiply-adds a case may and should have; one in four is large, for tiles. */
enum { TYPICAL_CASE_MACS = 60000 };
double random_case_macs(struct verify_context *k, double *least);
double conv_macs(const struct weft_conv *v);
void random_conv(struct verify_context *k, struct weft_conv *v);

enum verify_type { VERIFY_FLOAT, VERIFY_BYTE, VERIFY_INT32 };

struct verify_tensor {
    const char *name;
    enum verify_type type;
    int n, h, w, c; /* for telling a place */
    size_t count;
    int block; /* where it lies: case.blocks, and the byte there */
    size_t at;
    double *bound;     /* by how much an element may differ; words: 0 compares bits */
    bool half;         /* the device has it as float16; here it is float32 all the same */
    bool is_in_out;    /* a run that writes it reads it too */
    bool may_be_zero;  /* zeros are no reason for mistrust */
    bool not_compared; /* not compared in this fill: there are several right answers */
    bool allow_nonfinite; /* in this fill infinities and NaN are right answers */
    bool nan_may_spread;  /* and a NaN may show in what is computed together with it */
};

/* One buffer on either side; `image` is what it is given before a replay. */
struct verify_buffer {
    size_t bytes;
    unsigned char *image, *spare, *result[VERIFY_SIDE_COUNT];
    struct weft_mem *mem[VERIFY_SIDE_COUNT];
    size_t
        overrun_at; /* a byte behind a tensor of float16 that was overwritten; 0: none */
};

struct verify_case;
typedef enum weft_status (*verify_record_fn)(const struct verify_case *c,
                                             enum verify_side side,
                                             struct weft_command_list *list);

enum { VERIFY_MAX_OUTPUTS = 9, VERIFY_MAX_TENSORS = 16, VERIFY_MAX_RUNS = 12 };

struct verify_run {
    const char *what; /* "backward-data" */
    verify_record_fn record;
    struct weft_command_list_params list_params;
    struct verify_tensor *outputs[VERIFY_MAX_OUTPUTS + 1]; /* NULL after the last */
    int replays;                                           /* in a row, at least 1 */
    bool unsupported; /* the device refused it: told once, not tried again */
    struct weft_command_list *list[VERIFY_SIDE_COUNT];
};

/* What the ops' own cases begin with. */
struct verify_case {
    struct verify_context *check;
    char text[640];
    int tensor_count, run_count, block_count;
    struct verify_tensor tensors[VERIFY_MAX_TENSORS];
    struct verify_run runs[VERIFY_MAX_RUNS];
    struct verify_buffer blocks[VERIFY_MAX_TENSORS];
};

/* case.c */
void case_init(struct verify_case *c, struct verify_context *k);
void case_finish(struct verify_case *c);
/* Adds to the text that tells the case. */
void case_describe(struct verify_case *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* n x h x w x c elements. */
struct verify_tensor *case_add_tensor(struct verify_case *c, const char *name,
                                      enum verify_type type, int n, int h, int w, int c4);
/* half.c. Whether the checks are of float16. */
bool is_fp16_run(const struct verify_context *k);
/* Then the tensor is float16 on the device, with this chance. */
void tensor_set_fp16(struct verify_case *c, struct verify_tensor *t, int percent);
/* Its values become what float16 can hold; so do those of fills. */
void tensor_quantize(struct verify_case *c, struct verify_tensor *t);
/* A block's bytes as the device has them, from float32, and back. */
void buffer_pack_fp16(const struct verify_case *c, int block, unsigned char *bytes);
void buffer_unpack_fp16(struct verify_case *c, int block, unsigned char *bytes);
/* What may be found where the reference has `want`. */
double fp16_error_bound(double want, double bound);
/* `writes` ends in NULL; NULL inside it is not allowed. */
struct verify_run *case_add_run(struct verify_case *c, const char *what,
                                verify_record_fn record,
                                struct verify_tensor *const writes[]);
/* Places all tensors, between guard zones, at odd offsets, and allocates them. */
enum weft_status case_allocate(struct verify_case *c);
/* A NULL tensor is an absent view. */
struct weft_view tensor_view(const struct verify_case *c, const struct verify_tensor *t,
                             enum verify_side side);
/* Contents: what the next replay starts from, and what the last one on a side left. */
void *tensor_initial_data(const struct verify_case *c, const struct verify_tensor *t);
const void *tensor_result(const struct verify_case *c, const struct verify_tensor *t,
                          enum verify_side side);
size_t tensor_element_size(const struct verify_tensor *t);
/* Fills of the image; a NULL tensor is skipped. */
void tensor_fill_integers(struct verify_case *c, struct verify_tensor *t, int low,
                          int high);
/* -size..size without 0, so that a sum of one product is not lost. */
void tensor_fill_nonzero(struct verify_case *c, struct verify_tensor *t, int size);
void tensor_fill_uniform(struct verify_case *c, struct verify_tensor *t, float low,
                         float high);
/* Bounds of all tensors to zero, no tensor unordered. */
void bounds_zero(struct verify_case *c);
/* Records and seals on one side, where that is still to do. */
enum weft_status run_record(struct verify_case *c, struct verify_run *run,
                            enum verify_side side);
/* Runs on one side, from the image. */
enum weft_status run_execute(struct verify_case *c, struct verify_run *run,
                             enum verify_side side);
/* Runs the reference with the absolute value of every float: sums |a b| for bounds. */
enum weft_status run_reference_abs(struct verify_case *c, struct verify_run *run);

/* compare.c. Runs both sides, the device twice, compares, and reports. */
enum weft_status run_and_compare(struct verify_case *c, struct verify_run *run,
                                 const char *fill);
/* Reports a verdict; `fault` NULL: passed. */
void report_result(struct verify_case *c, const char *what, const char *fill,
                   double worst, const char *fault);

/* Behind tensors and between them: NaN as floats and as halves, so that what is read by
 * mistake shows in the results. The bits are others at each place, so that what is copied
 * from one guard zone to another by mistake shows too. */
static inline uint32_t guard_pattern(size_t place)
{
    return 0x7FC07E80u | (uint32_t)(place % 64) << 16 | (uint32_t)(place / 64 % 128);
}

/* The a-priori bound of a sum of `terms` products, in shares of sum |a b| (Higham,
 * "Accuracy and stability of numerical algorithms", section 3.1); any order. */
double gamma_bound(double terms);
/* The same for products as the device of the run makes them. */
double products_error_bound(struct verify_case *c, struct verify_run *run, double terms);

/* winograd.c. A convolution in tiles of outputs x outputs, and the number of roundings
 * times the size of what is rounded, for each image and output channel. */
struct winograd_bound_args {
    const struct weft_conv *conv;
    int outputs;
    bool is_dgrad;  /* the data gradient: x and what comes out are its */
    const float *x; /* places of each image, with all channels */
    size_t places;
    double scale; /* by which its elements may be larger */
    const float *w;
};
void winograd_error_bound(const struct winograd_bound_args *p, double *bound);
/* The same for the gradient of weights, laid out as they are, from what is read of x and
 * of dz. */
void winograd_weights_error_bound(const struct winograd_bound_args *x,
                                  const struct winograd_bound_args *dz, double *bound);

/* slope.c. The gradient of L = sum coefficient y along a random direction of +-1,
 * against the central difference of L. */
struct gradient_check {
    const char *what; /* "dw" */
    struct verify_run *forward, *backward;
    struct verify_tensor *input, *output, *gradient;
    struct verify_tensor *coefficients; /* dy; NULL: all are 1 / count */
    struct verify_tensor *argmax;       /* made by forward, read by backward; or NULL */
    struct verify_tensor *gate;         /* made of the input; NULL: no activation */
    struct weft_activation activation;  /* before the input, with a gate */
    double step;
    double tolerance; /* relative; 0: every number on the way is exact */
};
enum weft_status verify_gradient(struct verify_case *c,
                                 const struct gradient_check *slope,
                                 enum verify_side side);

/* act.c. The activations in double, and by how much a device's may differ. */
double act_reference(struct weft_activation a, double x);
double act_gradient_reference(struct weft_activation a, double x, double y);
bool act_is_exact(struct weft_activation a);
/* |x| is at most `x_size` and known to `x_bound`; y = f(x). */
double act_error_bound(struct weft_activation a, double x_size, double x_bound, double y);
/* By how much f'(x) may differ where x is known to x_bound. */
double act_gradient_error_bound(struct weft_activation a, double x, double x_bound);
/* Outputs that an activation may have, for a gate; exact: multiples of 1/4. */
void tensor_fill_act_outputs(struct verify_case *c, struct verify_tensor *t,
                             struct weft_activation a, bool exact);

#endif
