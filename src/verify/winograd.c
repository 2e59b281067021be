/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of the matrices of Winograd's algorithm. */
#include "verify/winograd.h"

#include <math.h>

enum { MAX_OUTPUTS = WINOGRAD_SIDE - 2 };

/* The finite points of F(outputs, 3), outputs + 1 of them; see cl/lib/winograd.h. */
static const double points[MAX_OUTPUTS + 1][MAX_OUTPUTS + 1] = {
    [2] = {0, 1, -1},
    [3] = {0.5, -0.5, 1.5, -1.5},
    [4] = {0, 2.0 / 3, -2.0 / 3, 1.5, -1.5},
};

/* Absolute coefficients of the product of x - point[i] over all i < count but `without`,
 * the constant first. */
static void coefficients(const double *point, int count, int without,
                         double out[WINOGRAD_SIDE])
{
    double c[WINOGRAD_SIDE + 1] = {1}; /* the highest first */
    int degree = 0;
    for (int i = 0; i < count; i++) {
        if (i == without)
            continue;
        c[++degree] = 0;
        for (int j = degree; j > 0; j--)
            c[j] -= c[j - 1] * point[i];
    }
    for (int j = 0; j <= degree; j++)
        out[j] = fabs(c[degree - j]);
}

/* The points' distances, by which either B or G may be divided, divide G. */
struct winograd_sizes winograd_sizes_of(int outputs)
{
    const double *point = points[outputs];
    int count = outputs + 1;
    struct winograd_sizes m = {.outputs = outputs, .side = outputs + 2};
    for (int p = 0; p < count; p++) {
        double distances = 1;
        for (int i = 0; i < count; i++)
            distances *= i == p ? 1 : fabs(point[p] - point[i]);
        coefficients(point, count, p, m.input[p]);
        double power = 1;
        for (int i = 0; i < MAX_OUTPUTS; i++, power *= fabs(point[p])) {
            if (i < 3)
                m.weights[p][i] = power / distances;
            if (i < outputs)
                m.output[p][i] = power;
        }
    }
    coefficients(point, count, -1, m.input[count]);
    m.weights[count][2] = 1;
    m.output[count][outputs - 1] = 1;
    return m;
}
