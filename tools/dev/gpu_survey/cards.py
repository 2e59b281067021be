# SPDX-License-Identifier: Apache-2.0
"""GPUs: what their drivers report, by which weft chooses kernels, and published figures of
their performance. A unit is what a work-group runs on: compute unit (GCN, CDNA), work-group
processor (RDNA), multiprocessor (NVIDIA), sub-slice or Xe core (Intel)."""
import dataclasses

AMD = {"platform": "AMD Accelerated Parallel Processing",
       "vendor": "Advanced Micro Devices, Inc.", "version": "OpenCL 2.0 ",
       "driver": "3581.0 (HSA1.1,LC)", "group": 256, "local": 65536, "unified": 0,
       "extensions": "cl_khr_fp64 cl_khr_fp16 cl_khr_subgroups"}
NVIDIA = {"platform": "NVIDIA CUDA", "vendor": "NVIDIA Corporation", "unified": 0,
          "version": "OpenCL 3.0 CUDA", "driver": "535.183.01", "group": 1024, "local": 49152,
          "extensions": "cl_khr_fp64 cl_nv_device_attribute_query"}
INTEL = {"platform": "Intel(R) OpenCL Graphics", "vendor": "Intel(R) Corporation",
         "version": "OpenCL 3.0 NEO ", "driver": "22.43.24595.41", "local": 65536,
         "extensions": "cl_khr_fp16 cl_khr_subgroups cl_intel_subgroups "
                       "cl_intel_required_subgroup_size"}


@dataclasses.dataclass(frozen=True)
class Card:
    name: str
    target: str           # what the compiler calls it
    properties: dict      # what the driver reports
    units: int            # of the hardware
    lanes: int            # float32 multiply-adds a clock and unit
    ghz: float
    local_rate: int       # bytes of local memory a clock and unit
    local_bytes: int      # of local memory a unit
    dram: float           # GB/s
    l2: float             # GB/s, estimated: channels x width x clock
    schedulers: int       # a unit
    wave: int             # work-items; 0: the compiler chooses
    issue_clocks: float   # of a scheduler for a wave's vector instruction
    latency: float = 600  # of main memory, in clocks
    integer_lanes: float = 1.0  # relative to those of float32
    memory_gb: int = 16

    @property
    def peak(self):
        """Floating-point operations a second."""
        return 2e9 * self.units * self.lanes * self.ghz

    @property
    def vendor(self):
        prefixes = {"gfx": "amd", "sm_": "nvidia"}
        return prefixes.get(self.target[:3], "intel")

    def driver_properties(self):
        """As the recorder's arguments."""
        memory = self.memory_gb << 30
        # AMD's driver reports the chip.
        name = self.target if self.vendor == "amd" else self.name
        given = {"name": name, "memory": memory, "largest": memory, **self.properties}
        return [f"{key}={value}" for key, value in given.items()]


CARDS = {card.name: card for card in [
    Card("RX 6800", "gfx1030", {**AMD, "units": 30}, 30, 128, 2.10, 256, 131072, 512, 2150,
         4, 32, 1, latency=600),
    Card("RX 7900 XTX", "gfx1100", {**AMD, "units": 48}, 48, 256, 2.50, 256, 131072, 960, 5000,
         4, 32, 1, latency=700, memory_gb=24),
    Card("Radeon VII", "gfx906", {**AMD, "units": 60}, 60, 64, 1.75, 128, 65536, 1024, 1800,
         4, 64, 4, latency=700),
    Card("MI210", "gfx90a", {**AMD, "units": 104}, 104, 128, 1.70, 128, 65536, 1638, 6900,
         4, 64, 4, latency=800, memory_gb=64),
    Card("A100", "sm_80", {**NVIDIA, "units": 108}, 108, 64, 1.41, 128, 167936, 1555, 4500,
         4, 32, 2, latency=600, memory_gb=40),
    Card("H100", "sm_90", {**NVIDIA, "units": 132}, 132, 128, 1.70, 128, 233472, 3350, 5700,
         4, 32, 1, latency=650, integer_lanes=0.5, memory_gb=80),
    Card("RTX 3080", "sm_86", {**NVIDIA, "units": 68}, 68, 128, 1.71, 128, 102400, 760, 2300,
         4, 32, 1, latency=550, integer_lanes=0.5, memory_gb=10),
    Card("Iris Xe 96", "tgllp", {**INTEL, "units": 96, "group": 512, "unified": 1},
         6, 128, 1.30, 128, 65536, 60, 500, 16, 0, 1, latency=500),
    Card("Arc A770", "dg2-g10", {**INTEL, "units": 512, "group": 1024, "unified": 0},
         32, 128, 2.10, 128, 131072, 560, 2000, 16, 0, 1, latency=700),
]}
