/* SPDX-License-Identifier: Apache-2.0 */
/* The page of `weft similar`: each image beside its neighbours. */
#include "search/similar.h"

#include "report/html.h"
#include "report/page.h"
#include "report/thumbnails.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_IMAGES = 200, MOST_NEIGHBORS = 12 };

struct page {
    const struct similar_result *result;
    struct thumbnails *images;
};

static void write_image(const struct page *page, FILE *out,
                        const struct vector_image *image, const char *alt)
{
    char *name = vector_image_name(image);
    thumbnails_write(page->images, out, image->file, image->index, alt);
    fputs("<figcaption title=\"", out);
    html_write_escaped(out, name);
    fputs("\">", out);
    html_write_escaped(out, paths_basename(name));
    free(name);
}

static void write_class(FILE *out, const struct vector_set *set,
                        const struct vector_image *image)
{
    if (image->class_index < 0)
        return;
    fputs("<br>", out);
    html_write_escaped(out, set->classes[image->class_index]);
}

static void write_neighbor(const struct page *page, FILE *out, int64_t query, int rank)
{
    const struct similar_result *r = page->result;
    const struct weft_neighbor *n =
        &r->found[(size_t)query * (size_t)r->k + (size_t)rank];
    const struct vector_image *image = &r->base->images[n->index];
    char *alt = term_format_or_exit("neighbour %d, cosine %.3f", rank + 1, n->score);
    fputs("<figure>", out);
    write_image(page, out, image, alt);
    fprintf(out, "<br>%.3f", n->score);
    if (similar_is_duplicate(r, query, rank))
        fputs(" <span class=\"wrong\">duplicate</span>", out);
    write_class(out, r->base, image);
    fputs("</figcaption></figure>\n", out);
    free(alt);
}

static bool has_any(const struct similar_result *r, int64_t query)
{
    for (int rank = 0; rank < r->k; rank++)
        if (similar_is_shown(r, query, rank))
            return true;
    return !r->duplicates;
}

static void write_query(const struct page *page, FILE *out, int64_t query)
{
    const struct similar_result *r = page->result;
    const struct vector_image *image = &r->queries->images[query];
    bool novel = !isnan(r->novelty) && similar_distance(r, query) > r->novelty;
    fputs("<section class=\"query images\"><figure class=\"asked\">", out);
    write_image(page, out, image, "the image that was searched for");
    if (novel)
        fputs("<br><span class=\"wrong\">novel</span>", out);
    write_class(out, r->queries, image);
    fputs("</figcaption></figure>\n", out);
    for (int rank = 0, shown = 0; rank < r->k && shown < MOST_NEIGHBORS; rank++)
        if (similar_is_shown(r, query, rank)) {
            write_neighbor(page, out, query, rank);
            shown++;
        }
    fputs("</section>\n", out);
}

static void write_page(FILE *out, const void *priv)
{
    const struct page *page = priv;
    const struct similar_result *r = page->result;
    const char *title = r->duplicates ? "Duplicates" : "Similar images";
    int64_t shown = 0, all = 0;
    page_begin(out, title, 0);
    for (int64_t q = 0; q < r->queries->count; q++)
        all += has_any(r, q);
    fprintf(out, "<h1>%s</h1>\n<p class=\"lede\">", title);
    if (r->duplicates)
        fprintf(out, "<b>%s of %s images</b> have duplicates",
                table_thousands((double)all), table_thousands((double)r->queries->count));
    else
        fprintf(out, "<b>%s images</b> and the nearest", table_thousands((double)all));
    fprintf(out, " among %s, by the cosine of their features.</p>\n",
            table_thousands((double)r->base->count));
    if (all > MOST_IMAGES)
        fprintf(out, "<p class=\"soft\">The first %d are shown.</p>\n", MOST_IMAGES);
    for (int64_t q = 0; q < r->queries->count && shown < MOST_IMAGES; q++)
        if (has_any(r, q)) {
            write_query(page, out, q);
            shown++;
        }
    page_end(out);
}

enum app_exit similar_write_page(const struct similar_result *result, const char *path)
{
    struct thumbnails images = {.app = result->app};
    struct page page = {result, &images};
    term_wait_begin("Writing %s", path);
    enum app_exit code = page_save(result->app, path, write_page, &page);
    term_wait_end();
    thumbnails_finish(&images);
    return code;
}
