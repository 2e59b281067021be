/* SPDX-License-Identifier: Apache-2.0 */
/* Two hashes: SHA-256 to know contents for certain, and a fast one for tables. */
#ifndef WEFT_UTIL_HASH_H
#define WEFT_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT_SHA256_BYTES = 32 };

/* SHA-256 (FIPS 180-4) of contents that come in pieces. */
struct weft_sha256_state {
    uint32_t h[8];
    uint8_t block[64];
    uint64_t size; /* bytes so far */
};

void weft_sha256_init(struct weft_sha256_state *state);
void weft_sha256_add(struct weft_sha256_state *state, const void *bytes, size_t size);
void weft_sha256_finish(struct weft_sha256_state *state, uint8_t out[WEFT_SHA256_BYTES]);

void weft_sha256(const void *bytes, size_t size, uint8_t out[WEFT_SHA256_BYTES]);

/* Writes a sum as 64 hexadecimal digits and a zero. */
void weft_sha256_hex(const uint8_t sum[WEFT_SHA256_BYTES],
                     char out[2 * WEFT_SHA256_BYTES + 1]);

/* A well mixed 64-bit hash, the same on every machine. It is not meant to withstand
 * somebody who looks for collisions: confirm a match by comparing. */
uint64_t weft_hash64(const void *bytes, size_t size);

/* The hash of a sequence of texts, grown by one. */
uint64_t weft_hash_add(uint64_t hash, const char *text);

#endif
