/* SPDX-License-Identifier: Apache-2.0 */
/* The fake devices. What a row does not name is the driver's own. */
#include "opencl_layer/layer.h"

#define KIB ((cl_ulong)1024)
#define MIB (1024 * KIB)

#define IS(type)         LAYER_NUMBER(CL_DEVICE_TYPE, cl_device_type, type)
#define GROUP(n)         LAYER_NUMBER(CL_DEVICE_MAX_WORK_GROUP_SIZE, size_t, n)
#define LOCAL(bytes)     LAYER_NUMBER(CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong, bytes)
#define LOCAL_IS(type)   LAYER_NUMBER(CL_DEVICE_LOCAL_MEM_TYPE, cl_uint, type)
#define LARGEST(bytes)   LAYER_NUMBER(CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong, bytes)
#define MEMORY(bytes)    LAYER_NUMBER(CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong, bytes)
#define UNITS(n)         LAYER_NUMBER(CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint, n)
#define VECTOR(n)        LAYER_NUMBER(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint, n)
#define UNIFIED(yes)     LAYER_NUMBER(CL_DEVICE_HOST_UNIFIED_MEMORY, cl_bool, yes)
#define NO_DOUBLE        LAYER_NUMBER(CL_DEVICE_DOUBLE_FP_CONFIG, cl_device_fp_config, 0)
#define NO_IMAGES        LAYER_NUMBER(CL_DEVICE_IMAGE_SUPPORT, cl_bool, CL_FALSE)
#define VENDOR(text)     LAYER_TEXT(CL_DEVICE_VENDOR, text)
#define DEVICE(text)     LAYER_TEXT(CL_DEVICE_NAME, text)
#define PLATFORM(text)   LAYER_TEXT(CL_PLATFORM_NAME, text)
#define DRIVER(text)     LAYER_TEXT(CL_DRIVER_VERSION, text)
#define VERSION(text)    LAYER_TEXT(CL_DEVICE_VERSION, text)
#define EXTENSIONS(text) LAYER_TEXT(CL_DEVICE_EXTENSIONS, text)
#define UUID(text)       LAYER_TEXT(0x106A, text) /* CL_DEVICE_UUID_KHR */
#define BASE_EXTENSIONS  "cl_khr_byte_addressable_store cl_khr_global_int32_base_atomics "

