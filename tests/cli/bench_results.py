# SPDX-License-Identifier: Apache-2.0
"""Results of weft bench as its --json has them, made up."""

EVIL = "<script>alert(1)</script>\" onload='x' & co"


def row(workload, median, values=(), **more):
    values = values or [median * (1 + 0.01 * i) for i in range(-4, 5)]
    unit = {"latency": "ms", "layers": "GFLOP/s", "convergence": "s"}.get(workload, "images/s")
    return {"workload": workload, "net": "small", "input": "28x28x1", "batch": 128,
            "unit": unit, "median": median, "min": min(values), "max": max(values),
            "passed": True, "values": list(values), **more}


def layer(name, share, flops):
    return row("layers", share * 100, layer=name, layer_text="conv 8 3x3", phase="forward",
               flops=flops, bytes=1e6, seconds=flops / share / 1e11, roofline_fraction=share)


def run_of(name, speed, rows=()):
    rows = list(rows) or [
        row("train", speed), row("train", 2 * speed, batch=512), row("latency", 1e5 / speed),
        layer("conv1", 0.8, 1e9), layer("conv2", 1.7, 1e7), layer("act3", 0.01, 1e4),
        row("convergence", 3.5, accuracy=0.81, accuracy_standard_error=0.004,
            target_accuracy=0.8, steps=100)]
    memory = [{"bytes": 1 << 15, "read_bytes_per_second": 1e11},
              {"bytes": 1 << 27, "read_bytes_per_second": 1e10}]
    roofline = {"flops_per_second": 1e11, "launch_overhead_s": 1e-6,
                "sync_latency_s": 1e-5, "memory": memory}
    return {"schema": "weft.bench/2", "weft": "0.1.0", "commit": "0123abc", "rows": rows,
            "roofline": roofline, "device": {"name": name, "platform": "P", "driver": EVIL,
                                       "id": f"{name}@P#0"}}


def crowd():
    """Twenty devices, four of a speed, with two networks and batches."""
    for i in range(20):
        rows = [row("train", 1000 + i // 4, batch=b, net=net) for b in (8, 64)
                for net in ("small", "a network of a long name")]
        yield run_of(f"D{i}", 1, rows)
