# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU in float32."""

import io

import openvino

import in_onnx

version = openvino.__version__.partition("-")[0]


class Baseline(in_onnx.Baseline):
    def load(self, model):
        core = openvino.Core()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.job.threads,
        }
        compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", options)
        request = compiled.create_infer_request()
        return lambda images: request.infer([images])[0]
