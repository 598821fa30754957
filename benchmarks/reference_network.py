"""The static network of the measurements `step` and `inference`, driven from Python with the same libtorch.

It is given a `Job` of src/passes.ts as JSON, and prints a `Turn`. ResNets need torch alone (Debian: python3-torch), the network is
torchvision's, in-place operations included; MobileNetV2 is imported from torchvision (python3-torchvision).
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional


def conv(in_channels, out_channels, kernel_size, stride=1):
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, (kernel_size - 1) // 2, bias=False)


def projection(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


class Block(nn.Module):
    """Convolutions with batch norm; ReLU between them, and after the sum with the input."""

    def __init__(self, in_channels, layers, stride):
        super().__init__()
        self.convs = nn.ModuleList(conv(*layer) for layer in layers)
        self.norms = nn.ModuleList(nn.BatchNorm2d(layer[1]) for layer in layers)
        self.downsample = projection(in_channels, layers[-1][1], stride)

    def forward(self, x):
        out = x
        for index, (layer, norm) in enumerate(zip(self.convs, self.norms)):
            out = norm(layer(out))
            if index + 1 < len(self.convs):
                out = functional.relu(out, inplace=True)
        out += x if self.downsample is None else self.downsample(x)
        return functional.relu(out, inplace=True)


BLOCKS = {
    "resnet10": (False, [1, 1, 1, 1]),
    "resnet18": (False, [2, 2, 2, 2]),
    "resnet34": (False, [3, 4, 6, 3]),
    "resnet50": (True, [3, 4, 6, 3]),
    "resnet101": (True, [3, 4, 23, 3]),
}


def resnet(name, stem, width, in_channels, num_classes):
    bottleneck, blocks = BLOCKS[name]
    imagenet = stem == "imagenet"
    layers = [conv(in_channels, width, 7 if imagenet else 3, 2 if imagenet else 1), nn.BatchNorm2d(width)]
    layers += [nn.ReLU(inplace=True)] + ([nn.MaxPool2d(3, 2, 1)] if imagenet else [])
    previous = width
    for stage, count in enumerate(blocks):
        channels = width * 2**stage
        for position in range(count):
            stride = 2 if position == 0 and stage > 0 else 1
            if bottleneck:
                out = channels * 4
                parts = [(previous, channels, 1), (channels, channels, 3, stride), (channels, out, 1)]
            else:
                out = channels
                parts = [(previous, channels, 3, stride), (channels, channels, 3)]
            layers.append(Block(previous, parts, stride))
            previous = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(previous, num_classes))


def mobilenet(width, in_channels, num_classes):
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2(num_classes=num_classes, width_mult=width)
    if in_channels != 3:
        first = network.features[0][0]
        network.features[0][0] = nn.Conv2d(in_channels, first.out_channels, 3, 2, 1, bias=False)
    return network


def create(job):
    if job["model"] == "mobilenetV2":
        if job["stem"] == "small":
            sys.exit("torchvision's mobilenet_v2 has no small stem")
        return mobilenet(job["width"] or 1.0, job["inChannels"], job["numClasses"])
    return resnet(job["model"], job["stem"], job["width"] or 64, job["inChannels"], job["numClasses"])


def training_step(network, images, job):
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    labels = torch.randint(job["numClasses"], (job["batch"],))

    def step():
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def inference(network, images):
    network.eval()

    def forward():
        with torch.inference_mode():
            network(images)

    return forward


def sample(body):
    start, processor = time.perf_counter(), time.process_time()
    body()
    seconds, used = time.perf_counter() - start, time.process_time() - processor
    return {"seconds": seconds, "processorSeconds": used, "bytes": 0}


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    network = create(job)
    images = torch.randn(job["batch"], job["inChannels"], job["size"], job["size"])
    body = training_step(network, images, job) if job["pass"] == "step" else inference(network, images)
    samples = [sample(body) for _ in range(job["warmUps"] + job["passes"])][job["warmUps"] :]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(json.dumps({"samples": samples, "parameters": parameters, "peakMemoryBytes": peak}))


main()
