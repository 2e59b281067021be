/* SPDX-License-Identifier: Apache-2.0 */
/* The host backend: device, threads, lists and sums. Every primitive is a loop over
 * items that own their outputs. Sums are in double, in a fixed order, and rounded
 * once: results do not depend on the number of threads. */
#ifndef WEFT_CPU_CPU_H
#define WEFT_CPU_CPU_H

#include "device/backend.h"

struct weft_mem {
    size_t bytes; /* as requested; WEFT_BUFFER_PADDING more are allocated */
    unsigned char *data;
};

/* Body of a loop over items, run by persistent threads and the caller. */
typedef void cpu_work(const void *args, size_t item);

/* Workspace of one primitive in floats, from cpu_begin to the next. */
void cpu_begin(struct weft_command_list *list);
struct weft_view cpu_scratch(struct weft_command_list *list, size_t count);

/* cast.c. Loops are in float32: cpu_cast_input_to_fp32 replaces *view by a float32 copy
 * made before the primitive; outputs go to cpu_fp32_output, and cpu_append_output
 * converts them. A float32 view is unchanged. */
enum weft_status cpu_cast_input_to_fp32(struct weft_command_list *list,
                                        struct weft_view *view);
struct weft_view cpu_fp32_output(struct weft_command_list *list, struct weft_view view);
/* Appends a loop that writes `from`, the cpu_fp32_output of `to`, and the conversion;
 * nothing where `to` is absent. */
enum weft_status cpu_append_output(struct weft_command_list *list, size_t items,
                                   cpu_work *work, const void *args, size_t size,
                                   struct weft_view from, struct weft_view to);

struct cpu_threads;
/* `count` threads including the caller; fewer if the system provides fewer. NULL: out
 * of memory. */
struct cpu_threads *cpu_threads_create(int count);
void cpu_threads_destroy(struct cpu_threads *threads);
int cpu_threads_count(const struct cpu_threads *threads);
/* Returns after work(args, item) has returned for every item below `items`. */
void cpu_parallel(struct cpu_threads *threads, size_t items, cpu_work *work,
                  const void *args);

struct cpu_device {
    struct weft_device base;
    struct cpu_threads *threads;
};

/* Appends a loop to the list; copies `size` bytes of `args`. */
enum weft_status cpu_append(struct weft_command_list *list, size_t items, cpu_work *work,
                            const void *args, size_t size);

/* The first element of a view; NULL if absent. */
static inline void *cpu_data(struct weft_view view, size_t size)
{
    return view.mem ? view.mem->data + view.offset * size : NULL;
}

static inline float *cpu_floats(struct weft_view view)
{
    return cpu_data(view, sizeof(float));
}

static inline uint32_t *cpu_words(struct weft_view view)
{
    return cpu_data(view, sizeof(uint32_t));
}

static inline int32_t *cpu_ints(struct weft_view view)
{
    return cpu_data(view, sizeof(int32_t));
}

static inline uint8_t *cpu_bytes(struct weft_view view)
{
    return cpu_data(view, 1);
}

static inline uint16_t *cpu_fp16s(struct weft_view view)
{
    return cpu_data(view, sizeof(uint16_t));
}

/* Elementwise loops: item i is elements [i * CPU_CHUNK, cpu_chunk_end(i, count)). */
enum { CPU_CHUNK = 4096 };

static inline size_t cpu_chunks(size_t count)
{
    return (count + CPU_CHUNK - 1) / CPU_CHUNK;
}

static inline size_t cpu_chunk_end(size_t item, size_t count)
{
    size_t end = (item + 1) * CPU_CHUNK;
    return end < count ? end : count;
}

/* Channels are processed in blocks of at most CPU_BLOCK, whose sums are on the stack.
 * Inner loops have a constant length, which compilers vectorize at -O2. */
enum { CPU_BLOCK = 64, CPU_LANES = 8 };

/* Length of the block that begins at `channel`; a block does not cross groups of
 * `per_group` channels. */
