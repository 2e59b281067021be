/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution, family `tile`, of 3x3 filters. Operands are transformed into the
 * workspace, multiplied as a grouped 1x1 convolution with a group for each transform
 * element, and the products, or their sums over all tiles, are transformed back. Kernels:
 * cl/conv/conv_winograd_tile.cl, conv_winograd_weights_tile.cl, cl/gemm/gemm_tile.cl. */
#include "opencl/runtime/primitives.h"
#include "opencl/conv/tile.h"
#include "opencl/conv/winograd.h"

/* The GEMM of all tiles: images of one pixel, a group of channels for each transform
 * element. */
static struct ocl_gemm transform_gemm_of(const struct winograd *job)
{
    int elements = (int)winograd_transform_elements(job);
    const struct weft_conv_args args = {
        .conv = weft_conv_from_gemm((int)winograd_tiles(job), elements * job->shape.c,
                                    elements * job->shape.k, elements),
    };
    return ocl_gemm_of(job->pass == OCL_PASS_BWD_WEIGHTS ? OCL_PASS_BWD_WEIGHTS
                                                         : OCL_PASS_FORWARD,
                       &args);
}

static size_t floats_of(const struct winograd *job, int channels)
{
    return (size_t)winograd_tiles(job) * (size_t)winograd_transform_elements(job) *
           (size_t)channels;
}

/* Kernels index channels of all tiles by int, transform elements by uint. */
static bool is_small(const struct ocl_device *device, const struct winograd *job)
{
    const struct weft_conv *s = &job->shape;
    size_t widest = (size_t)(s->c > s->k ? s->c : s->k);
    return (size_t)winograd_tiles(job) * widest <= INT32_MAX &&
           floats_of(job, (int)widest) <= UINT32_MAX &&
           sizeof(float) * floats_of(job, s->c + s->k) <= device->max_alloc / 2 &&
           (size_t)s->c * (size_t)s->k <= INT32_MAX / 36;
}

/* Estimated time, in multiply-adds of a matrix product. */
enum { LAUNCHES_MORE = 3 };

static double direct_cost(const struct ocl_device *device, const struct winograd *job)
{
    const struct weft_conv *s = &job->shape;
    double in = s->c, out = s->k, pixels = (double)s->n * s->out_h * s->out_w;
    return 9 * pixels * in * out + ocl_macs_per_float(device) * 9 * in * out;
}

/* Transforms read x and the products and write y and the transformed inputs, or read x
 * and dy and write both transformed, and those of weights that change write as much as
 * they read. The sums of a weight gradient are those of splits, if there are several. */
static double cost_of(const struct ocl_device *device, const struct winograd *job)
{
    const struct weft_conv *s = &job->shape;
    double in = s->c, out = s->k, pixels = (double)s->n * s->out_h * s->out_w;
    double elements = (double)winograd_transform_elements(job);
    double positions = elements * (double)winograd_tiles(job);
    double times = job->constant_weights ? 1 : 2;
    if (job->pass == OCL_PASS_BWD_WEIGHTS) {
        struct ocl_gemm p = transform_gemm_of(job);
        int splits = tile_split_k(device, &p);
        times += splits > 1 ? 2 * splits : 0;
    }
    double weights = (times * elements + 9) * in * out;
    return positions * in * out +
           ocl_macs_per_float(device) *
               ((2 * positions + pixels) * (in + out) + weights) +
           LAUNCHES_MORE * ocl_launch_macs(device);
}

/* Faster than the matrix product by a margin, and than the other tiles. */
static bool is_preferred(const struct ocl_device *device, const struct winograd *job,
                         enum ocl_conv_pass pass, const struct weft_problem *problem)
{
    const double margin = 1.1, cost = cost_of(device, job);
    if (margin * cost >= direct_cost(device, job))
        return false;
    for (int other = 2; other <= 4; other++) {
        struct winograd candidate = winograd_of(pass, problem, other);
        if (other != job->outputs && cost_of(device, &candidate) <= cost)
            return false;
    }
    return true;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            enum ocl_conv_pass pass,
                                            const struct weft_problem *problem,
                                            int outputs, int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    if (!winograd_applicable(&args->conv) ||
        (pass == OCL_PASS_BWD_WEIGHTS && args->dbias.mem))
        return OCL_NOT_APPLICABLE;
    struct winograd job = winograd_of(pass, problem, outputs);
    if (!is_small(device, &job))
        return OCL_NOT_APPLICABLE;
    struct ocl_gemm p = transform_gemm_of(&job);
    tile_select_config(device, &p, values);
    return is_preferred(device, &job, pass, problem) ? OCL_PREFERRED : OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device, const struct winograd *job,
                            const int *values)
{
    struct ocl_gemm p = transform_gemm_of(job);
    return tile_validate_config(device, &p, values);
}

static void define_weights(struct ocl_options *options, const struct winograd *job)
{
    ocl_define_conv(options, &job->shape);
    if (job->pool)
        ocl_define_pool(options, job->pool);
    ocl_define(options, "OUTPUT_TILE", job->outputs);
    ocl_define_arg_fp16(options, "X_HALF", &job->x);
    ocl_define_arg_fp16(options, "OTHER_HALF", &job->y);
}

