/* SPDX-License-Identifier: Apache-2.0 */
/* Known-answer tests that lists have passed. */
#include "opencl/runtime/proof.h"

#include "opencl/runtime/command_list.h"
#include "opencl/runtime/program.h"

#include <stdlib.h>
#include <string.h>

/* To be raised with the thoroughness of the test. */
static const char schema[] = "known answers 1";

struct ocl_proof {
    struct ocl_proof *next;
    uint8_t key[OCL_KEY_BYTES];
};

static bool is_kept(const struct ocl_device *d, const uint8_t key[OCL_KEY_BYTES])
{
    for (const struct ocl_proof *p = d->proofs; p; p = p->next)
        if (!memcmp(p->key, key, OCL_KEY_BYTES))
            return true;
    size_t bytes;
    void *payload = d->proof_dir ? ocl_cache_read(d->proof_dir, key, &bytes) : NULL;
    free(payload);
    return payload != NULL;
}

static void keep(struct ocl_device *d, const uint8_t key[OCL_KEY_BYTES])
{
    struct ocl_proof *p = malloc(sizeof(*p));
    if (p) { /* otherwise the test is repeated */
        memcpy(p->key, key, OCL_KEY_BYTES);
        p->next = d->proofs;
        d->proofs = p;
    }
    if (d->proof_dir)
        ocl_cache_write(d->proof_dir, key, schema, sizeof(schema));
}

bool ocl_is_proven(struct weft_command_list *list, bool remember)
{
    struct ocl_device *d = ocl_device_of(list);
    uint8_t launches[WEFT_SHA256_BYTES], key[OCL_KEY_BYTES];
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    ocl_list_hash(list, &hash);
    weft_sha256_finish(&hash, launches);
    ocl_cache_key(d, launches, sizeof(launches), schema, key);
    bool kept = is_kept(d, key);
    if (remember && !kept)
        keep(d, key);
    return kept || remember;
}

void ocl_proofs_destroy(struct ocl_device *d)
{
    while (d->proofs) {
        struct ocl_proof *p = d->proofs;
        d->proofs = p->next;
        free(p);
    }
    free(d->proof_dir);
}
