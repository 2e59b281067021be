/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), and a fast hash of four lanes. */
#include "util/hash.h"

#include <string.h>

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

static uint32_t rotate32(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One round. The variables rotate by name from round to round; this one writes d and
 * h. */
static inline void sha_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e,
                             uint32_t f, uint32_t g, uint32_t *h, uint32_t word)
{
    uint32_t t = *h + (rotate32(e, 6) ^ rotate32(e, 11) ^ rotate32(e, 25)) +
                 (g ^ (e & (f ^ g))) + word;
    *d += t;
    *h = t + (rotate32(a, 2) ^ rotate32(a, 13) ^ rotate32(a, 22)) +
         ((a & b) | (c & (a | b)));
}

static void sha_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++)
        w[i] = load_be32(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t s = rotate32(w[i - 15], 7) ^ rotate32(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t t = rotate32(w[i - 2], 17) ^ rotate32(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s + w[i - 7] + t;
    }
    for (int i = 0; i < 64; i += 8) {
        const uint32_t *k = sha_k + i, *x = w + i;
        sha_round(a, b, c, &d, e, f, g, &h, k[0] + x[0]);
        sha_round(h, a, b, &c, d, e, f, &g, k[1] + x[1]);
        sha_round(g, h, a, &b, c, d, e, &f, k[2] + x[2]);
        sha_round(f, g, h, &a, b, c, d, &e, k[3] + x[3]);
        sha_round(e, f, g, &h, a, b, c, &d, k[4] + x[4]);
        sha_round(d, e, f, &g, h, a, b, &c, k[5] + x[5]);
        sha_round(c, d, e, &f, g, h, a, &b, k[6] + x[6]);
        sha_round(b, c, d, &e, f, g, h, &a, k[7] + x[7]);
    }
    const uint32_t done[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += done[i];
}

void weft_sha256_init(struct weft_sha256_state *state)
{
    *state =
        (struct weft_sha256_state){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void weft_sha256_add(struct weft_sha256_state *state, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    size_t held = state->size % 64;
    state->size += size;
    if (held) {
        size_t part = size < 64 - held ? size : 64 - held;
        memcpy(state->block + held, p, part);
        p += part;
        size -= part;
        if (held + part < 64)
            return;
        sha_block(state->h, state->block);
    }
    for (; size >= 64; p += 64, size -= 64)
        sha_block(state->h, p);
    if (size)
        memcpy(state->block, p, size);
}

void weft_sha256_finish(struct weft_sha256_state *state, uint8_t out[WEFT_SHA256_BYTES])
{
    uint64_t bits = 8 * state->size;
    size_t held = state->size % 64;
    uint8_t tail[72] = {0x80}; /* one bit, zeros, the length: 9 to 72 bytes */
    size_t zeros = held < 56 ? 56 - held : 120 - held;
    for (int i = 0; i < 8; i++)
        tail[zeros + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    weft_sha256_add(state, tail, zeros + 8);
    for (int i = 0; i < WEFT_SHA256_BYTES; i++)
        out[i] = (uint8_t)(state->h[i / 4] >> (24 - 8 * (i % 4)));
}

void weft_sha256(const void *bytes, size_t size, uint8_t out[WEFT_SHA256_BYTES])
{
    struct weft_sha256_state state;
    weft_sha256_init(&state);
    weft_sha256_add(&state, bytes, size);
    weft_sha256_finish(&state, out);
}

void weft_sha256_hex(const uint8_t sum[WEFT_SHA256_BYTES],
                     char out[2 * WEFT_SHA256_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < WEFT_SHA256_BYTES; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[2 * WEFT_SHA256_BYTES] = 0;
}

/* Odd constants: the fractional parts of the square roots of 2, 3, 5 and 7. */
static const uint64_t odd[4] = {0x6a09e667f3bcc909u, 0xbb67ae8584caa73bu,
                                0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u};

/* Not a loop, so that compilers make one load of it. */
static uint64_t load_le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
           (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
           (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every input bit
 * affects every output bit. */
static uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t lane_add(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * 0x9e3779b97f4a7c15u;
    return lane ^ lane >> 32;
}

static void add_block(uint64_t *lanes, const uint8_t *p)
{
    for (int i = 0; i < 4; i++)
        lanes[i] = lane_add(lanes[i], load_le64(p + 8 * i));
}

void weft_hash64_init(struct weft_hash64_state *state)
{
    *state = (struct weft_hash64_state){.size = 0};
    memcpy(state->lanes, odd, sizeof(state->lanes));
}

void weft_hash64_add(struct weft_hash64_state *state, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    size_t held = state->size % sizeof(state->block), left = size;
    size_t taken = held ? sizeof(state->block) - held : 0;
    state->size += size;
    taken = taken < left ? taken : left;
    if (taken)
        memcpy(state->block + held, p, taken);
    if (held && held + taken == sizeof(state->block))
        add_block(state->lanes, state->block);
    uint64_t lanes[4]; /* not in the memory that bytes may be in */
    memcpy(lanes, state->lanes, sizeof(lanes));
    for (p += taken, left -= taken; left >= 32; p += 32, left -= 32)
        add_block(lanes, p);
    memcpy(state->lanes, lanes, sizeof(lanes));
    if (left)
        memcpy(state->block, p, left);
}

uint64_t weft_hash64_finish(struct weft_hash64_state *state)
{
    uint64_t *lanes = state->lanes, h = state->size * odd[0];
    size_t left = state->size % sizeof(state->block);
    const uint8_t *p = state->block;
    for (int i = 0; left >= 8; p += 8, left -= 8)
        lanes[i] = lane_add(lanes[i], load_le64(p)), i++;
    uint8_t tail[8] = {0};
    if (left)
        memcpy(tail, p, left);
    lanes[3] = lane_add(lanes[3], load_le64(tail));
    for (int i = 0; i < 4; i++)
        h = mix64(h ^ lanes[i]) + odd[i];
    return mix64(h);
}

uint64_t weft_hash64(const void *bytes, size_t size)
{
    struct weft_hash64_state state;
    weft_hash64_init(&state);
    weft_hash64_add(&state, bytes, size);
    return weft_hash64_finish(&state);
}

uint64_t weft_hash_add(uint64_t hash, const char *text)
{
    return mix64(hash * odd[0] + odd[1]) ^ weft_hash64(text, strlen(text));
}
