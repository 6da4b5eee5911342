"""The networks behind one interface, on Triton or in this process with ONNX Runtime."""