static inline int cpu_block(int channel, int per_group)
{
    int left = per_group - channel % per_group;
    return left < CPU_BLOCK ? left : CPU_BLOCK;
}

/* sum += a[0] * its row + a[1] * the next row + ..., in this order; rows are `step`
 * apart. Sums of CPU_STRIP channels stay in registers. */
enum { CPU_STRIP = 32 };
static inline void cpu_add_rows(double *restrict sum, const float *restrict a, int terms,
                                const float *restrict rows, size_t step, int count)
{
    int j = 0;
    for (; j + CPU_STRIP <= count; j += CPU_STRIP) {
        double strip[CPU_STRIP];
        for (int lane = 0; lane < CPU_STRIP; lane++)
            strip[lane] = sum[j + lane];
        for (int i = 0; i < terms; i++)
            for (int lane = 0; lane < CPU_STRIP; lane++)
                strip[lane] += (double)a[i] * (double)rows[(size_t)i * step + j + lane];
        for (int lane = 0; lane < CPU_STRIP; lane++)
            sum[j + lane] = strip[lane];
    }
    for (int i = 0; i < terms; i++)
        for (int k = j; k < count; k++)
            sum[k] += (double)a[i] * (double)rows[(size_t)i * step + k];
}

/* sum += a * row. */
static inline void cpu_add_scaled(double *restrict sum, double a,
                                  const float *restrict row, int count)
{
    int j = 0;
    for (; j + CPU_LANES <= count; j += CPU_LANES)
        for (int lane = 0; lane < CPU_LANES; lane++)
            sum[j + lane] += a * (double)row[j + lane];
    for (; j < count; j++)
        sum[j] += a * (double)row[j];
}

/* Inner product with CPU_LANES accumulators. */
static inline double cpu_dot(const double *a, const float *b, int count)
{
    double sum[CPU_LANES] = {0}, rest = 0;
    int j = 0;
    for (; j + CPU_LANES <= count; j += CPU_LANES)
        for (int lane = 0; lane < CPU_LANES; lane++)
            sum[lane] += a[j + lane] * (double)b[j + lane];
    for (; j < count; j++)
        rest += a[j] * (double)b[j];
    for (int lane = 0; lane < CPU_LANES; lane++)
        rest += sum[lane];
    return rest;
}

/* Output row of the window that has input row `at` as its row `tap` (times dilation);
 * -1: none. The same for columns. */
static inline int cpu_window_of(int at, int tap, int pad, int stride, int out)
{
    int start = at + pad - tap;
    return start >= 0 && start % stride == 0 && start / stride < out ? start / stride
                                                                     : -1;
}

/* z = f(z). */
void cpu_activate(struct weft_activation activation, double *z, size_t count);
/* gradient *= f'(x, y); `x` may be NULL if the derivative follows from y, `y` if it is
 * not needed. */
void cpu_apply_act_grad(struct weft_activation activation, double *gradient,
                        const float *x, const float *y, size_t count);

/* True if `value` replaces the earlier `best`. */
static inline bool cpu_is_new_max(float value, float best)
{
    return value > best || value != value;
}

/* Updates a running maximum and, unless NULL, its position with the values at window
 * position `place`. The earlier position wins a tie; a NaN wins over numbers. */
static inline void cpu_update_max(float *restrict best, uint8_t *restrict argmax,
                                  const float *restrict values, int count, int place,
                                  bool first)
{
    if (argmax)
        for (int i = 0; i < count; i++)
            argmax[i] =
                first || cpu_is_new_max(values[i], best[i]) ? (uint8_t)place : argmax[i];
    for (int i = 0; i < count; i++)
        best[i] = first || cpu_is_new_max(values[i], best[i]) ? values[i] : best[i];
}

#define PRIMITIVE(name, args, output)                           \
    enum weft_status cpu_##name(struct weft_command_list *list, \
                                const struct weft_##args##_args *args);
#include "device/primitives.def"
#include "util/multiversion.h"
#undef PRIMITIVE

#endif
