"""Exported graphs by others' code: ONNX's checker looks at each, and Python's onnxruntime answers.

runOnnx.py FOLDER... -- each with model.onnx, weights.bin and inputs.json; prints the outputs of each as JSON.
"""
import json
import sys

import numpy
import onnx
import onnxruntime


def answers(folder):
    path = f"{folder}/model.onnx"
    onnx.checker.check_model(path, full_check=True)
    domains = {domain.domain for domain in onnx.load(path).opset_import}
    assert domains == {""}, f"{path} has operators that are not standard: {domains}"
    with open(f"{folder}/inputs.json") as file:
        inputs = json.load(file)
    feeds = {
        name: numpy.array(value["data"], dtype=value["type"]).reshape(value["shape"]) for name, value in inputs.items()
    }
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {
        name: {"shape": value.shape, "data": value.reshape(-1).tolist()}
        for name, value in zip(names, session.run(names, feeds))
    }


print(json.dumps([answers(folder) for folder in sys.argv[1:]]))
