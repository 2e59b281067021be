/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of the ops share: random cases, memory with guard zones on the device
 * and on the reference, running both, comparing, telling.
 *
 * A case is one geometry: its tensors, and its runs (forward, backward-data, ...), each
 * recorded once on either side and replayed for several fills of the tensors. Everything
 * that is drawn depends on seed, op and number of the case alone, so that a case is the
 * same on every device. */
#ifndef WEFT_CHECK_H
#define WEFT_CHECK_H

#include "../backend.h"
#include "random.h"
#include "state.h"

enum check_side { CHECK_DEVICE, CHECK_REFERENCE, CHECK_SIDES };

/* Rounding to nearest errs by at most this share of the result. */
#define CHECK_UNIT 0x1p-24
/* An ulp is at most this share of a normal number. */
#define CHECK_ULP 0x1p-23
/* Below this a device may flush to zero (OpenCL 1.2, section 7.5.3). */
#define CHECK_TINY 0x1p-126

/* One weft_verify under way. */
struct check {
    struct weft_device *device[CHECK_SIDES];
    const struct weft_verify_params *params;
    struct weft_verify_result *result;
    int op, number; /* of the case, */
    int end;        /* and of the one behind the last */
    uint32_t drawn; /* words taken from the case's random stream */
    struct weft_random words;
    char first_fault[768];
};

/* verify.c. What weft_verify does, with the reference given: for tests of the checks. */
enum weft_status check_verify(struct weft_device *device, struct weft_device *reference,
                              const struct weft_verify_params *params,
                              struct weft_verify_result *out);

/* An op's check draws one case and runs it. */
struct check_op {
    const char *name;
    enum weft_status (*run)(struct check *k);
    bool halves; /* has tensors that may be float16 */
};
extern const struct check_op check_conv, check_dense, check_pool, check_act, check_add,
    check_dropout, check_softmax, check_loss, check_input, check_optimizer, check_norm,
    check_fold, check_convert, check_memory;

