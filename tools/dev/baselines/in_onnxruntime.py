# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the CPU."""

import onnxruntime

import in_onnx

version = onnxruntime.__version__


class Baseline(in_onnx.Baseline):
    def load(self, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.job.threads
        session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        return lambda images: session.run(None, {"x": images})[0]
