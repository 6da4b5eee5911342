"""From trained weights to what Triton serves: ONNX, smaller number types, TensorRT plans."""