/* draw.c. Random numbers of the case. Ranges include both ends. */
uint32_t check_bits(struct check *k);
int check_range(struct check *k, int low, int high);
float check_real(struct check *k, float low, float high);
bool check_chance(struct check *k, int percent);
int check_pick(struct check *k, const int *values, size_t count);
#define CHECK_PICK(k, ...)                      \
    check_pick((k), (const int[]){__VA_ARGS__}, \
               sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* One axis of a window that moves over a picture. */
struct check_axis {
    int in, window, stride, dilation, before, after, out;
};
enum check_padding { CHECK_VALID, CHECK_SAME, CHECK_ASYMMETRIC };
/* Works out padding and `out`; makes `in` large enough for one window. */
void check_axis_fit(struct check *k, struct check_axis *axis, enum check_padding padding);
/* A pool over rows x columns, drawn: windows that overlap, touch, or leave a rest. */
void check_pool_draw(struct check *k, struct weft_pool *pool);
/* In how many windows a place may lie. */
int check_pool_overlap(const struct weft_pool *pool);
struct weft_activation check_act_draw(struct check *k, bool by_output);
/* How many multiply-adds a case may and should have; one in four is large, for tiles. */
enum { CHECK_USUAL_WORK = 60000 };
double check_work_draw(struct check *k, double *least);
double check_conv_work(const struct weft_conv *v);
void check_conv_draw(struct check *k, struct weft_conv *v);

enum check_type { CHECK_FLOAT, CHECK_BYTE, CHECK_WORD };

struct check_tensor {
    const char *name;
    enum check_type type;
    int n, h, w, c; /* for telling a place */
    size_t count;
    int block; /* where it lies: case.blocks, and the byte there */
    size_t at;
    double *bound;  /* by how much an element may differ; words: 0 compares bits */
    bool half;      /* the device has it as float16; here it is float32 all the same */
    bool updated;   /* a run that writes it reads it too */
    bool sparse;    /* zeros are no reason for mistrust */
    bool unordered; /* not compared in this fill: there are several right answers */
    bool unbounded; /* in this fill infinities and NaN are right answers */
    bool spreads;   /* and a NaN may show in what is computed together with it */
};

/* One buffer on either side; `image` is what it is given before a replay. */
struct check_block {
    size_t bytes;
    unsigned char *image, *spare, *result[CHECK_SIDES];
    struct weft_mem *mem[CHECK_SIDES];
    size_t stray; /* a byte behind a tensor of float16 that was overwritten; 0: none */
};

struct check_case;
typedef enum weft_status (*check_record)(const struct check_case *c, enum check_side side,
                                         struct weft_list *list);

enum { CHECK_MAX_WRITES = 9, CHECK_MAX_TENSORS = 16, CHECK_MAX_RUNS = 12 };

struct check_run {
    const char *what; /* "backward-data" */
    check_record record;
    struct check_tensor *writes[CHECK_MAX_WRITES + 1]; /* NULL after the last */
    int replays;                                       /* in a row, at least 1 */
    bool broken; /* the device refused it: told once, not tried again */
    struct weft_list *list[CHECK_SIDES];
};

/* What the ops' own cases begin with. */
struct check_case {
    struct check *check;
    char text[640];
    int tensor_count, run_count, block_count;
    struct check_tensor tensors[CHECK_MAX_TENSORS];
    struct check_run runs[CHECK_MAX_RUNS];
    struct check_block blocks[CHECK_MAX_TENSORS];
};

/* case.c */
void check_case_init(struct check_case *c, struct check *k);
void check_case_finish(struct check_case *c);
/* Adds to the text that tells the case. */
void check_tell(struct check_case *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* n x h x w x c elements. */
struct check_tensor *check_tensor_add(struct check_case *c, const char *name,
                                      enum check_type type, int n, int h, int w, int c4);
/* half.c. Whether the checks are of float16. */
bool check_halves(const struct check *k);
/* Then the tensor is float16 on the device, with this chance. */
void check_store(struct check_case *c, struct check_tensor *t, int percent);
/* Its values become what float16 can hold; so do those of fills. */
void check_round(struct check_case *c, struct check_tensor *t);
/* A block's bytes as the device has them, from float32, and back. */
void check_half_pack(const struct check_case *c, int block, unsigned char *bytes);
void check_half_unpack(struct check_case *c, int block, unsigned char *bytes);
/* What may be found where the reference has `want`. */
double check_half_bound(double want, double bound);
/* `writes` ends in NULL; NULL inside it is not allowed. */
struct check_run *check_run_add(struct check_case *c, const char *what,
                                check_record record, struct check_tensor *const writes[]);
/* Places all tensors, between guard zones, at odd offsets, and allocates them. */
enum weft_status check_case_place(struct check_case *c);
/* A NULL tensor is an absent view. */
struct weft_view check_view(const struct check_case *c, const struct check_tensor *t,
                            enum check_side side);
/* Contents: what the next replay starts from, and what the last one on a side left. */
void *check_image(const struct check_case *c, const struct check_tensor *t);
const void *check_result(const struct check_case *c, const struct check_tensor *t,
                         enum check_side side);
size_t check_element(const struct check_tensor *t);
/* Fills of the image; a NULL tensor is skipped. */
void check_integers(struct check_case *c, struct check_tensor *t, int low, int high);
/* -size..size without 0, so that a sum of one product is not lost. */
void check_nonzero(struct check_case *c, struct check_tensor *t, int size);
void check_reals(struct check_case *c, struct check_tensor *t, float low, float high);
/* Bounds of all tensors to zero, no tensor unordered. */
void check_exact(struct check_case *c);
/* Records and seals on one side, where that is still to do. */
enum weft_status check_prepare(struct check_case *c, struct check_run *run,
                               enum check_side side);
/* Runs on one side, from the image. */
enum weft_status check_replay(struct check_case *c, struct check_run *run,
                              enum check_side side);
/* Runs the reference with the absolute value of every float: sums |a b| for bounds. */
enum weft_status check_absolute(struct check_case *c, struct check_run *run);

/* compare.c. Runs both sides, the device twice, compares, and reports. */
enum weft_status check_compare(struct check_case *c, struct check_run *run,
                               const char *fill);
/* Reports a verdict; `fault` NULL: passed. */
void check_report(struct check_case *c, const char *what, const char *fill, double worst,
                  const char *fault);

/* Behind tensors and between them: NaN as floats and as halves, so that what is read by
 * mistake shows in the results. The bits are others at each place, so that what is copied
 * from one guard zone to another by mistake shows too. */
static inline uint32_t check_guard(size_t place)
{
    return 0x7FC07E80u | (uint32_t)(place % 64) << 16 | (uint32_t)(place / 64 % 128);
}

/* The a-priori bound of a sum of `terms` products, in shares of sum |a b| (Higham,
 * "Accuracy and stability of numerical algorithms", section 3.1); any order. */
double check_gamma(double terms);
/* The same for products as the device of the run makes them. */
double check_products(struct check_case *c, struct check_run *run, double terms);

/* winograd.c. A convolution in tiles of outputs x outputs, and the number of roundings
 * times the size of what is rounded, for each picture and output channel. */
struct check_winograd {
    const struct weft_conv *conv;
    int outputs;
    bool turned;    /* the data gradient: x and what comes out are its */
    const float *x; /* places of each picture, with all channels */
    size_t places;
    double scale; /* by which its elements may be larger */
    const float *w;
};
void check_winograd_bound(const struct check_winograd *p, double *bound);
/* The same for the gradient of weights, laid out as they are, from what is read of x and
 * of dz. */
void check_winograd_bound_weights(const struct check_winograd *x,
                                  const struct check_winograd *dz, double *bound);

/* slope.c. The gradient of L = sum coefficient y along a random direction of +-1,
 * against the central difference of L. */
struct check_slope {
    const char *what; /* "dw" */
    struct check_run *forward, *backward;
    struct check_tensor *input, *output, *gradient;
    struct check_tensor *coefficients; /* dy; NULL: all are 1 / count */
    struct check_tensor *argmax;       /* made by forward, read by backward; or NULL */
    struct check_tensor *gate;         /* made of the input; NULL: no activation */
    struct weft_activation activation; /* before the input, with a gate */
    double step;
    double tolerance; /* relative; 0: every number on the way is exact */
};
enum weft_status check_slope(struct check_case *c, const struct check_slope *slope,
                             enum check_side side);

/* act.c. The activations in double, and by how much a device's may differ. */
double check_act_value(struct weft_activation a, double x);
double check_act_slope(struct weft_activation a, double x, double y);
bool check_act_is_exact(struct weft_activation a);
/* |x| is at most `x_size` and known to `x_bound`; y = f(x). */
double check_act_bound(struct weft_activation a, double x_size, double x_bound, double y);
/* By how much f'(x) may differ where x is known to x_bound. */
double check_act_slope_bound(struct weft_activation a, double x, double x_bound);
/* Outputs that an activation may have, for a gate; exact: multiples of 1/4. */
void check_act_outputs(struct check_case *c, struct check_tensor *t,
                       struct weft_activation a, bool exact);

#endif
