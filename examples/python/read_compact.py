"""Reads a compact file of padnet with numpy alone, as docs/compact-form.md describes it."""
import json
import struct
import sys

import numpy as np

TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "U8": "u1"}


def read_compact(path):
    """What the network is, and its tensors by name in float32. A layer X whose weight depends on the input has
    X.kernels [K, ...shape] and X.constant [...shape]: W(x) = sum_k a_k(x) kernels[k] + constant."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__", {})
    if metadata.get("format") != "padnet-compact-1":
        raise ValueError(f"{path} is not a compact file of version 1")
    stored = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        numbers = np.frombuffer(data[start + begin : start + end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        stored[name] = (numbers.astype("<u4") << 16).view("<f4") if entry["dtype"] == "BF16" else numbers
    model = json.loads(metadata["model"])
    sources = {layer + ".source": of for layer, of in model["layers"].items()}
    tensors = {}
    for name, numbers in stored.items():
        if name.rpartition(".")[0] in sources or name.endswith(".scale"):
            continue
        scale = stored.get(name + ".scale", np.float32(1))  # one number, or [O]
        tensors[name] = np.asarray(numbers * scale.reshape(scale.shape + (1,) * (numbers.ndim - scale.ndim)))
    for source, of in sources.items():
        layer = source[: -len(".source")]
        tensors[layer + ".kernels"], tensors[layer + ".constant"] = parts(stored, source, of["shape"], of["kernels"])
    return model, tensors


def parts(stored, source, shape, count):
    """Kernels with 0 at static positions, and the constant with 0 at dynamic ones."""
    size = int(np.prod(shape))
    bits = stored.get(source + ".mask_bits")
    dynamic = np.ones(size, bool) if bits is None else np.unpackbits(bits, count=size, bitorder="little") == 1
    channel = np.arange(size) // (size // shape[0])  # the output channel of each position
    bank_scale = stored.get(source + ".bank.scale", np.ones((count, shape[0]), "f4"))
    static_scale = stored.get(source + ".static_weight.scale", np.ones(shape[0], "f4"))
    kernels, constant = np.zeros((count, size), "f4"), np.zeros(size, "f4")
    kernels[:, dynamic] = stored[source + ".bank"].reshape(count, -1) * bank_scale[:, channel[dynamic]]
    if bits is not None:
        constant[~dynamic] = stored[source + ".static_weight"] * static_scale[channel[~dynamic]]
    return kernels.reshape(count, *shape), constant.reshape(shape)


if __name__ == "__main__":
    for name, tensor in sorted(read_compact(sys.argv[1])[1].items()):
        print(name, list(tensor.shape))
