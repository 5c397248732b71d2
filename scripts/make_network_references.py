#!/usr/bin/env python3
"""Makes tests/data/networks: the logits that torchvision and timm give for
convolutional networks whose weights follow from a formula.

    python3 scripts/make_network_references.py tests/data/networks

Needs torch, torchvision and timm. A file each: names and shapes of the
tensors, side of the pictures, logits. Weights and pictures are made from their
names by values(), which tests/model/network_test.cpp has too, so they need not
be kept.
"""

import json
import math
import pathlib
import sys

import numpy as np
import timm
import torch
import torchvision

SIDE = 64
CLASSES = 10
NETWORKS = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=CLASSES),
    "resnet50": lambda: torchvision.models.resnet50(num_classes=CLASSES),
    "wide_resnet50_2": lambda: torchvision.models.wide_resnet50_2(
        num_classes=CLASSES),
    "resnext50_32x4d": lambda: torchvision.models.resnext50_32x4d(
        num_classes=CLASSES),
    "timm_resnet34": lambda: timm.create_model(
        "resnet34", num_classes=CLASSES),
    "timm_resnet50d": lambda: timm.create_model(
        "resnet50d", num_classes=CLASSES),
    "convnext_atto": lambda: timm.create_model(
        "convnext_atto", num_classes=CLASSES),
    "convnext_tiny": lambda: timm.create_model(
        "convnext_tiny", num_classes=CLASSES),
    "convnext_tiny_hnf": lambda: timm.create_model(
        "convnext_tiny_hnf", num_classes=CLASSES),
    "convnextv2_atto": lambda: timm.create_model(
        "convnextv2_atto", num_classes=CLASSES),
}
ONLY_SHAPES = {
    "resnet101": lambda: torchvision.models.resnet101(num_classes=CLASSES),
    "resnet152": lambda: torchvision.models.resnet152(num_classes=CLASSES),
}


def uniform(name, count):
    """`count` numbers in [-1, 1), multiples of 2^-23: SplitMix64 from the
    name's FNV-1a hash."""
    seed = 0xcbf29ce484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001b3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) \
            * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94d049bb133111eb)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(
        np.float32)


def values(name, shape):
    offset, scale = 0.0, 0.1
    if name.endswith("running_var"):
        offset, scale = 1.0, 0.5
    elif name.endswith("gamma"):
        offset, scale = 0.5, 0.2
    elif len(shape) > 1:
        scale = math.sqrt(6 / math.prod(shape[1:]))
    elif name.endswith("weight"):
        offset, scale = 1.0, 0.3
    made = uniform(name, math.prod(shape)) * np.float32(scale)
    return torch.from_numpy((made + np.float32(offset)).reshape(shape))


def shapes_of(model):
    return {name: list(value.shape) for name, value in
            model.state_dict().items()}


def batch_norms(model, pictures):
    """What BatchNorm keeps of one batch in training, the first channels."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(pictures)
    return {name: value[:4].tolist() for name, value in
            model.state_dict().items() if "running_" in name}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    count = 2 * 3 * SIDE * SIDE
    pictures = torch.from_numpy(uniform("pictures", count)).reshape(
        2, 3, SIDE, SIDE)
    for name, make in {**NETWORKS, **ONLY_SHAPES}.items():
        model = make().eval()
        state = model.state_dict()
        model.load_state_dict({k: values(k, v.shape) if v.is_floating_point()
                               else v for k, v in state.items()})
        entry = {"tensors": shapes_of(model)}
        if name in NETWORKS:
            with torch.inference_mode():
                logits = model(pictures)
            entry["side"] = SIDE
            entry["logits"] = logits.tolist()
        if name in ("resnet18", "timm_resnet50d"):
            entry["batch_norms"] = batch_norms(model, pictures)
        text = json.dumps(entry, separators=(",", ":"))
        (folder / f"{name}.json").write_text(text + "\n")
        print(name, entry.get("logits", [[]])[0][:3])


if __name__ == "__main__":
    main()
