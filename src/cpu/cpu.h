/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the CPU backend share: the device, its threads, lists, and sums.
 * Every primitive is a plain loop over items that each own their outputs. Sums are kept
 * in double, in an order of their own, and rounded once: results do not depend on the
 * number of threads. */
#ifndef WEFT_CPU_CPU_H
#define WEFT_CPU_CPU_H

#include "device/backend.h"

struct weft_mem {
    size_t bytes; /* as asked for; WEFT_BUFFER_PADDING more are there */
    unsigned char *data;
};

/* A loop over items, run by persistent threads and the caller. */
typedef void cpu_work(const void *args, size_t item);

/* CPU_MULTIVERSION before a cpu_work whose sums want vectors: compiled, with all that it
 * calls, for wider ones too, of which the program takes the widest that the processor
 * has. Lanes are different sums, so that the bits are the same. */
#ifndef CPU_MULTIVERSION
#define CPU_MULTIVERSION
#endif

/* Floats of scratch for one primitive, from cpu_begin to the next one's. */
void cpu_begin(struct weft_command_list *list);
struct weft_view cpu_scratch(struct weft_command_list *list, size_t count);

/* convert.c. For primitives, whose loops know float32 alone: *view becomes its copy in
 * float32, made before; what is written goes to cpu_fp32_output, and from there to the
 * view. A view that is float32 stays itself. */
enum weft_status cpu_cast_input_to_fp32(struct weft_command_list *list,
                                        struct weft_view *view);
struct weft_view cpu_fp32_output(struct weft_command_list *list, struct weft_view view);
enum weft_status cpu_cast_output_from_fp32(struct weft_command_list *list,
                                           struct weft_view from, struct weft_view to);

struct cpu_threads;
/* `count` threads with the caller among them; fewer where the system gives no more. NULL:
 * out of memory. */
struct cpu_threads *cpu_threads_create(int count);
void cpu_threads_destroy(struct cpu_threads *threads);
int cpu_threads_count(const struct cpu_threads *threads);
/* Returns when work(args, item) has returned for every item below `items`. */
void cpu_parallel(struct cpu_threads *threads, size_t items, cpu_work *work,
                  const void *args);

struct cpu_device {
    struct weft_device base;
    struct cpu_threads *threads;
};

/* Appends a loop to the list; `size` bytes of `args` are copied. */
enum weft_status cpu_append(struct weft_command_list *list, size_t items, cpu_work *work,
                            const void *args, size_t size);

/* The first element of a view, NULL where it is absent. */
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

/* Elementwise loops: item i is the elements [i * CPU_CHUNK, cpu_chunk_end(i, count)). */
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

/* Channels are worked on in blocks of at most CPU_BLOCK, whose sums lie on the stack.
 * Inner loops have a fixed length, so that compilers use vectors at -O2 already. */
enum { CPU_BLOCK = 64, CPU_LANES = 8 };

/* The length of the block that begins at `channel`: it ends with its group of
 * `per_group` channels at the latest. */
static inline int cpu_block(int channel, int per_group)
{
    int left = per_group - channel % per_group;
    return left < CPU_BLOCK ? left : CPU_BLOCK;
}

/* sum += a[0] * its row + a[1] * the next row + ..., one after the other; `step` from row
 * to row. Sums of CPU_STRIP channels stay in registers. */
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

/* The inner product, summed in CPU_LANES strands. */
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

/* The window that has input row `at` as its row `tap` (times dilation): its output row,
 * or -1 where there is none. Columns likewise. */
static inline int cpu_window_of(int at, int tap, int pad, int stride, int out)
{
    int start = at + pad - tap;
    return start >= 0 && start % stride == 0 && start / stride < out ? start / stride
                                                                     : -1;
}

/* z = f(z). */
void cpu_activate(struct weft_activation activation, double *z, size_t count);
/* gradient *= f'(x, y); `x` may be NULL where the derivative follows from y alone, `y`
 * where it does not need it. */
void cpu_apply_act_grad(struct weft_activation activation, double *gradient,
                        const float *x, const float *y, size_t count);

/* Whether `value` takes the place of `best`, which stands before it. */
static inline bool cpu_is_new_max(float value, float best)
{
    return value > best || value != value;
}

/* Puts the values of window place `place` into a running maximum and, unless NULL, its
 * place. The earlier place wins a tie; a NaN wins over numbers and stays. */
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
#undef PRIMITIVE

#endif
