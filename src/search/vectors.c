/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest of many vectors, exactly.
 *
 * The device multiplies a batch of queries by all vectors, a slice after the other, and
 * keeps the largest product of each GROUP of them: a 1x1 convolution and a max pool,
 * which kernels fuse, so that the products themselves are never written. The k-th largest
 * maximum of a query is not above its k-th largest product; only groups that reach it,
 * but for rounding, are computed again, on the host in double. */
#include <weft/search.h>

#include "device/backend.h"
#include "device/process.h"
#include "util/multiversion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP = 6, /* vectors: as many rows as the kernels of most devices have in a tile */
    LANES = 8, /* a batch is a multiple of it */
    BATCH = 64,
    MAX_BATCH = 1024,
    MAX_DIMENSIONS = 1 << 20,
    CANDIDATES = 1 << 16,
};
/* On a CPU the maxima of a slice remain in the cache until they are read. */
static const size_t most_slice_bytes = (size_t)1 << 28;
static const size_t cpu_slice_bytes = (size_t)1 << 24;

/* The vectors in one buffer, and their product with a batch of queries. */
struct slice {
    size_t first, groups; /* of all groups */
    struct weft_mem *vectors;
    struct weft_command_list *list;
};

struct weft_vectors {
    struct weft_device *device;
    const float *values; /* borrowed */
    size_t count, dimensions, groups;
    int batch;
    double largest; /* norm */
    struct slice *slices;
    size_t slice_count, slice_groups; /* groups of each slice but the last */
    struct weft_mem *queries, *products;
    float *columns; /* host: dimensions x batch, a query in a column */
    float *maxima;  /* host: groups of a slice x batch */
};

/* The answers for one query. */
struct answer {
    const float *query;
    double error; /* that a product of the device may have */
    struct weft_neighbor *out;
    int k, found;
};

/* A group that may have answers for a query. */
struct near_group {
    size_t group;
    int query;
    float maximum;
};

/* The search for a batch of queries. */
struct batch_search {
    const struct weft_vectors *v;
    struct answer *answers;
    int count, k;
    float *heaps;  /* batch x k: the largest maxima of each query */
    float *least;  /* batch: the k-th largest of them */
    float *bounds; /* batch: maxima below cannot be among the answers */
    struct near_group *candidates;
    size_t found; /* candidates, by ascending group */
};

static size_t floats_of(size_t count)
{
    return count * sizeof(float);
}

/* Not finite if a value of the vector is not. */
static double norm_of(const float *vector, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sqrt(sum);
}

static enum weft_status measure(struct weft_vectors *v)
{
    for (size_t i = 0; i < v->count; i++) {
        double norm = norm_of(v->values + i * v->dimensions, v->dimensions);
        if (!isfinite(norm))
            return weft_fail(v->device->context, WEFT_ERR_FORMAT,
                             "vectors: vector %zu has a value that is not finite", i);
        v->largest = norm > v->largest ? norm : v->largest;
    }
    return WEFT_OK;
}

/* The last group is filled with copies of the last vector. */
static enum weft_status write_slice(const struct weft_vectors *v,
                                    const struct slice *slice)
{
    const struct weft_backend *backend = v->device->backend;
    size_t first = slice->first * GROUP, rows = slice->groups * GROUP;
    size_t row = floats_of(v->dimensions);
    size_t present = v->count - first < rows ? v->count - first : rows;
    WEFT_TRY(backend->write(v->device, slice->vectors, 0,
                            v->values + first * v->dimensions, present * row));
    for (size_t i = present; i < rows; i++)
        WEFT_TRY(backend->write(v->device, slice->vectors, i * row,
                                v->values + (v->count - 1) * v->dimensions, row));
    return WEFT_OK;
}

/* A group is an image of one row of GROUP pixels, a query a filter. */
static enum weft_status record(const struct weft_vectors *v, struct slice *slice)
{
    const struct weft_backend *backend = v->device->backend;
    int groups = (int)slice->groups, dimensions = (int)v->dimensions;
    struct weft_conv_args args = {
        .conv = weft_conv_from_gemm(groups, dimensions, v->batch, 1),
        .pool =
            {
                .n = groups,
                .h = 1,
                .w = GROUP,
                .c = v->batch,
                .r = 1,
                .s = GROUP,
                .stride_y = 1,
                .stride_x = GROUP,
                .out_h = 1,
                .out_w = 1,
                .kind = WEFT_POOL_MAX,
            },
        .x = {slice->vectors, 0, slice->groups * GROUP * v->dimensions},
        .w = {v->queries, 0, v->dimensions * (size_t)v->batch},
        .y = {v->products, 0, slice->groups * (size_t)v->batch},
    };
    args.conv.w = args.conv.out_w = GROUP;
    WEFT_TRY(backend->list_create(v->device, NULL, &slice->list));
    WEFT_TRY(weft_list_begin_segment(slice->list, -1, WEFT_PHASE_FWD));
    WEFT_TRY(slice->list->primitives->conv_forward(slice->list, &args));
    return backend->list_finalize(slice->list);
}