/* A kernel with a work-item for each channel. */
static enum weft_status transform(struct weft_command_list *list,
                                  const struct winograd *job, struct ocl_launch launch,
                                  size_t items)
{
    struct ocl_options options = {""};
    if (job->pass == OCL_PASS_BWD_WEIGHTS) {
        launch.source = "conv_winograd_weights_tile.cl";
        define_weights(&options, job);
    } else {
        launch.source = "conv_winograd_tile.cl";
        winograd_define(&options, job);
        winograd_define_epilogue(&options, job);
    }
    launch.global[0] = items;
    launch.local[0] = ocl_default_work_group(ocl_device_of(list));
    return ocl_launch(list, options.text, &launch);
}

/* Room for the transformed tiles of these channels. */
static struct ocl_arg tiles_workspace(struct weft_command_list *list,
                                      const struct winograd *job, int channels)
{
    struct ocl_arg room =
        OCL_WORKSPACE(ocl_workspace(list, sizeof(float) * floats_of(job, channels)));
    return room;
}

/* Splits of the GEMM are added by its own launch. */
static enum weft_status multiply(struct weft_command_list *list,
                                 const struct winograd *job, const int *values,
                                 struct ocl_arg a, struct ocl_arg b, struct ocl_arg out)
{
    struct ocl_gemm p = transform_gemm_of(job);
    struct ocl_gemm_tiling tiling = tile_gemm_tiling(values);
    p.a = a;
    p.b = b;
    p.out = out;
    return ocl_gemm_record_kernels(list, &p, &tiling);
}

static enum weft_status weight_gradient(struct weft_command_list *list,
                                        const struct winograd *job, const int *values)
{
    const struct weft_conv *s = &job->shape;
    size_t tiles = (size_t)winograd_tiles(job), in = (size_t)s->c, out = (size_t)s->k;
    struct ocl_arg v = tiles_workspace(list, job, s->c);
    struct ocl_arg d = tiles_workspace(list, job, s->k);
    struct ocl_arg u = OCL_WORKSPACE(ocl_workspace(
        list, sizeof(float) * (size_t)winograd_transform_elements(job) * in * out));
    struct ocl_launch inputs = {
        .kernel = "winograd_bwd_weights_inputs",
        .arg_count = 3,
        .args = {job->x, v, OCL_INT(tiles)},
    };
    WEFT_TRY(transform(list, job, inputs, tiles * in));
    struct ocl_launch gradients = {
        .kernel = "winograd_bwd_weights_gradients",
        .arg_count = 4,
        .args = {job->y, OCL_VIEW(job->from), d, OCL_INT(tiles)},
    };
    WEFT_TRY(transform(list, job, gradients, tiles * out));

    WEFT_TRY(multiply(list, job, values, v, d, u));

    struct ocl_launch filters = {
        .kernel = "winograd_bwd_weights_filters",
        .arg_count = 2,
        .args = {u, job->w},
    };
    return transform(list, job, filters, in * out);
}

static enum weft_status convolve(struct weft_command_list *list,
                                 const struct winograd *job, const int *values)
{
    if (job->pass == OCL_PASS_BWD_WEIGHTS)
        return weight_gradient(list, job, values);
    const struct weft_conv *s = &job->shape;
    size_t tiles = (size_t)winograd_tiles(job), in = (size_t)s->c, out = (size_t)s->k;
    struct ocl_arg u = ocl_persistent_workspace(
        list, sizeof(float) * (size_t)winograd_transform_elements(job) * in * out);
    struct ocl_arg v = tiles_workspace(list, job, s->c);
    struct ocl_arg m = tiles_workspace(list, job, s->k);
    struct ocl_launch weights = {
        .kernel = "winograd_transform_weights",
        .arg_count = 2,
        .args = {job->w, u},
        .weights_only = true,
    };
    WEFT_TRY(transform(list, job, weights, in * out));
    struct ocl_launch inputs = {
        .kernel = "winograd_transform_inputs",
        .arg_count = 4,
        .args = {job->x, OCL_VIEW(job->from), v, OCL_INT(tiles)},
    };
    WEFT_TRY(transform(list, job, inputs, tiles * in));

    WEFT_TRY(multiply(list, job, values, v, u, m));

    struct ocl_launch outputs = {
        .kernel = "winograd_transform_outputs",
        .arg_count = 7,
        .args = {m, OCL_VIEW(job->bias), OCL_VIEW(job->act_grad), job->y,
                 OCL_VIEW(job->argmax), OCL_INT(tiles), OCL_ACT_PARAMS(job->activation)},
    };
    return transform(list, job, outputs, tiles * out);
}

WINOGRAD_DEFINE_ALGORITHMS(tile, tile_tunables, "conv_winograd_tile.cl", "gemm_tile.cl",
                           "gemm_sum.cl", "pool.cl")

WINOGRAD_DEFINE_PASS_(weights_2, OCL_PASS_BWD_WEIGHTS, 2)
WINOGRAD_DEFINE_PASS_(weights_3, OCL_PASS_BWD_WEIGHTS, 3)
WINOGRAD_DEFINE_PASS_(weights_4, OCL_PASS_BWD_WEIGHTS, 4)
#define WEIGHTS_ROW(label, pass)                                               \
    WINOGRAD_ROW_(label, pass, tile_tunables, "conv_winograd_weights_tile.cl", \
                  "gemm_tile.cl", "gemm_sum.cl", "pool.cl")

const struct ocl_algorithm tile_winograd_bwd_weights[3] = {
    WEIGHTS_ROW("winograd-2", weights_2),
    WEIGHTS_ROW("winograd-3", weights_3),
    WEIGHTS_ROW("winograd-4", weights_4),
};
