/* SPDX-License-Identifier: Apache-2.0 */
/* Test tensors: the same contents on a device and on the reference, between guard zones.
 *
 * The host keeps what each buffer starts from. A run writes it to a side, replays a list
 * and reads everything back, so that what was written beside the outputs is found. */
#ifndef WEFT_LAB_TENSORS_H
#define WEFT_LAB_TENSORS_H

#include "device/backend.h"
#include "lab/random.h"

enum lab_side { LAB_DEVICE, LAB_REFERENCE, LAB_SIDE_COUNT };

enum lab_type { LAB_FLOAT, LAB_BYTE, LAB_INT32 };

enum { LAB_MAX_TENSORS = 24 };

struct lab_tensor {
    const char *name;
    enum lab_type type;
    int n, h, w, c; /* for the name of an element; c == 0: a vector */
    size_t count;
    int buffer;     /* of the case; -1: not allocated yet */
    size_t at;      /* byte in the buffer */
    bool half;      /* float16 on the device, float32 on the host and the reference */
    bool is_in_out; /* read before it is written */

    /* For comparisons (lab/compare.h). */
    double *bound;        /* allowed error of each element; words: 0 compares bits */
    bool may_be_zero;     /* a result of zeros alone is no fault */
    bool not_compared;    /* several results are right */
    bool allow_nonfinite; /* infinities and NaN are right where the reference has them */
    bool nan_may_spread;  /* a NaN may show in elements computed beside it */
};

struct lab_buffer {
    size_t bytes;
    unsigned char *initial, *result[LAB_SIDE_COUNT];
    unsigned char *saved; /* of `initial`, during lab_run_absolute */
    struct weft_mem *mem[LAB_SIDE_COUNT];
    size_t overrun_at; /* overwritten byte behind a tensor in float16; 0: none */
};

/* Zero at first, with the devices set. */
struct lab_case {
    struct weft_device *device[LAB_SIDE_COUNT]; /* NULL: the side is not used */
    struct lab_random *random;                  /* of the fills */
    struct lab_tensor tensors[LAB_MAX_TENSORS];
    struct lab_buffer buffers[LAB_MAX_TENSORS];
    int tensor_count, buffer_count;
    int placed; /* tensors with memory */
};

/* n x h x w x c elements. */
struct lab_tensor *lab_add_tensor(struct lab_case *c, const char *name,
                                  enum lab_type type, int n, int h, int w, int channels);
struct lab_tensor *lab_add_vector(struct lab_case *c, const char *name,
                                  enum lab_type type, size_t count);

/* Allocates the tensors that have no memory yet, in one buffer as a network does, or each
 * at the end of its own, where a memory checker sees reads beyond the padding. With
 * `gaps` the guard zones have random lengths. WEFT_ERR_NOMEM or the device's. */
enum weft_status lab_allocate(struct lab_case *c, bool own_buffers,
                              struct lab_random *gaps);
void lab_finish(struct lab_case *c);

/* For out-of-memory messages, and of either side. */
weft_context *lab_context(const struct lab_case *c);

/* A NULL tensor is an absent view. */
struct weft_view lab_view(const struct lab_case *c, const struct lab_tensor *t,
                          enum lab_side side);

/* Contents: what a run starts from, and what the last one left. */
void *lab_initial(const struct lab_case *c, const struct lab_tensor *t);
void *lab_result(const struct lab_case *c, const struct lab_tensor *t,
                 enum lab_side side);
size_t lab_element_bytes(const struct lab_tensor *t);
size_t lab_tensor_bytes(const struct lab_tensor *t);

/* Fills of floats; a NULL tensor is skipped. */
void lab_fill_integers(struct lab_case *c, struct lab_tensor *t, int low, int high);
/* -size..size without 0, so that a sum of one product is not lost. */
void lab_fill_nonzero(struct lab_case *c, struct lab_tensor *t, int size);
void lab_fill_uniform(struct lab_case *c, struct lab_tensor *t, float low, float high);
/* Bytes or words below `limit`. */
void lab_fill_below(struct lab_case *c, struct lab_tensor *t, unsigned limit);
/* Argmax of a pool, bytes or words: any position of each window inside the image. */
void lab_fill_argmax(struct lab_case *c, struct lab_tensor *t,
                     const struct weft_pool *pool);
/* Rounds a float16 tensor's initial values to float16. */
void lab_quantize(struct lab_case *c, struct lab_tensor *t);

/* The steps of a run. The first fills outputs with a pattern: NaN, or no index of a
 * window that tests use. Outputs end in NULL. */
void lab_poison(struct lab_case *c, struct lab_tensor *const outputs[]);
enum weft_status lab_upload(struct lab_case *c, enum lab_side side);
enum weft_status lab_download(struct lab_case *c, enum lab_side side);

/* All of them around `replays` replays of the list. */
enum weft_status lab_run(struct lab_case *c, enum lab_side side,
                         struct weft_command_list *list,
                         struct lab_tensor *const outputs[], int replays);
/* The same on the reference with the absolute value of every float: sums of |a b|, for
 * error bounds. */
enum weft_status lab_run_absolute(struct lab_case *c, struct weft_command_list *list,
                                  struct lab_tensor *const outputs[], int replays);

/* A hash of all tensors on a side after its last run. */
uint64_t lab_hash_results(const struct lab_case *c, enum lab_side side);

/* NaN as floats and as halves, in the guard zones: what is read by mistake shows in the
 * results. The bits differ from word to word, so that a copy from one guard zone to
 * another shows too. */
static inline uint32_t lab_guard_pattern(size_t word)
{
    return 0x7FC07E80u | (uint32_t)(word % 64) << 16 | (uint32_t)(word / 64 % 128);
}

#endif
