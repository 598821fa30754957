"""Writes references.generated.ts: what PyTorch's own layers compute. Run with Debian's python3-torch (1.13)."""

import base64
import io
import os

import torch
from torch import nn

torch.set_num_threads(1)
f64 = torch.float64


def flat(tensor):
    return tensor.detach().flatten().tolist()


def initial(make):
    torch.manual_seed(0)
    return {name: flat(value) for name, value in make().state_dict().items()}


def ramp(*shape):
    """sin(0), sin(1), ...: values that TypeScript can make again."""
    count = torch.Size(shape).numel()
    return torch.arange(count, dtype=f64).sin().reshape(shape)


def batch_norm(**options):
    layer = nn.BatchNorm2d(2, **options).double()
    first = layer(ramp(2, 2, 2, 2))
    second = layer(ramp(2, 2, 2, 2) * 3 + 1)
    evaluated = layer.eval()(ramp(2, 2, 2, 2))
    state = {k: flat(v) for k, v in layer.state_dict().items() if "running" in k or "num" in k}
    return {"first": flat(first), "second": flat(second), "evaluated": flat(evaluated), "state": state}


def cross_entropy(shape, target, **options):
    loss = nn.CrossEntropyLoss(**options)(ramp(*shape), target)
    return flat(loss)


def normalised(tensor, dim):
    return tensor.abs() / tensor.abs().sum(dim, keepdim=True)


def probe(layer, *inputs, call=None):
    """
    Outputs, and the gradients of the sum of output * cos(ramp) by inputs and parameters, of a layer whose parameter i is
    0.3 * ramp + 0.1 * i; nn/probe.fixture.ts does the same.
    """
    layer = layer.double()
    with torch.no_grad():
        for index, parameter in enumerate(layer.parameters()):
            parameter.copy_(ramp(*parameter.shape) * 0.3 + 0.1 * index)
    leaves = [value.clone().requires_grad_() for value in inputs]
    outputs = [value for value in nested((call or (lambda m, *x: m(*x)))(layer, *leaves)) if value is not None]
    loss = sum((output * ramp(*output.shape).cos()).sum() for output in outputs)
    gradients = torch.autograd.grad(loss, leaves + list(layer.parameters()), allow_unused=True)
    return {
        "keys": list(layer.state_dict().keys()),
        "shapes": [list(output.shape) for output in outputs],
        "outputs": [flat(output) for output in outputs],
        "gradients": [flat(gradient) for gradient in gradients if gradient is not None],
    }


