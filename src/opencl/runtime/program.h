/* SPDX-License-Identifier: Apache-2.0 */
/* Programs, and their cache on disk. */
#ifndef WEFT_OPENCL_RUNTIME_PROGRAM_H
#define WEFT_OPENCL_RUNTIME_PROGRAM_H

#include "opencl/runtime/ocl.h"

enum { OCL_KEY_BYTES = 32 }; /* of an entry of the cache */

/* The program of a source of cl/ with options, kept until the device is closed. Nothing
 * is built yet. */
enum weft_status ocl_program_request(struct ocl_device *device, const char *source,
                                     const char *options, struct ocl_program **out);
/* Builds what was requested since the last call as one program, if the driver can and
 * there are several. */
enum weft_status ocl_programs_build(struct ocl_device *device);
/* A new kernel object. A program that could not be built with the others is built alone,
 * so that the error message is about it. */
enum weft_status ocl_program_kernel(struct ocl_device *device,
                                    struct ocl_program *program, const char *kernel,
                                    cl_kernel *out);
/* Keeps what was built in the cache. After kernels were made: some drivers compile no
 * earlier (Arm's), and their binaries before hold no code. */
void ocl_programs_save(struct ocl_device *device);
void ocl_programs_destroy(struct ocl_device *device);

/* A hash of source and options. */
uint64_t ocl_program_hash(const struct ocl_program *program);

/* The hash of the source of this name; 0: there is none. */
uint64_t ocl_source_hash(const char *name);

/* cache.c. An entry is a header (magic, key, length, SHA-256) and the driver's binary. A
 * driver may crash on a damaged binary, so that entries are returned only if they are
 * exactly as stored. */
/* Everything that a built program depends on: schema, weft, source, options, driver,
 * device. */
void ocl_cache_key(const struct ocl_device *device, const void *source, size_t bytes,
                   const char *options, uint8_t key[OCL_KEY_BYTES]);
/* Creates the folder if need be and returns its name, to be freed; NULL if it cannot be
 * trusted: owned or writable by others. */
char *ocl_cache_open(weft_context *ctx, const char *path);
/* The file of an entry, to be freed; NULL: no memory. */
char *ocl_cache_path(const char *dir, const uint8_t key[OCL_KEY_BYTES]);
/* The payload of an entry, to be freed; NULL: there is none, or it is damaged. */
void *ocl_cache_read(const char *dir, const uint8_t key[OCL_KEY_BYTES], size_t *bytes);
/* Failure is silent: the program is built again next time. */
void ocl_cache_write(const char *dir, const uint8_t key[OCL_KEY_BYTES],
                     const void *payload, size_t bytes);

#endif
