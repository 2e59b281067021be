/* SPDX-License-Identifier: Apache-2.0 */
/* Memory filled with numbers for what is measured, and its results compared. */
#include "bench/bench.h"
#include "shared/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Results may differ by this share of the largest: for a wrong kernel, not for a rough
 * one, which weft_verify tells. Of places of maxima this share may differ: among real
 * numbers a near tie goes either way. */
static const double most_error = 0x1p-12, most_ties = 0x1p-10;

static const size_t sizes[] = {
    [BENCH_FLOAT32] = sizeof(float), [BENCH_UINT8] = 1, [BENCH_INT32] = sizeof(uint32_t)};

static struct weft_view allocate_view(struct bench_buffers *a, size_t count,
                                      size_t element)
{
    struct weft_view view = {a->mem, a->used / element, count};
    a->used += (count * element + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
    a->moved += (double)(count * element);
    return view;
}

/* Writes `count` elements, four of them made by each call of `make`. */
static void fill(struct bench_buffers *a, struct weft_view view, enum bench_type type,
                 unsigned below)
{
    size_t size = sizes[type];
    unsigned char *host = a->mem ? malloc((view.count + 3) * size) : NULL;
    if (a->mem && !host)
        a->status = weft_out_of_memory(a->device->context, "bench", view.count * size);
    if (!host)
        return;
    for (size_t i = 0; i < view.count; i += 4) {
        struct weft_random r = weft_philox(
            1, 2, (uint32_t)i, (uint32_t)(view.offset * size), 0, RANDOM_VERIFY);
        for (size_t j = 0; j < 4; j++) {
            uint32_t word = below ? r.v[j] % below : 0;
            float real = weft_uniform(r.v[j]) - 0.5f;
            if (type == BENCH_UINT8)
                host[i + j] = (unsigned char)word;
            else
                memcpy(host + (i + j) * size,
                       type == BENCH_FLOAT32 ? (void *)&real : (void *)&word, size);
        }
    }
    enum weft_status status = a->device->backend->write(
        a->device, view.mem, view.offset * size, host, view.count * size);
    a->status = a->status ? a->status : status;
    free(host);
}

struct weft_view bench_buffer_floats(struct bench_buffers *a, size_t count)
{
    struct weft_view view = allocate_view(a, count, sizeof(float));
    fill(a, view, BENCH_FLOAT32, 0);
    return view;
}

struct weft_view bench_buffer_bytes(struct bench_buffers *a, size_t count, unsigned below)
{
    struct weft_view view = allocate_view(a, count, 1);
    fill(a, view, BENCH_UINT8, below);
    return view;
}

struct weft_view bench_buffer_int32(struct bench_buffers *a, size_t count, unsigned below)
{
    struct weft_view view = allocate_view(a, count, sizeof(uint32_t));
    fill(a, view, BENCH_INT32, below);
    return view;
}

static void add_result(struct bench_buffers *a, const char *name, struct weft_view view,
                       enum bench_type type)
{
    a->result[a->result_count].view = view;
    a->result[a->result_count].type = type;
    a->result[a->result_count++].name = name;
}

struct weft_view bench_add_output(struct bench_buffers *a, const char *name, size_t count,
                                  enum bench_type type)
{
    struct weft_view view = allocate_view(a, count, sizes[type]);
    add_result(a, name, view, type);
    return view;
}

struct weft_view bench_add_in_out(struct bench_buffers *a, const char *name, size_t count)
{
    struct weft_view view = bench_buffer_floats(a, count);
    a->moved += (double)(count * sizeof(float));
    add_result(a, name, view, BENCH_FLOAT32);
    return view;
}

static bool compare_floats(const float *got, const float *want, size_t count,
                           double *error)
{
    double largest = 0, off = 0;
    bool strange = false;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)got[i] - (double)want[i]), size = fabs((double)want[i]);
        strange = strange || !isfinite(d);
        largest = size > largest ? size : largest;
        off = d > off ? d : off;
    }
    double share = strange ? INFINITY : largest > 0 ? off / largest : off;
    *error = share > *error ? share : *error;
    return share <= most_error;
}

bool bench_compare_values(const void *got, const void *want, size_t count,
                          enum bench_type type, double *error)
{
    if (type == BENCH_FLOAT32)
        return compare_floats(got, want, count, error);
    const unsigned char *a = got, *b = want;
    size_t size = sizes[type], wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += memcmp(a + i * size, b + i * size, size) != 0;
    return (double)wrong <= most_ties * (double)count;
}

/* One result of an buffers, to be freed. */
static enum weft_status read_result(const struct bench_buffers *a, int index, void **out)
{
    size_t size = sizes[a->result[index].type];
    struct weft_view view = a->result[index].view;
    if (!(*out = malloc(view.count * size)))
        return weft_out_of_memory(a->device->context, "bench", view.count * size);
    return a->device->backend->read(a->device, *out, view.mem, view.offset * size,
                                    view.count * size);
}

enum weft_status bench_compare_outputs(const struct bench_buffers *got,
                                       const struct bench_buffers *want, char *fault,
                                       size_t size, double *error)
{
    enum weft_status status = WEFT_OK;
    *error = 0;
    fault[0] = '\0';
    for (int i = 0; i < got->result_count && !status && !fault[0]; i++) {
        void *a = NULL, *b = NULL;
        if (!(status = read_result(got, i, &a)) && !(status = read_result(want, i, &b)) &&
            !bench_compare_values(a, b, got->result[i].view.count, got->result[i].type,
                                  error))
            snprintf(fault, size,
                     "%s is wrong: it differs from the reference by %.3g of the "
                     "largest value, at most %.3g is right",
                     got->result[i].name, *error, most_error);
        free(a);
        free(b);
    }
    return status;
}