const struct layer_fake layer_fakes[] = {
    /* One limit each. */
    {"no-fp64", {NO_DOUBLE, EXTENSIONS(BASE_EXTENSIONS)}},
    {"local-32k", {IS(CL_DEVICE_TYPE_GPU), LOCAL(32 * KIB)}},
    {"local-16k", {IS(CL_DEVICE_TYPE_GPU), LOCAL(16 * KIB)}},
    {"local-4k", {IS(CL_DEVICE_TYPE_GPU), LOCAL(4 * KIB)}},
    {"no-local", {IS(CL_DEVICE_TYPE_GPU), LOCAL(0), LOCAL_IS(CL_GLOBAL)}},
    {"group-256", {IS(CL_DEVICE_TYPE_GPU), GROUP(256)}},
    {"group-64", {IS(CL_DEVICE_TYPE_GPU), GROUP(64)}},
    {"group-32", {IS(CL_DEVICE_TYPE_GPU), GROUP(32)}},
    {"group-1", {GROUP(1)}},
    {"largest-16m", {LARGEST(16 * MIB)}},
    {"largest-1m", {LARGEST(1 * MIB)}},
    {"memory-24m", {MEMORY(24 * MIB), LARGEST(24 * MIB)}},
    {"cl-1.2",
     {VERSION("OpenCL 1.2 fake"), NO_IMAGES, EXTENSIONS(BASE_EXTENSIONS),
      LAYER_TEXT(CL_DEVICE_OPENCL_C_VERSION, "OpenCL C 1.2 fake"),
      LAYER_TEXT(CL_PLATFORM_VERSION, "OpenCL 1.2 fake")}},
    {"one-unit", {UNITS(1)}},
    {"many-units", {IS(CL_DEVICE_TYPE_GPU), UNITS(304), GROUP(1024)}},

    /* Answers that are possible but wrong. */
    {"units-0", {UNITS(0)}},
    {"vector-0", {VECTOR(0)}},
    {"vector-1", {IS(CL_DEVICE_TYPE_GPU), VECTOR(1)}},
    {"vector-4", {IS(CL_DEVICE_TYPE_GPU), VECTOR(4), GROUP(256)}},
    {"type-custom", {IS(CL_DEVICE_TYPE_CUSTOM)}},

    /* Devices that cannot be used and must be rejected. */
    {"cl-1.1", {VERSION("OpenCL 1.1 fake")}},
    {"no-compiler", {LAYER_NUMBER(CL_DEVICE_COMPILER_AVAILABLE, cl_bool, CL_FALSE)}},
    {"not-available", {LAYER_NUMBER(CL_DEVICE_AVAILABLE, cl_bool, CL_FALSE)}},
    {"big-endian", {LAYER_NUMBER(CL_DEVICE_ENDIAN_LITTLE, cl_bool, CL_FALSE)}},

    /* Devices of vendors, as their drivers describe them. */
    {"amd",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("AMD Accelerated Parallel Processing"),
      VENDOR("Advanced Micro Devices, Inc."), DEVICE("gfx1030"), GROUP(256),
      LOCAL(64 * KIB), UNITS(36), VECTOR(1), VERSION("OpenCL 2.0 "),
      DRIVER("3581.0 (HSA1.1,LC)"), UNIFIED(CL_FALSE),
      EXTENSIONS(BASE_EXTENSIONS "cl_khr_fp64 cl_khr_fp16 cl_khr_subgroups "
                                 "cl_amd_device_attribute_query cl_amd_media_ops ")}},
    {"nvidia",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("NVIDIA CUDA"), VENDOR("NVIDIA Corporation"),
      DEVICE("NVIDIA GeForce RTX 3060"), GROUP(1024), LOCAL(48 * KIB), UNITS(28),
      VECTOR(1), VERSION("OpenCL 3.0 CUDA"), DRIVER("535.183.01"), UNIFIED(CL_FALSE),
      LAYER_NUMBER(0x4008, cl_uint, 1), LAYER_NUMBER(0x4009, cl_uint, 0),
      LAYER_NUMBER(0x400A, cl_uint, 0),
      EXTENSIONS(BASE_EXTENSIONS "cl_khr_fp64 cl_nv_device_attribute_query "
                                 "cl_nv_compiler_options cl_nv_pragma_unroll")}},
    {"intel",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("Intel(R) OpenCL Graphics"),
      VENDOR("Intel(R) Corporation"), DEVICE("Intel(R) UHD Graphics 620"), GROUP(256),
      LOCAL(64 * KIB), UNITS(24), VECTOR(1), VERSION("OpenCL 3.0 NEO "),
      DRIVER("22.43.24595.41"), UNIFIED(CL_TRUE),
      EXTENSIONS(BASE_EXTENSIONS "cl_khr_fp16 cl_khr_subgroups cl_intel_subgroups "
                                 "cl_intel_required_subgroup_size "
                                 "cl_intel_subgroups_short cl_khr_device_uuid "),
      UUID("0123456789abcde")}},
    {"mali",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("ARM Platform"), VENDOR("ARM"),
      DEVICE("Mali-G610"), GROUP(1024), LOCAL(32 * KIB), LOCAL_IS(CL_GLOBAL), UNITS(4),
      VECTOR(4), VERSION("OpenCL 3.0 v1.g13p0"), DRIVER("3.0"), UNIFIED(CL_TRUE),
      NO_DOUBLE, EXTENSIONS(BASE_EXTENSIONS "cl_khr_fp16 cl_arm_core_id cl_arm_printf")}},
    {"mali-old",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("ARM Platform"), VENDOR("ARM"),
      DEVICE("Mali-T628"), GROUP(256), LOCAL(32 * KIB), LOCAL_IS(CL_GLOBAL), UNITS(4),
      VERSION("OpenCL 1.2 v1.r12p0"), DRIVER("1.2"), UNIFIED(CL_TRUE), LARGEST(64 * MIB),
      EXTENSIONS(BASE_EXTENSIONS "cl_khr_fp64")}},
    {"adreno",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("QUALCOMM Snapdragon(TM)"), VENDOR("QUALCOMM"),
      DEVICE("QUALCOMM Adreno(TM) 650"), GROUP(1024), LOCAL(32 * KIB), UNITS(3),
      VECTOR(1), VERSION("OpenCL 2.0 Adreno(TM) 650"), UNIFIED(CL_TRUE), NO_DOUBLE,
      DRIVER("OpenCL 2.0 QUALCOMM build: commit # changeid # Date: 10/26/21"),
      EXTENSIONS(BASE_EXTENSIONS
                 "cl_khr_fp16 cl_qcom_perf_hint cl_qcom_recordable_queues")}},
    {"apple",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("Apple"), VENDOR("Apple"), DEVICE("Apple M1"),
      GROUP(256), LOCAL(32 * KIB), UNITS(8), VECTOR(1), VERSION("OpenCL 1.2 "),
      DRIVER("1.2 1.0"), UNIFIED(CL_TRUE), NO_DOUBLE,
      EXTENSIONS("cl_APPLE_SetMemObjectDestructor cl_APPLE_ContextLoggingFunctions "
                 "cl_khr_byte_addressable_store")}},
    {"powervr",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("PowerVR"), VENDOR("Imagination Technologies"),
      DEVICE("PowerVR Rogue GE8300"), GROUP(512), LOCAL(4 * KIB), UNITS(1), VECTOR(1),
      VERSION("OpenCL 1.2 "), DRIVER("1.11@5516664"), UNIFIED(CL_TRUE), NO_DOUBLE,
      LARGEST(128 * MIB), EXTENSIONS(BASE_EXTENSIONS "cl_khr_fp16 ")}},
    {"videocore",
     {IS(CL_DEVICE_TYPE_GPU), PLATFORM("OpenCL for the Raspberry Pi VideoCore IV GPU"),
      VENDOR("doe300"), DEVICE("VideoCore IV GPU"), GROUP(12), LOCAL(32 * KIB),
      LOCAL_IS(CL_GLOBAL), UNITS(1), VECTOR(16), VERSION("OpenCL 1.2 VC4CL 0.4.9999"),
      DRIVER("0.4.9999"), UNIFIED(CL_TRUE), NO_DOUBLE, NO_IMAGES, MEMORY(76 * MIB),
      LARGEST(76 * MIB)}},
    {0},
};
