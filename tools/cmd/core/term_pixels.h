/* SPDX-License-Identifier: Apache-2.0 */
/* Images as terminals draw them, to the pixel. */
#ifndef WEFT_CMD_CORE_TERM_PIXELS_H
#define WEFT_CMD_CORE_TERM_PIXELS_H

#include <stdint.h>
#include <stdio.h>

/* Draws height x width x 3 bytes from the cursor to the right and down. The cursor is
 * undefined then. */
void term_kitty_write(FILE *out, const uint8_t *rgb, int height, int width);

/* The same with sixels: greys in steps of 1 %, colours by 6 x 7 x 6 levels, dithered. */
void term_sixel_write(FILE *out, const uint8_t *rgb, int height, int width);

#endif
