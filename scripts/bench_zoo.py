#!/usr/bin/env python3
"""A zoo like the model soups paper's, made up, and the greedy soup of it: time,
pictures, memory of the device, and what more devices would make of it.

    scripts/bench_zoo.py --soup build/soup --device cuda            # full size
    scripts/bench_zoo.py --soup build/soup --device cpu --models 8
        --pictures 256 --classes 20

The models are CLIP's ViT-B/32 with a linear head in the layout of the paper's
72 checkpoints: one base with random weights and, for every model, noise of its
own size around it. The head holds the mean features of every class, so that the
base is right about most pictures; those are a coarse pattern for each class under
noise. Averaging models averages their noise away, until the next one is too
noisy to help: a few are accepted and most rejected, as in the paper.

With --loop the paper's loop in Python scores as many models and candidates in
full with the pictures resident on the device, without reading a checkpoint:
the least that a script of one's own takes. Needs torch, numpy and safetensors.
One JSON object on standard output.
"""

import argparse
import heapq
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

SIDE, WIDTH, DEPTH, HEADS, PATCH, FEATURES = 224, 768, 12, 12, 32, 512
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = torch.nn.LayerNorm(WIDTH)
        self.attn = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.ln_2 = torch.nn.LayerNorm(WIDTH)
        self.mlp = torch.nn.ModuleDict({
            "c_fc": torch.nn.Linear(WIDTH, 4 * WIDTH),
            "c_proj": torch.nn.Linear(4 * WIDTH, WIDTH)})

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        y = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](y * torch.sigmoid(1.702 * y))


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.class_embedding = torch.nn.Parameter(torch.randn(WIDTH) * 0.03)
        self.positional_embedding = torch.nn.Parameter(
            torch.randn((SIDE // PATCH) ** 2 + 1, WIDTH) * 0.03)
        self.proj = torch.nn.Parameter(
            torch.randn(WIDTH, FEATURES) * WIDTH ** -0.5)
        self.conv1 = torch.nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.ln_pre = torch.nn.LayerNorm(WIDTH)
        self.transformer = torch.nn.ModuleDict({"resblocks": torch.nn.ModuleList(
            [Block() for _ in range(DEPTH)])})
        self.ln_post = torch.nn.LayerNorm(WIDTH)

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        x = torch.cat([first, x], 1) + self.positional_embedding
        x = self.ln_pre(x)
        for block in self.transformer["resblocks"]:
            x = block(x)
        return self.ln_post(x[:, 0]) @ self.proj


class Network(torch.nn.Module):
    """The paper's: a linear head on features of length 1."""

    def __init__(self, classes):
        super().__init__()
        self.model = torch.nn.ModuleDict({"visual": Tower()})
        self.classification_head = torch.nn.Linear(FEATURES, classes)

    def features(self, pictures):
        mean = pictures.new_tensor(MEAN, dtype=torch.float).view(3, 1, 1)
        std = pictures.new_tensor(STD, dtype=torch.float).view(3, 1, 1)
        x = pictures.permute(0, 3, 1, 2).float().div(255).sub(mean).div(std)
        x = self.model["visual"](x)
        return x / x.norm(dim=-1, keepdim=True)

    def forward(self, pictures):
        return self.classification_head(self.features(pictures))


def draw_pictures(patterns, labels, noise, generator):
    """uint8 [n, 224, 224, 3]: a coarse pattern for each class, under noise."""
    coarse = patterns[labels]
    coarse = coarse + noise * torch.randn(coarse.shape, generator=generator,
                                          device=coarse.device)
    fine = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")
    return (128 + 48 * fine).clamp(0, 255).byte().permute(0, 2, 3, 1)


def in_batches(function, pictures, batch=256):
    with torch.inference_mode():
        return torch.cat([function(x) for x in pictures.split(batch)])


def make_zoo(folder, args, device):
    """Writes the models and the data set; returns pictures and labels."""
    generator = torch.Generator(device).manual_seed(0)
    torch.manual_seed(0)
    base = Network(args.classes).to(device).eval()
    patterns = torch.randn((args.classes, 3, 7, 7), generator=generator,
                           device=device)
    labels = torch.arange(args.pictures, device=device) % args.classes
    pictures = torch.cat([draw_pictures(patterns, part, args.noise, generator)
                          for part in labels.split(1000)])
    # Others than those it is judged by.
    seen = torch.arange(args.classes, device=device).repeat(8)
    features = torch.cat([
        in_batches(base.features,
                   draw_pictures(patterns, part, args.noise, generator))
        for part in seen.split(1000)])
    centres = torch.stack([features[seen == c].mean(0)
                           for c in range(args.classes)])
    middle = centres.mean(0)
    # The nearest centre, as a linear function.
    head = (centres - middle) / (centres - middle).pow(2).mean().sqrt()
    base.classification_head.weight.data = head
    base.classification_head.bias.data = -0.5 * (head * (centres + middle)).sum(1)

    np.save(folder / "pictures.npy", pictures.cpu().numpy())
    np.save(folder / "labels.npy", labels.cpu().numpy())
    (folder / "held-out.json").write_text(json.dumps({
        "name": "held-out", "summary": "patterns under noise", "loader": "npy",
        "images": "pictures.npy", "labels": "labels.npy",
        "preprocess": {"resize": "none", "mean": MEAN, "std": STD}}))
    (folder / "zoo").mkdir()
    state = base.state_dict()
    for k in range(args.models):
        size = args.first * (args.last / args.first) ** (
            k / max(1, args.models - 1))
        noisy = {}
        for name, value in state.items():
            spread = value.std() if value.numel() > 1 else 0
            noise = torch.randn(value.shape, generator=generator, device=device)
            noisy[name] = (value + size * spread * noise).cpu().contiguous()
        save_file(noisy, folder / "zoo" / f"model_{k}.safetensors")
    return pictures, labels


class DeviceMemory(threading.Thread):
    """The most that nvidia-smi sees a process hold, in MB; 0 without a GPU."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.most = process, 0
        self.start()

    def run(self):
        query = ["nvidia-smi", "--query-gpu=memory.used",
                 "--format=csv,noheader,nounits"]
        while self.process.poll() is None:
            out = subprocess.run(query, capture_output=True, text=True).stdout
            self.most = max([self.most, *map(int, out.split())])
            time.sleep(0.2)


def run_soup(args, folder):
    command = [args.soup, "greedy", folder / "zoo", "--val",
               folder / "held-out.json", "-o", folder / "soup.safetensors",
               "--device", args.device, "--precision", args.precision, "--json",
               "-q", "--fresh"]
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = None if args.device == "cpu" else DeviceMemory(process)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    if status:
        raise SystemExit("soup greedy failed")
    lines = [json.loads(line) for line in out.splitlines()]
    return lines, {"seconds": seconds,
                   "memory_mb": usage.ru_maxrss / 1024,
                   "device_mb": memory.most if memory else None}


def simulate(scores, steps, rest, devices):
    """Seconds with so many devices: models are scored at the same time, then
    the next candidates tried against the current soup; what an acceptance makes
    worthless is begun anew. `rest` is what only one of them does."""
    free = [0.0] * devices
    for cost in scores:
        heapq.heapreplace(free, free[0] + cost)
    now = max(free)
    k = 0
    while k < len(steps):
        # Until the next acceptance; an acceptance waits for those before it.
        free = [now] * devices
        decided = now
        while k < len(steps):
            cost, accepted = steps[k]
            k += 1
            done = free[0] + cost
            heapq.heapreplace(free, done)
            decided = max(decided, done)
            if accepted:
                break
        now = decided
    return now + rest


def run_loop(args, pictures, labels, decisions):
    """Every model and every candidate scored in full, eagerly."""
    network = Network(args.classes).to(args.device).eval()
    kind = getattr(torch, {"fp32": "float32", "bf16": "bfloat16",
                           "fp16": "float16"}[args.precision])

    def right():
        with torch.autocast(args.device, kind, enabled=kind != torch.float32):
            best = in_batches(lambda x: network(x).argmax(1), pictures)
        return int((best == labels).sum())

    right()
    begin = time.monotonic()
    right()
    return (time.monotonic() - begin) * decisions


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="fp32",
                        choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--models", type=int, default=72)
    parser.add_argument("--pictures", type=int, default=26000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.3,
                        help="of pictures, in standard deviations of a pattern")
    parser.add_argument("--first", type=float, default=0.1,
                        help="noise of the best model, in its tensors' deviations")
    parser.add_argument("--last", type=float, default=0.4,
                        help="noise of the worst model")
    parser.add_argument("--loop", action="store_true",
                        help="the loop in Python as well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_zoo_") as name:
        folder = pathlib.Path(name)
        pictures, labels = make_zoo(folder, args, args.device)
        lines, found = run_soup(args, folder)
    scores = [line for line in lines if line["kind"] == "score"]
    steps = [line for line in lines if line["kind"] == "candidate"]
    # The first step is the best single model, which was scored already.
    costs = [(s["seconds"], s["accepted"]) for s in steps[1:]]
    work = sum(s["seconds"] for s in scores) + sum(c for c, _ in costs)
    rest = found["seconds"] - work
    result = {
        "device": args.device if args.device == "cpu"
        else torch.cuda.get_device_name(),
        "models": args.models, "pictures": args.pictures, **found,
        "best_single": scores and max(s["value"] for s in scores),
        "soup": next(l for l in lines if l["kind"] == "soup")["value"],
        "accepted": [k for k, s in enumerate(steps) if s["accepted"]],
        "evaluated": sum(s["count"] for s in scores)
        + sum(s["seen"] for s in steps[1:]),
        "in_full": args.pictures * (2 * args.models - 1),
        "outside_of_scoring": rest,
        "devices": {g: simulate([s["seconds"] for s in scores], costs, rest, g)
                    for g in (1, 2, 4, 8)}}
    if args.loop:
        result["loop"] = run_loop(args, pictures, labels, 2 * args.models - 1)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    sys.exit(main())
