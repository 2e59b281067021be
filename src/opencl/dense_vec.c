/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers, family `vec`: three products by one kernel, cl/gemm_vec.cl. */
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
    int row_room; /* row tiles that private memory has room for */
    bool a_packed, b_packed, whole;
};

static int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

/* Figures from products of `seed`, batch 512, on a 2-core Zen 3 with PoCL. Programs
 * depend on the tiling alone, not on m, n and k, so that layers share them. */
static struct tiling choose(const struct ocl_device *device, const struct product *p)
{
    enum {
        B_PIECE = 8192, /* floats of a copied piece of b: the first-level cache */
        WIDEST = 16,    /* column tiles: long runs of c where k is short */
        DEEPEST = 192,
        A_DEEPEST = 64, /* where a is copied too */
        ROWS = 96,      /* whose sums wait, or which are copied */
        WHOLE_ROW_TILES = 48
    };
    struct tiling t = {
        .width = vec_width(device, p->n), .column_tiles = 1, .row_tiles = 1};
    int registers = t.width >= 16 ? 24 : 12;
    int columns = div_up(p->n, t.width), units = (int)device->units;
    t.vectors = columns == 1 ? 1 : columns == 3 ? 3 : 2;
    t.tile = at_most(registers / t.vectors, p->m);
    t.row_room = 1;
    t.b_packed = p->b_turned;
    t.whole = !p->b_turned;
    t.depth = t.whole ? 1 : A_DEEPEST;
    int tiles = div_up(p->m, t.tile), blocks = div_up(columns, t.vectors);
    if (!device->is_cpu || (tiles < 4 && !p->b_turned)) /* copies would not pay */
        return t;

    int block = t.width * t.vectors;
    t.column_tiles = B_PIECE / (block * at_most(p->k, 128));
    t.column_tiles = at_most(t.column_tiles, WIDEST);
    if (!p->b_turned && t.column_tiles > blocks)
        t.column_tiles = blocks < 2 ? 2 : blocks;
    t.row_room = ROWS / t.tile > 0 ? ROWS / t.tile : 1;
    t.a_packed = p->a_turned;
    t.b_packed = p->b_turned || p->a_turned || t.column_tiles < blocks;
    t.depth =
        at_most(B_PIECE / (block * t.column_tiles), t.a_packed ? A_DEEPEST : DEEPEST);
    t.whole = p->k <= t.depth;
    int even = tiles * div_up(blocks, t.column_tiles) / (4 * units);
    t.row_tiles = at_most(even, t.whole && !t.a_packed ? WHOLE_ROW_TILES : t.row_room);
    t.row_tiles = div_up(tiles, div_up(tiles, t.row_tiles < 1 ? 1 : t.row_tiles));
    return t;
}

static enum weft_status multiply(struct weft_list *list, const struct product *p)
{
    struct tiling t = choose(ocl_of(list), p);
    struct ocl_options options = {""};
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
    ocl_define(&options, "ROW_TILES", t.row_room);
    ocl_define(&options, "COLUMN_TILES", t.column_tiles);
    ocl_define(&options, "WHOLE", t.whole);
    ocl_define(&options, "DEPTH", t.depth);
    ocl_begin(list);
    struct ocl_launch launch = {
        .source = "gemm_vec.cl",
        .kernel = "gemm",
        .global = {(size_t)div_up(p->n, t.width * t.vectors * t.column_tiles),
                   (size_t)div_up(p->m, t.tile * t.row_tiles)},
        .arg_count = 11,
        .args = {OCL_VIEW(p->a), OCL_VIEW(p->b), OCL_VIEW(p->bias), OCL_VIEW(p->gate),
                 OCL_VIEW(p->c), OCL_VIEW(p->sums), OCL_INT(p->m), OCL_INT(p->n),
                 OCL_INT(p->k), OCL_INT(t.row_tiles), OCL_FLOAT(p->activation.slope)},
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
