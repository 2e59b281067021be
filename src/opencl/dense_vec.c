/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers, family `vec`: three products of matrices by one kernel, cl/gemm_vec.cl. */
#include "vec.h"

/* c[m][n] = a[m][k] b[k][n] and what goes with it. */
struct product {
    int m, n, k;
    bool a_turned, b_turned;
    struct weft_view a, b, bias, gate, c, sums;
    struct weft_activation activation; /* of c, or what made `gate` */
};

struct tiling {
    int width, vectors, tile; /* VW, NV, TILE */
    int row_tiles, column_tiles, depth;
    bool a_packed, b_packed;
};

static int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

/* The piece of b that is in use stays within about 24 KiB, that of a where it is copied
 * within 12 KiB. */
static struct tiling choose(const struct ocl_device *device, const struct product *p)
{
    enum { B_PIECE = 6144, A_PIECE = 3072 };
    struct tiling t = {
        .width = vec_width(device, p->n), .column_tiles = 1, .row_tiles = 1};
    int registers = t.width >= 16 ? 24 : 12;
    int columns = div_up(p->n, t.width), units = (int)device->units;
    t.vectors = columns == 1 ? 1 : columns == 3 ? 3 : 2;
    t.tile = at_most(registers / t.vectors, p->m);
    t.depth = p->k;
    t.b_packed = p->b_turned;
    if (!device->is_cpu) {
        if (t.b_packed)
            t.depth = at_most(p->k, 64);
        return t;
    }
    int tiles = div_up(p->m, t.tile), blocks = div_up(columns, t.vectors);
    if (tiles < 4 && !p->b_turned) /* too few rows to pay for copies */
        return t;
    int block = t.width * t.vectors;
    t.column_tiles = at_most(4, blocks);
    t.a_packed = p->a_turned;
    t.b_packed = p->b_turned || block * t.column_tiles < p->n;
    t.depth = at_most(p->k, at_most(B_PIECE / (block * t.column_tiles), 256));
    if (t.a_packed)
        t.depth = at_most(t.depth, 64);
    int pieces = div_up(blocks, t.column_tiles);
    int even = tiles * pieces / (4 * units);
    int most = t.a_packed ? A_PIECE / (t.depth * t.tile) : t.depth < p->k ? 16 : 128;
    t.row_tiles = at_most(even < 1 ? 1 : even, most < 1 ? 1 : most);
    t.row_tiles = div_up(tiles, div_up(tiles, t.row_tiles));
    return t;
}

static enum weft_status multiply(struct weft_list *list, const struct product *p)
{
    struct tiling t = choose(ocl_of(list), p);
    struct ocl_options options = {""};
    ocl_define(&options, "M", p->m);
    ocl_define(&options, "N", p->n);
    ocl_define(&options, "K", p->k);
    ocl_define(&options, "A_TURNED", p->a_turned);
    ocl_define(&options, "B_TURNED", p->b_turned);
    ocl_define(&options, "A_PACKED", t.a_packed);
    ocl_define(&options, "B_PACKED", t.b_packed);
    ocl_define(&options, "BIAS", p->bias.mem != NULL);
    ocl_define(&options, "GATE", p->gate.mem != NULL);
    ocl_define(&options, "COLUMN_SUMS", p->sums.mem != NULL);
    ocl_define(&options, "ACT", (long)p->activation.act);
    ocl_define(&options, "VW", t.width);
    ocl_define(&options, "NV", t.vectors);
    ocl_define(&options, "TILE", t.tile);
    ocl_define(&options, "ROW_TILES", t.row_tiles);
    ocl_define(&options, "COLUMN_TILES", t.column_tiles);
    ocl_define(&options, "DEPTH", t.depth);
    ocl_begin(list);
    struct ocl_launch launch = {
        .source = "gemm_vec.cl",
        .kernel = "gemm",
        .global = {(size_t)div_up(p->n, t.width * t.vectors * t.column_tiles),
                   (size_t)div_up(p->m, t.tile * t.row_tiles)},
        .arg_count = 7,
        .args = {OCL_VIEW(p->a), OCL_VIEW(p->b), OCL_VIEW(p->bias), OCL_VIEW(p->gate),
                 OCL_VIEW(p->c), OCL_VIEW(p->sums), OCL_FLOAT(p->activation.slope)},
    };
    vec_local(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

enum weft_status vec_dense_forward(struct weft_list *list,
                                   const struct weft_dense_args *args)
{
    return multiply(list, &(struct product){
                              .m = args->dense.n,
                              .n = args->dense.out,
                              .k = args->dense.in,
                              .a = args->x,
                              .b = args->w,
                              .bias = args->bias,
                              .c = args->y,
                              .activation = args->activation,
                          });
}

enum weft_status vec_dense_backward_data(struct weft_list *list,
                                         const struct weft_dense_args *args)
{
    struct product product = {
        .m = args->dense.n,
        .n = args->dense.in,
        .k = args->dense.out,
        .a = args->dy,
        .b = args->w,
        .b_turned = true,
        .gate = args->gate.output,
        .c = args->dx,
        .activation = args->gate.activation,
    };
    if (product.activation.act == WEFT_ACT_identity)
        product.gate.mem = NULL;
    return multiply(list, &product);
}

enum weft_status vec_dense_backward_weights(struct weft_list *list,
                                            const struct weft_dense_args *args)
{
    return multiply(list, &(struct product){
                              .m = args->dense.in,
                              .n = args->dense.out,
                              .k = args->dense.n,
                              .a = args->x,
                              .a_turned = true,
                              .b = args->dy,
                              .c = args->dw,
                              .sums = args->dbias,
                          });
}
