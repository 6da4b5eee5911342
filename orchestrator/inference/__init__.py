"""The networks as the pipeline sees them, from Triton or from ONNX Runtime in this process."""
