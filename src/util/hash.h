/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 for content identity, and a fast 64-bit hash for tables. */
#ifndef WEFT_UTIL_HASH_H
#define WEFT_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT_SHA256_BYTES = 32 };

/* Incremental SHA-256 (FIPS 180-4). */
struct weft_sha256_state {
    uint32_t h[8];
    uint8_t block[64];
    uint64_t size; /* bytes added so far */
};

void weft_sha256_init(struct weft_sha256_state *state);
void weft_sha256_add(struct weft_sha256_state *state, const void *bytes, size_t size);
void weft_sha256_finish(struct weft_sha256_state *state, uint8_t out[WEFT_SHA256_BYTES]);

void weft_sha256(const void *bytes, size_t size, uint8_t out[WEFT_SHA256_BYTES]);

/* Writes a digest as 64 hexadecimal digits and a zero. */
void weft_sha256_hex(const uint8_t sum[WEFT_SHA256_BYTES],
                     char out[2 * WEFT_SHA256_BYTES + 1]);

/* A 64-bit hash, the same on every machine. It is not collision-resistant: confirm a
 * match by comparison. */
uint64_t weft_hash64(const void *bytes, size_t size);

/* The same hash of bytes that come in parts. */
struct weft_hash64_state {
    uint64_t lanes[4];
    uint8_t block[32];
    uint64_t size; /* bytes added so far */
};

void weft_hash64_init(struct weft_hash64_state *state);
void weft_hash64_add(struct weft_hash64_state *state, const void *bytes, size_t size);
uint64_t weft_hash64_finish(struct weft_hash64_state *state);

/* Adds a text to the hash of a sequence of texts. */
uint64_t weft_hash_add(uint64_t hash, const char *text);

#endif
