# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the processor, told to stay in float32."""

import io

import openvino

import in_onnx

version = openvino.__version__.partition("-")[0]


class Peer(in_onnx.Peer):
    def load(self, model):
        core = openvino.Core()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.job.threads,
        }
        compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", options)
        request = compiled.create_infer_request()
        return lambda images: request.infer([images])[0]