/* As many groups as a buffer may have. */
static size_t choose_slice_groups(const struct weft_vectors *v)
{
    uint64_t limit = v->device->info.max_alloc_bytes;
    const uint64_t spare = WEFT_BUFFER_PADDING + WEFT_ALIGN;
    bool cpu = v->device->info.kind == WEFT_DEVICE_CPU;
    size_t bytes = cpu ? cpu_slice_bytes : most_slice_bytes;
    size_t group = floats_of(v->dimensions) * GROUP;
    if (limit && limit < bytes + spare)
        bytes = limit > spare ? (size_t)(limit - spare) : 0;
    size_t groups = bytes / group;
    return groups < 1 ? 1 : groups < v->groups ? groups : v->groups;
}

static enum weft_status create_slices(struct weft_vectors *v)
{
    const struct weft_backend *backend = v->device->backend;
    v->slice_groups = choose_slice_groups(v);
    v->slice_count = (v->groups + v->slice_groups - 1) / v->slice_groups;
    v->slices = calloc(v->slice_count, sizeof(*v->slices));
    if (!v->slices)
        return weft_out_of_memory(v->device->context, "vectors",
                                  v->slice_count * sizeof(*v->slices));
    for (size_t i = 0; i < v->slice_count; i++) {
        struct slice *slice = &v->slices[i];
        slice->first = i * v->slice_groups;
        slice->groups = v->groups - slice->first < v->slice_groups
                            ? v->groups - slice->first
                            : v->slice_groups;
        WEFT_TRY(backend->alloc(v->device,
                                floats_of(slice->groups * GROUP * v->dimensions),
                                &slice->vectors));
        WEFT_TRY(write_slice(v, slice));
        WEFT_TRY(record(v, slice));
    }
    return WEFT_OK;
}

static enum weft_status create_buffers(struct weft_vectors *v)
{
    const struct weft_backend *backend = v->device->backend;
    size_t batch = (size_t)v->batch, queries = v->dimensions * batch;
    size_t maxima = floats_of(choose_slice_groups(v) * batch);
    v->columns = calloc(queries, sizeof(*v->columns));
    v->maxima = malloc(maxima);
    if (!v->columns || !v->maxima)
        return weft_out_of_memory(v->device->context, "vectors",
                                  maxima + floats_of(queries));
    WEFT_TRY(backend->alloc(v->device, floats_of(queries), &v->queries));
    return backend->alloc(v->device, maxima, &v->products);
}

enum weft_status weft_vectors_create(weft_device *device,
                                     const struct weft_vectors_params *params,
                                     weft_vectors **out)
{
    WEFT_REQUIRE_DEVICE(device);
    weft_context *ctx = device->context;
    struct weft_vectors_params own;
    size_t bytes;
    WEFT_REQUIRE_POINTER(ctx, params, "params");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, &own));
    WEFT_REQUIRE_POINTER(ctx, own.values, "values");
    WEFT_REQUIRE(ctx, own.dimensions >= 1 && own.dimensions <= MAX_DIMENSIONS,
                 "dimensions must be 1 to 2^20");
    WEFT_REQUIRE(ctx,
                 own.count >= 1 && own.count <= (int64_t)INT32_MAX * GROUP &&
                     weft_checked_mul((size_t)own.count,
                                      floats_of((size_t)own.dimensions), &bytes),
                 "count must be 1 to 2^32, as far as memory goes");
    WEFT_REQUIRE(ctx, own.batch >= 0 && own.batch <= MAX_BATCH,
                 "batch must be 0 to 1024");
    struct weft_vectors *v = calloc(1, sizeof(*v));
    if (!v)
        return weft_out_of_memory(ctx, "vectors", sizeof(*v));
    v->device = device;
    v->values = own.values;
    v->count = (size_t)own.count;
    v->dimensions = (size_t)own.dimensions;
    v->groups = (v->count + GROUP - 1) / GROUP;
    v->batch = own.batch ? (own.batch + LANES - 1) / LANES * LANES : BATCH;
    enum weft_status status = measure(v);
    if (!status)
        status = create_buffers(v);
    if (!status)
        status = create_slices(v);
    if (!status)
        status = device->backend->wait(device);
    if (status)
        weft_vectors_destroy(&v);
    else
        *out = v;
    return status;
}

