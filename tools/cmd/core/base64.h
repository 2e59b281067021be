/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as letters. */
#ifndef WEFT_CMD_CORE_BASE64_H
#define WEFT_CMD_CORE_BASE64_H

#include <stdint.h>
#include <stdio.h>

/* Writes bytes in base64 (RFC 4648), as in the URL of an image within a page. */
void base64_write(FILE *out, const uint8_t *bytes, size_t size);

#endif