class Saved(nn.Module):
    """Of layers whose state dict has names that nothing else has."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
        self.gru = nn.GRU(6, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.up = nn.ConvTranspose1d(4, 4, 2)
        self.norm = nn.GroupNorm(2, 4)

    def forward(self, x):
        x = self.gru(self.lstm(x)[0])[0]
        x = self.attention(x, x, x)[0]
        return self.norm(self.up(x.permute(1, 2, 0)))


def saved():
    """What torch.save makes of a state dict, and what the network computes of a ramp."""
    torch.manual_seed(3)
    network = Saved().double()
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return {"file": base64.b64encode(buffer.getvalue()).decode(), "output": flat(network(ramp(3, 2, 2)))}


def nested(value):
    return [leaf for item in value for leaf in nested(item)] if isinstance(value, (tuple, list)) else [value]


def upper(length):
    return torch.ones(length, length).triu(1).bool()


padding = torch.tensor([[False, False, False, True], [False, False, False, False]])
attention = {
    "plain": probe(nn.MultiheadAttention(4, 2), ramp(3, 2, 4), ramp(4, 2, 4) + 0.1, ramp(4, 2, 4) * 0.5),
    "self": probe(
        nn.MultiheadAttention(4, 2, batch_first=True), ramp(2, 3, 4), call=lambda m, x: m(x, x, x, attn_mask=upper(3))
    ),
    "padded": probe(
        nn.MultiheadAttention(4, 2, bias=False),
        ramp(3, 2, 4),
        ramp(4, 2, 4),
        call=lambda m, q, k: m(q, k, k, key_padding_mask=padding, average_attn_weights=False),
    ),
    "both": probe(
        nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True),
        ramp(3, 2, 4),
        ramp(4, 2, 4),
        call=lambda m, q, k: m(q, k, k, key_padding_mask=padding, attn_mask=ramp(4, 3, 4)),
    ),
    "dimensions": probe(
        nn.MultiheadAttention(4, 2, kdim=3, vdim=5, batch_first=True),
        ramp(2, 3, 4),
        ramp(2, 4, 3),
        ramp(2, 4, 5),
        call=lambda m, q, k, v: m(q, k, v, need_weights=False),
    ),
    "unbatched": probe(nn.MultiheadAttention(4, 2), ramp(3, 4), ramp(4, 4), ramp(4, 4)),
}
recurrent = {
    "lstm": probe(nn.LSTM(3, 2), ramp(4, 2, 3)),
    "lstmDeep": probe(
        nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True),
        ramp(2, 4, 3),
        ramp(4, 2, 2),
        ramp(4, 2, 2) * 2,
        call=lambda m, x, h, c: m(x, (h, c)),
    ),
    "lstmWithoutBias": probe(nn.LSTM(3, 2, bias=False), ramp(4, 3)),
    "lstmProjected": probe(
        nn.LSTM(3, 4, num_layers=2, proj_size=2, bidirectional=True),
        ramp(4, 2, 3),
        ramp(4, 2, 2),
        ramp(4, 2, 4),
        call=lambda m, x, h, c: m(x, (h, c)),
    ),
    "gru": probe(nn.GRU(3, 2), ramp(4, 2, 3)),
    "gruDeep": probe(
        nn.GRU(3, 2, num_layers=2, bidirectional=True, batch_first=True), ramp(2, 4, 3), ramp(4, 2, 2)
    ),
    "gruWithoutBias": probe(nn.GRU(3, 2, bias=False, num_layers=2), ramp(4, 3), ramp(2, 2)),
}
transposed = {
    "1d": probe(nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), ramp(2, 4, 5)),
    "2d": probe(nn.ConvTranspose2d(2, 3, (3, 2), stride=(2, 1), dilation=(1, 2), bias=False), ramp(2, 2, 3, 4)),
    "3d": probe(nn.ConvTranspose3d(2, 2, 2, stride=2, padding=1), ramp(1, 2, 3, 2, 3)),
}
normed = {
    "plain": probe(nn.GroupNorm(2, 4, eps=1e-3), ramp(3, 4, 2, 3)),
    "one": probe(nn.GroupNorm(1, 4), ramp(2, 4, 5)),
    "each": probe(nn.GroupNorm(3, 3, affine=False), ramp(2, 3, 2, 2, 2)),
}
indices = torch.tensor([2, 0, 1, 2])
weight = torch.tensor([0.5, 1.0, 2.0], dtype=f64)

references = {
    "initial": {
        "linear": initial(lambda: nn.Linear(5, 3)),
        "conv2d": initial(lambda: nn.Conv2d(4, 4, (2, 3), groups=2)),
        "conv2dThenLinear": initial(
            lambda: nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.Linear(7, 2))
        ),
        "smallEmbedding": initial(lambda: nn.Embedding(4, 3)),
        "convTranspose2d": initial(lambda: nn.ConvTranspose2d(2, 4, 3, groups=2)),
        "attention": initial(lambda: nn.MultiheadAttention(4, 2)),
        "attentionDimensions": initial(lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=2)),
        "lstm": initial(lambda: nn.LSTM(3, 2, num_layers=2, bidirectional=True)),
        "lstmProjected": initial(lambda: nn.LSTM(3, 4, proj_size=2)),
        "gru": initial(lambda: nn.GRU(3, 2)),
        "embedding": initial(lambda: nn.Embedding(6, 3, padding_idx=1)),
    },
    "batchNorm2d": {
        "plain": batch_norm(),
        "cumulative": batch_norm(momentum=None, eps=0.1),
        "batchOnly": batch_norm(track_running_stats=False),
    },
    "convTranspose": transposed,
    "groupNorm": normed,
    "attention": attention,
    "recurrent": recurrent,
    "saved": saved(),
    "layerNorm": flat(nn.LayerNorm([2, 3], eps=1e-3).double()(ramp(2, 2, 3))),
    "gelu": flat(nn.GELU()(ramp(6) * 3)),
    "geluTanh": flat(nn.GELU(approximate="tanh")(ramp(6) * 3)),
    "crossEntropy": {
        "indices": cross_entropy((4, 3), indices),
        "smooth": cross_entropy((4, 3), indices, label_smoothing=0.1),
        "sum": cross_entropy((4, 3), indices, label_smoothing=0.1, reduction="sum"),
        "none": cross_entropy((4, 3), indices, reduction="none"),
        "weighted": cross_entropy((4, 3), indices, weight=weight),
        "ignored": cross_entropy((4, 3), indices, ignore_index=2),
        "probabilities": cross_entropy((4, 3), normalised(ramp(4, 3) + 0.3, 1)),
        "smoothProbabilities": cross_entropy((4, 3), normalised(ramp(4, 3) + 0.3, 1), label_smoothing=0.2),
        "pixels": cross_entropy((1, 3, 2, 2), torch.tensor([[[2, 0], [1, 1]]])),
    },
    "bceWithLogits": flat(
        nn.BCEWithLogitsLoss(reduction="none", pos_weight=torch.tensor([1.0, 2.0, 3.0], dtype=f64))(
            ramp(2, 3) * 2, ramp(2, 3).abs()
        )
    ),
    "pooling": {
        "max": flat(nn.MaxPool2d(3, stride=2, padding=1)(ramp(1, 2, 5, 4))),
        "maxDilatedCeil": flat(nn.MaxPool2d((2, 1), stride=(2, 3), dilation=2, ceil_mode=True)(ramp(1, 2, 5, 4))),
        "average": flat(nn.AvgPool2d(3, stride=2, padding=1)(ramp(1, 2, 5, 4))),
        "averageWithoutPadding": flat(nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)(ramp(1, 2, 5, 4))),
        "adaptive": flat(nn.AdaptiveAvgPool2d((2, 3))(ramp(1, 2, 5, 4))),
    },
}


def typescript(value, indent=0):
    if isinstance(value, dict):
        pad = "  " * (indent + 1)
        body = "".join(f"{pad}'{key}': {typescript(item, indent + 1)},\n" for key, item in value.items())
        return "{\n" + body + "  " * indent + "}"
    if isinstance(value, list):
        return "[" + ", ".join(typescript(item) for item in value) + "]"
    return repr(value)


path = os.path.join(os.path.dirname(__file__), "references.generated.ts")
with open(path, "w") as file:
    file.write(f"// Generated by references.py with PyTorch {torch.__version__}. Do not edit.\n")
    file.write(f"export const references = {typescript(references)} as const;\n")
