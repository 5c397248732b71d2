#!/usr/bin/env python3
"""Pictures per second through a forward pass: soup against the same network in
Python torch, eager and, with --compile, compiled.

    python3 scripts/bench_forward.py [--soup build/soup] [--pictures 256]
        [--rounds 5] [--compile]
        [--network clip|vit|resnet50|convnext_tiny|efficientnet_lite0]
    python3 scripts/bench_forward.py --device cuda --precision bf16
        --pictures 26000 --batch 1024 --compile --peak 989

Needs torch, numpy, safetensors and open_clip_torch, timm or torchvision. soup
gets EfficientNet-Lite0 as a .pt2 of scripts/export_model.py.
Weights and pictures are random; both programs get the same, and their logits
are compared. The programs take turns, the best round of each counts; soup's
time includes swapping the weights in. In bf16 and fp16 nothing is computed anew
in fp32: to a network of random weights nearly every picture is a close call;
bench_zoo.py has a better one. --peak, the device's TFLOP/s at that precision,
gives the share of it that is reached.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

MEAN, STD = [0.5] * 3, [0.25] * 3
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Clip(torch.nn.Module):
    """CLIP's ViT-B/32 as in the paper: 1000 classes on features of length 1."""

    def __init__(self):
        super().__init__()
        import open_clip
        self.model = torch.nn.Module()
        self.model.visual = open_clip.create_model(
            "ViT-B-32-quickgelu", pretrained=None).visual
        self.classification_head = torch.nn.Linear(512, 1000)

    def forward(self, pictures):
        features = self.model.visual(pictures)
        return self.classification_head(
            features / features.norm(dim=-1, keepdim=True))


def timm_model(name):
    import timm
    return timm.create_model(name, num_classes=1000)


def resnet50():
    import torchvision
    return torchvision.models.resnet50()


NETWORKS = {"clip": Clip, "vit": lambda: timm_model("vit_base_patch32_224"),
            "resnet50": resnet50,
            "convnext_tiny": lambda: timm_model("convnext_tiny"),
            "efficientnet_lite0": lambda: timm_model("efficientnet_lite0")}
EXPORTED = {"efficientnet_lite0": "timm:efficientnet_lite0"}


def prepare(folder, model, count):
    """Writes weights, pictures and the data set's spec; returns pictures."""
    state = {k: v.cpu().contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "labels.npy", draw.integers(0, 1000, count))
    (folder / "random.json").write_text(json.dumps({
        "name": "random", "summary": "random pictures", "loader": "npy",
        "images": "pictures.npy", "labels": "labels.npy",
        "preprocess": {"resize": "none", "mean": MEAN, "std": STD}}))
    return torch.from_numpy(pictures)


def model_options(args, folder):
    """What tells soup which network it is, where the weights do not."""
    if args.network not in EXPORTED:
        return []
    file = folder / "model.pt2"
    subprocess.run(
        [sys.executable, pathlib.Path(__file__).with_name("export_model.py"),
         EXPORTED[args.network], "-o", file, "--device", args.device],
        check=True, stdout=subprocess.DEVNULL)
    return ["--model", file]


def soup_round(args, folder, options):
    only = "" if args.precision == "fp32" else "-only"
    out = subprocess.run(
        [args.soup, "eval", folder / "model.safetensors", "--val",
         folder / "random.json", "--json", "-q", "--device", args.device,
         "--precision", args.precision + only, "--logits",
         folder / "logits.safetensors", "--force", *options],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])["seconds"]


def torch_round(args, model, pictures):
    mean = torch.tensor(MEAN, device=args.device).view(3, 1, 1)
    std = torch.tensor(STD, device=args.device).view(3, 1, 1)
    logits = []
    start = time.perf_counter()
    with torch.inference_mode(), torch.autocast(
            args.device, DTYPES[args.precision],
            enabled=args.precision != "fp32"):
        for part in pictures.split(args.batch):
            x = part.permute(0, 3, 1, 2).float().div_(255)
            logits.append(model(x.sub_(mean).div_(std)))
    logits = torch.cat(logits).float().cpu()  # waits for the device
    return time.perf_counter() - start, logits


def operations(model):
    """Floating-point operations for one picture."""
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 3, 224, 224, device=next(model.parameters()).device))
    return counter.get_total_flops()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", choices=NETWORKS, default="clip")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=DTYPES)
    parser.add_argument("--peak", type=float, help="of the device, in TFLOP/s")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = NETWORKS[args.network]().eval().to(args.device)
    rivals = {"torch eager": model}
    if args.compile:
        rivals["torch compiled"] = torch.compile(model)
    times = {name: [] for name in ("soup", *rivals)}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pictures = prepare(folder, model, args.pictures).to(args.device)
        options = model_options(args, folder)
        for rival in rivals.values():
            torch_round(args, rival, pictures[:args.batch])
        for _ in range(args.rounds):
            times["soup"].append(soup_round(args, folder, options))
            for rival, network in rivals.items():
                seconds, logits = torch_round(args, network, pictures)
                times[rival].append(seconds)
        ours = load_file(folder / "logits.safetensors")["logits"]
        error = ((ours - logits).abs().max() / logits.abs().max()).item()
    where = (f"{torch.get_num_threads()} threads" if args.device == "cpu"
             else torch.cuda.get_device_name())
    print(f"{args.network}, {args.pictures} pictures of 224 x 224, {where}, "
          f"{args.precision}, torch {torch.__version__}; logits differ by "
          f"{error:.1e}")
    for name, seconds in times.items():
        rate = args.pictures / min(seconds)
        line = f"{name:15} {rate:8.1f} pictures/s"
        if args.peak:
            share = rate * operations(model) / (args.peak * 1e12)
            line += f", {share:.1%} of the peak"
        print(line)


if __name__ == "__main__":
    main()