void weft_vectors_destroy(weft_vectors **vectors)
{
    struct weft_vectors *v = vectors ? *vectors : NULL;
    if (!v)
        return;
    const struct weft_backend *backend = v->device->backend;
    bool lost = weft_device_is_lost(v->device);
    for (size_t i = 0; v->slices && i < v->slice_count && !lost; i++) {
        if (v->slices[i].list)
            backend->list_destroy(v->slices[i].list);
        if (v->slices[i].vectors)
            backend->free(v->device, v->slices[i].vectors);
    }
    if (v->queries && !lost)
        backend->free(v->device, v->queries);
    if (v->products && !lost)
        backend->free(v->device, v->products);
    free(v->slices);
    free(v->columns);
    free(v->maxima);
    free(v);
    *vectors = NULL;
}

/* Exact products of two floats; in order, so that the sum is the same everywhere. */
static double multiply(const float *a, const float *b, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Replaces the least of k values, at the root of a heap. */
static void replace_least(float *heap, int k, float value)
{
    int at = 0;
    for (int child; (child = 2 * at + 1) < k; at = child) {
        if (child + 1 < k && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= value)
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

/* True if a row of maxima has one that is not below its bound. */
static inline bool reaches(const float *row, const float *bounds, int batch)
{
    int any = 0;
    for (int i = 0; i < batch; i += LANES)
        for (int j = 0; j < LANES; j++)
            any |= !(row[i + j] < bounds[i + j]);
    return any;
}

/* Vectors come in the order of their indices. */
static void add(struct answer *answer, int64_t index, double score)
{
    struct weft_neighbor *out = answer->out;
    int at = answer->found;
    if (at == answer->k && score <= out[at - 1].score)
        return;
    at -= at == answer->k;
    for (; at && out[at - 1].score < score; at--)
        out[at] = out[at - 1];
    out[at] = (struct weft_neighbor){index, score};
    answer->found += answer->found < answer->k;
}

/* The products of a group with one query. */
static enum weft_status rescore(const struct weft_vectors *v, size_t group, float maximum,
                                struct answer *answer)
{
    double largest = -INFINITY;
    size_t end = (group + 1) * GROUP < v->count ? (group + 1) * GROUP : v->count;
    for (size_t i = group * GROUP; i < end; i++) {
        double score =
            multiply(v->values + i * v->dimensions, answer->query, v->dimensions);
        largest = score > largest ? score : largest;
        add(answer, (int64_t)i, score);
    }
    if (fabs((double)maximum - largest) <= answer->error)
        return WEFT_OK;
    return weft_fail(v->device->context, WEFT_ERR_MISMATCH,
                     "vectors %zu to %zu: the largest product is %.9g by %s, but %.9g in "
                     "double; run `weft verify` on it, or search on another device",
                     group * GROUP, end - 1, (double)maximum, v->device->info.name,
                     largest);
}

/* Computes the candidates again that are still possible. */
static enum weft_status rescore_candidates(struct batch_search *s)
{
    for (size_t i = 0; i < s->found; i++) {
        const struct near_group *c = &s->candidates[i];
        if (!(c->maximum < s->bounds[c->query]))
            WEFT_TRY(rescore(s->v, c->group, c->maximum, &s->answers[c->query]));
    }
    s->found = 0;
    return WEFT_OK;
}

/* Makes room for the candidates of a group. */
static enum weft_status drop_candidates(struct batch_search *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->found; i++) {
        const struct near_group c = s->candidates[i];
        if (!(c.maximum < s->bounds[c.query]))
            s->candidates[kept++] = c;
    }
    s->found = kept;
    return kept > CANDIDATES / 2 ? rescore_candidates(s) : WEFT_OK;
}

static void raise_bound(struct batch_search *s, int query, float maximum)
{
    float *heap = s->heaps + (size_t)query * (size_t)s->k;
    replace_least(heap, s->k, maximum);
    s->least[query] = heap[0];
    s->bounds[query] =
        nextafterf((float)((double)heap[0] - 2 * s->answers[query].error), -INFINITY);
}

/* The maxima of a slice. A NaN is below nothing, and becomes a mismatch. */
CPU_MULTIVERSION static enum weft_status scan(struct batch_search *s,
                                              const struct slice *slice)
{
    int batch = s->v->batch;
    for (size_t g = 0; g < slice->groups; g++) {
        const float *row = s->v->maxima + g * (size_t)batch;
        if (!reaches(row, s->bounds, batch))
            continue;
        if (s->found + (size_t)batch > CANDIDATES)
            WEFT_TRY(drop_candidates(s));
        for (int q = 0; q < s->count; q++) {
            if (row[q] < s->bounds[q])
                continue;
            s->candidates[s->found++] = (struct near_group){slice->first + g, q, row[q]};
            if (row[q] > s->least[q])
                raise_bound(s, q, row[q]);
        }
    }
    return WEFT_OK;
}

static enum weft_status write_queries(const struct weft_vectors *v, const float *queries,
                                      int count)
{
    size_t batch = (size_t)v->batch;
    for (size_t i = 0; i < v->dimensions; i++)
        for (size_t q = 0; q < batch; q++)
            v->columns[i * batch + q] =
                q < (size_t)count ? queries[q * v->dimensions + i] : 0;
    return v->device->backend->write(v->device, v->queries, 0, v->columns,
                                     floats_of(v->dimensions * batch));
}

/* The error bound of an inner product in float32, in any order and with each product on
 * matrix units, whose sums are truncated: (n + 32) 2^-22 |a| |b|. */
static enum weft_status init_answer(const struct weft_vectors *v, const float *query,
                                    struct answer *answer)
{
    double norm = norm_of(query, v->dimensions), most = norm * v->largest;
    if (!isfinite(norm))
        return weft_fail(v->device->context, WEFT_ERR_FORMAT,
                         "weft_vectors_nearest: a query has a value that is not finite");
    if (most > 1e37)
        return weft_fail(v->device->context, WEFT_ERR_ARG,
                         "weft_vectors_nearest: products of up to %.3g are too large for "
                         "float32; divide the vectors by their norms",
                         most);
    answer->query = query;
    answer->error =
        ((double)v->dimensions + 32) * ldexp(most, -22) + (double)v->dimensions * 1e-37;
    return WEFT_OK;
}

static enum weft_status search_batch(struct batch_search *s, const float *queries)
{
    const struct weft_vectors *v = s->v;
    const struct weft_backend *backend = v->device->backend;
    for (int q = 0; q < s->count; q++)
        WEFT_TRY(init_answer(v, queries + (size_t)q * v->dimensions, &s->answers[q]));
    for (int q = 0; q < v->batch; q++)
        s->least[q] = s->bounds[q] = q < s->count ? -INFINITY : INFINITY;
    for (size_t i = 0; i < (size_t)v->batch * (size_t)s->k; i++)
        s->heaps[i] = -INFINITY;
    s->found = 0;
    WEFT_TRY(write_queries(v, queries, s->count));
    for (size_t i = 0; i < v->slice_count; i++) {
        const struct slice *slice = &v->slices[i];
        WEFT_TRY(backend->replay(slice->list));
        WEFT_TRY(backend->read(v->device, v->maxima, v->products, 0,
                               floats_of(slice->groups * (size_t)v->batch)));
        WEFT_TRY(scan(s, slice));
    }
    return rescore_candidates(s);
}

enum weft_status weft_vectors_nearest(weft_vectors *vectors, const float *queries,
                                      int count, int k, struct weft_neighbor *out)
{
    WEFT_REQUIRE_POINTER(NULL, vectors, "vectors");
    WEFT_REQUIRE_DEVICE(vectors->device);
    weft_context *ctx = vectors->device->context;
    WEFT_REQUIRE(ctx, count >= 0, "count must be 0 or more");
    WEFT_REQUIRE(ctx, k >= 1 && k <= 1 << 20, "k must be 1 to 2^20");
    WEFT_REQUIRE(ctx, queries || !count, "queries must not be NULL");
    WEFT_REQUIRE(ctx, out || !count, "out must not be NULL");
    size_t batch = (size_t)vectors->batch, floats = batch * ((size_t)k + 2);
    struct answer *answers = calloc(batch, sizeof(*answers));
    float *scratch = malloc(floats_of(floats));
    struct near_group *candidates = malloc(CANDIDATES * sizeof(*candidates));
    enum weft_status status = WEFT_OK;
    if (!answers || !scratch || !candidates)
        status = weft_out_of_memory(ctx, "search",
                                    floats_of(floats) + CANDIDATES * sizeof(*candidates));
    for (int done = 0, n; done < count && !status; done += n) {
        n = count - done < vectors->batch ? count - done : vectors->batch;
        struct batch_search search = {.v = vectors,
                                      .answers = answers,
                                      .count = n,
                                      .k = k,
                                      .least = scratch,
                                      .bounds = scratch + batch,
                                      .heaps = scratch + 2 * batch,
                                      .candidates = candidates};
        for (int q = 0; q < n; q++)
            answers[q] =
                (struct answer){.out = out + (size_t)(done + q) * (size_t)k, .k = k};
        status = search_batch(&search, queries + (size_t)done * vectors->dimensions);
        for (int q = 0; q < n && !status; q++)
            for (int i = answers[q].found; i < k; i++)
                answers[q].out[i] = (struct weft_neighbor){-1, NAN};
    }
    free(answers);
    free(scratch);
    free(candidates);
    return status;
}
