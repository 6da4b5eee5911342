"""What Triton answers where it can't load a model is said in words, with what to do."""

import re

import pytest

from orchestrator.publishing.triton_faults import fault_of

CPP = re.compile(r"Internal|Invalid argument|onnx runtime error|::|std|\.cc\b|\[E\]|INVALID|version 7")

# As servers of different releases and backends word them.
ANSWERS = {
    "failed to load 'iris_unet', at least one version must be available under the version policy": "sees no such file",
    "failed to load 'iris_unet', failed to poll from model repository": "sees no such file",
    "load failed for model 'iris_unet': version 7 is at UNAVAILABLE state: Internal: onnx runtime error 7: Load model "
    "from /models/iris_unet/7/model.onnx failed:Protobuf parsing failed.;": "damaged, cut off or something else",
    "Internal: Check 'm_model->ParseFromIstream(&model_file)' failed at graph_iterator_proto.cpp:563: FrontEnd API "
    "failed with GeneralFailure: Model can't be parsed": "damaged, cut off or something else",
    "Internal: FrontEnd API failed with OpConversionFailure: OpenVINO does not support the following ONNX operations: "
    "ai.onnx.Blur": "uses the operator ai.onnx.Blur, which OpenVINO does not have",
    "Internal: onnx runtime error 1: Load model failed:This is an invalid model. Error in Node: No Op registered for "
    "Blur with domain_version of 18": "uses the operator Blur",
    "Internal: unable to load plan file to auto complete config: The engine plan file is not compatible with this "
    "version of TensorRT, expecting library version 10.9.0 got 10.7.0": "by another TensorRT or for another GPU",
    "Internal: unable to create TensorRT engine: Error Code 6: The engine plan file is generated on an incompatible "
    "device, expecting compute 9.0 got compute 8.6": "Build it where it is served",
    "Internal: onnx runtime error 6: CUDA failure 2: out of memory": "no memory for it",
    "Internal: onnx runtime error 2: /ort/bfc_arena.cc:376 BFCArena Failed to allocate memory for requested buffer of "
    "size 33554432": "no memory for it",
    "Invalid argument: unable to find backend library for backend 'onnxruntime', try specifying runtime on the model "
    "configuration.": "no backend for files of this kind",
    "Internal: ModuleNotFoundError: No module named 'cv2'": "lacks a package (cv2)",
    "Internal: Stub process 'iris_cutout_0_0' is not healthy.": "enough shared memory",
    "Invalid argument: model 'iris_unet', tensor 'image': the model expects 4 dimensions (shape [-1,512,512,3]) but "
    "the model configuration specifies 3": "other inputs or outputs than the file has",
    "explicit model load / unload is not allowed if polling is enabled": "--model-control-mode=explicit",
    "Internal: something that nobody has seen": "the server's log says why",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_each_answer_is_said_in_words(answer: str) -> None:
    words = fault_of(answer)
    assert ANSWERS[answer] in words and not CPP.search(words), words
