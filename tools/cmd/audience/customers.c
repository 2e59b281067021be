/* SPDX-License-Identifier: Apache-2.0 */
/* Customers and their images: folders of a folder, or values of a column of a CSV. */
#include "audience/audience.h"

#include "core/csv_file.h"

#include <stdlib.h>
#include <string.h>

/* An array of `count` elements grows when this is a power of two. */
static void *grow(void *array, int count, size_t size)
{
    size_t n = (size_t)count;
    return n & (n - 1) ? array : term_realloc_or_exit(array, (n ? 2 * n : 1) * size);
}

struct customer *audience_add_customer(struct audience *a, char *name)
{
    a->customers = grow(a->customers, a->customer_count, sizeof(*a->customers));
    struct customer *c = &a->customers[a->customer_count++];
    size_t answers = ((size_t)a->net.classes + 1) * sizeof(*c->answers);
    *c = (struct customer){
        .name = name,
        .answers = memset(term_realloc_or_exit(NULL, answers), 0, answers),
        .shares = term_realloc_or_exit(NULL, (size_t)a->net.classes * sizeof(*c->shares)),
        .leader = -1,
    };
    return c;
}

static void free_customer(struct customer *c)
{
    free(c->name);
    free(c->answers);
    free(c->shares);
}

void audience_free_customers(struct audience *a)
{
    for (int i = 0; i < a->customer_count; i++)
        free_customer(&a->customers[i]);
    free_customer(&a->all);
    free(a->customers);
    free(a->owners);
    image_list_free(&a->list);
}

/* The paths that were added last belong to the customer that was added last. */
static void own_new_paths(struct audience *a)
{
    while (a->owner_count < a->list.count) {
        a->owners = grow(a->owners, a->owner_count, sizeof(*a->owners));
        a->owners[a->owner_count++] = a->customer_count - 1;
    }
}

/* The folder below `root` that a path is in; of an image in `root` itself its length is
 * 0. */
static const char *folder_of(const char *root, const char *path, int *length)
{
    const char *name = path + strlen(root);
    name += strspn(name, "/");
    const char *end = strchr(name, '/');
    *length = end ? (int)(end - name) : 0;
    return name;
}

/* The list is in the order of folders. Images in no folder are removed from it. */
static enum app_exit find_in_folder(struct audience *a)
{
    struct image_list *list = &a->list;
    int kept = 0;
    if (!paths_is_folder(a->source))
        return app_error(a->app, APP_USAGE,
                         "%s: is no folder with a folder of images for each customer; "
                         "a CSV needs --by COLUMN",
                         a->source);
    enum app_exit code = image_list_add(a->app, list, a->source);
    if (code)
        return code;
    for (int i = 0; i < list->count; i++) {
        int length;
        const char *name = folder_of(a->source, list->paths[i].path, &length);
        if (!length) {
            free(list->paths[i].path);
            a->homeless++;
            continue;
        }
        const char *last =
            a->customer_count ? a->customers[a->customer_count - 1].name : "";
        if (strlen(last) != (size_t)length || strncmp(last, name, (size_t)length))
            audience_add_customer(a, term_format_or_exit("%.*s", length, name));
        a->owners = grow(a->owners, kept, sizeof(*a->owners));
        a->owners[kept] = a->customer_count - 1;
        list->paths[kept++] = list->paths[i];
    }
    list->count = a->owner_count = kept;
    return a->customer_count
               ? APP_OK
               : app_error(a->app, APP_BAD_INPUT,
                           "%s: has images, but no folder with images for a customer",
                           a->source);
}

struct row {
    const char *customer, *path;
};

static int by_customer(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->customer, y->customer);
    return order ? order : strcmp(x->path, y->path);
}

/* Paths are absolute, or from the folder of the CSV. */
static void add_row(struct audience *a, const struct row *row, const char *folder)
{
    char *path = term_format_or_exit("%s%s", *row->path == '/' ? "" : folder, row->path);
    const char *last =
        a->customer_count ? a->customers[a->customer_count - 1].name : NULL;
    if (!last || strcmp(last, row->customer) != 0)
        audience_add_customer(a, term_format_or_exit("%s", row->customer));
    image_list_add_line(&a->list, path);
    own_new_paths(a);
    free(path);
}

static enum app_exit find_in_csv(struct audience *a)
{
    static const char *const paths[] = {"path", "file", "filename", "image", NULL};
    struct csv_file csv;
    struct row *rows = NULL;
    int count = 0;
    enum app_exit code = csv_file_read(a->app, a->source, &csv);
    int path = code ? -1 : csv_file_column_of(&csv, paths);
    int by = code ? -1 : csv_file_column(&csv, a->options->by);
    if (!code && (path < 0 || by < 0))
        code = app_error(a->app, APP_BAD_INPUT, "%s: has no column called %s", a->source,
                         by < 0 ? a->options->by : "path");
    if (!code)
        rows = term_realloc_or_exit(NULL, (size_t)csv.rows * sizeof(*rows));
    for (int i = 1; !code && i < csv.rows; i++) {
        const struct row row = {csv_file_cell(&csv, i, by), csv_file_cell(&csv, i, path)};
        if (*row.customer)
            rows[count++] = row;
        else
            a->homeless++;
    }
    char *folder = term_format_or_exit(
        "%.*s", (int)(paths_basename(a->source) - a->source), a->source);
    if (count)
        qsort(rows, (size_t)count, sizeof(*rows), by_customer);
    for (int i = 0; i < count; i++)
        add_row(a, &rows[i], folder);
    free(folder);
    free(rows);
    csv_file_free(&csv);
    if (!code && !count)
        code = app_error(a->app, APP_BAD_INPUT, "%s: names no customer in the column %s",
                         a->source, a->options->by);
    return code;
}

enum app_exit audience_find_customers(struct audience *a)
{
    return a->options->by ? find_in_csv(a) : find_in_folder(a);
}
