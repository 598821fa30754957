"""Writes augmentation.references.generated.ts: what torchvision's operations make of one picture of bytes. Run with Debian's
python3-torchvision (0.14)."""

import base64
import os

import torch
from torchvision.transforms import InterpolationMode, RandAugment
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op

channels, height, width = 3, 16, 20
row = torch.arange(height).reshape(1, -1, 1)
column = torch.arange(width).reshape(1, 1, -1)
channel = torch.arange(channels).reshape(-1, 1, 1)
# Smooth, with a step and some noise.
picture = (30 + 7 * column + 4 * row * (channel + 1) // 2 + (7 * row * column + 31 * channel) % 23 + 40 * (column > 12)) % 256
picture = picture.to(torch.uint8)


def encoded(image):
    return base64.b64encode(bytes(image.flatten().tolist())).decode()


cases = {}
space = RandAugment()._augmentation_space(31, (height, width))
for name, (magnitudes, signed) in space.items():
    for magnitude, sign in (9, 1), (26, -1 if signed else 1):
        level = sign * float(magnitudes[magnitude]) if magnitudes.ndim else 0.0
        cases[f"{name} {sign * magnitude}"] = _apply_op(picture, name, level, InterpolationMode.NEAREST, None)
for hue in (-0.4, 0.1):
    cases[f"hue {hue}"] = F.adjust_hue(picture, hue)

with open(os.path.join(os.path.dirname(__file__), "augmentation.references.generated.ts"), "w") as file:
    file.write("/** Written by augmentation.references.py with torchvision's own functions. Do not edit. */\n\n")
    file.write(f"/** `[{channels}, {height}, {width}]`, in base64. */\n")
    file.write(f"export const picture = '{encoded(picture)}';\n\n")
    file.write("/** What an operation makes of it, by name and magnitude. */\nexport const results: Readonly<Record<string, string>> = {\n")
    for name, image in cases.items():
        file.write(f"  '{name}': '{encoded(image)}',\n")
    file.write("};\n")
