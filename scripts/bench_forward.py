#!/usr/bin/env python3
"""Pictures per second through a forward pass on this machine's processor:
soup against the same network in Python torch, eager and, with --compile,
compiled.

    python3 scripts/bench_forward.py [--soup build/soup] [--pictures 256]
        [--rounds 5] [--network clip|vit|resnet50|convnext_tiny] [--compile]

Needs torch, numpy, safetensors and open_clip_torch, timm or torchvision.
Weights and pictures are random; both programs get the same, and their logits
are compared. The programs take turns, the best round of each counts; soup's
time includes swapping the weights in.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

MEAN, STD = [0.5] * 3, [0.25] * 3


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
            "convnext_tiny": lambda: timm_model("convnext_tiny")}


def prepare(folder, model, count):
    """Writes weights, pictures and the data set's spec; returns pictures."""
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
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


def soup_round(args, folder):
    out = subprocess.run(
        [args.soup, "eval", folder / "model.safetensors", "--val",
         folder / "random.json", "--json", "-q", "--device", "cpu", "--logits",
         folder / "logits.safetensors", "--force"],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])["seconds"]


def torch_round(model, pictures, batch):
    mean = torch.tensor(MEAN).view(3, 1, 1)
    std = torch.tensor(STD).view(3, 1, 1)
    logits = []
    start = time.perf_counter()
    with torch.inference_mode():
        for part in pictures.split(batch):
            x = part.permute(0, 3, 1, 2).float().div_(255)
            logits.append(model(x.sub_(mean).div_(std)))
    return time.perf_counter() - start, torch.cat(logits)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", choices=NETWORKS, default="clip")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = NETWORKS[args.network]().eval()
    rivals = {"torch eager": model}
    if args.compile:
        rivals["torch compiled"] = torch.compile(model)
    times = {name: [] for name in ("soup", *rivals)}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pictures = prepare(folder, model, args.pictures)
        for rival in rivals.values():
            torch_round(rival, pictures[:args.batch], args.batch)
        for _ in range(args.rounds):
            times["soup"].append(soup_round(args, folder))
            for rival, network in rivals.items():
                seconds, logits = torch_round(network, pictures, args.batch)
                times[rival].append(seconds)
        ours = load_file(folder / "logits.safetensors")["logits"]
        error = ((ours - logits).abs().max() / logits.abs().max()).item()
    threads = torch.get_num_threads()
    print(f"{args.network}, {args.pictures} pictures of 224 x 224, {threads} "
          f"threads, torch {torch.__version__}; logits differ by {error:.1e}")
    for name, seconds in times.items():
        print(f"{name:15} {args.pictures / min(seconds):8.1f} pictures/s")


if __name__ == "__main__":
    main()
