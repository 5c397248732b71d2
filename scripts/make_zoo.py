#!/usr/bin/env python3
"""Makes the demo's zoo: one small Vision Transformer and its fine-tunes.

    python3 scripts/make_zoo.py --out configs/zoo --work /tmp/zoo

Needs torch, timm, numpy, safetensors and the Fashion-MNIST IDX files (Debian:
dataset-fashion-mnist). The first 50,000 training pictures train, the last
10,000 are held out, the 10,000 test pictures are read once, at the very end.

Steps: pretrain one model; draw the hyper-parameters of every fine-tune with
one seeded generator; fine-tune each from the pretrained weights, in parallel
single-thread processes; store all as float16; score the stored files. Every
model that was drawn is kept: nothing is chosen by its score. Finished parts
are found again in --work, so a second call goes on where the first stopped.
"""

import argparse
import gzip
import json
import math
import multiprocessing
import os
import pathlib
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer

MEAN, STD = 0.2860, 0.3530
TRAIN_COUNT = 50_000
BATCH = 128
MODEL_ARGS = dict(img_size=28, patch_size=7, in_chans=1, embed_dim=96,
                  depth=3, num_heads=3, mlp_ratio=3.0)
PRETRAIN = dict(seed=1, epochs=40, lr=2e-3, weight_decay=0.05, shift=1,
                flip=True, erase=0.0, smoothing=0.0, mixup=0.0)
SEARCH_SEED = 2022


def read_idx(path):
    raw = gzip.decompress(pathlib.Path(path).read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4).astype(int)
    return torch.from_numpy(
        np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape).copy())


def read_split(data, split):
    folder = pathlib.Path(data) / "fashion-mnist"
    return (read_idx(folder / f"{split}-images-idx3-ubyte.gz"),
            read_idx(folder / f"{split}-labels-idx1-ubyte.gz").long())


def make_model():
    return VisionTransformer(num_classes=10, global_pool="token",
                             weight_init="jax", **MODEL_ARGS)


def normalise(pixels):
    return pixels.float().div(255).sub(MEAN).div(STD).unsqueeze(1)


def log_uniform(rng, low, high):
    exponent = rng.uniform(math.log10(low), math.log10(high))
    return float(f"{10 ** exponent:.3e}")


def draw_members(count):
    """The random search: one generator, every draw is kept."""
    rng = np.random.default_rng(SEARCH_SEED)
    members = []
    for i in range(count):
        members.append(dict(
            seed=1000 + i,
            epochs=int(rng.integers(1, 4)),
            lr=log_uniform(rng, 3e-4, 1.5e-3),
            weight_decay=log_uniform(rng, 1e-3, 1e-1),
            shift=int(rng.integers(0, 2)),
            flip=bool(rng.integers(0, 2)),
            erase=float(rng.choice([0.0, 0.1, 0.25])),
            smoothing=float(rng.choice([0.0, 0.05, 0.1])),
            mixup=float(rng.choice([0.0, 0.1, 0.2]))))
    return members


def shift_pictures(x, by, gen):
    """Moves each picture by up to `by` pixels each way, zeros come in."""
    n, side = len(x), x.shape[1]
    padded = torch.nn.functional.pad(x, (by, by, by, by))
    dy, dx = torch.randint(0, 2 * by + 1, (2, n, 1), generator=gen)
    line = torch.arange(side)
    rows, cols = (dy + line)[:, :, None], (dx + line)[:, None, :]
    return padded[torch.arange(n)[:, None, None], rows, cols]


def erase_boxes(x, chance, gen):
    """Sets a box of 4 to 12 pixels a side to the mean, in some pictures."""
    n, side = len(x), x.shape[-1]
    size = torch.randint(4, 13, (2, n, 1), generator=gen)
    start = (torch.rand((2, n, 1), generator=gen) * (side + 1 - size)).long()
    line = torch.arange(side)
    inside = (line >= start) & (line < start + size)
    hit = torch.rand((n, 1, 1), generator=gen) < chance
    box = inside[0][:, :, None] & inside[1][:, None, :] & hit
    return x.masked_fill(box.unsqueeze(1), 0.0)


def make_batch(pixels, cfg, gen):
    if cfg["flip"]:
        flipped = torch.rand(len(pixels), generator=gen) < 0.5
        pixels = torch.where(flipped[:, None, None], pixels.flip(2), pixels)
    if cfg["shift"]:
        pixels = shift_pictures(pixels, cfg["shift"], gen)
    x = normalise(pixels)
    return erase_boxes(x, cfg["erase"], gen) if cfg["erase"] else x


def batch_loss(model, x, y, cfg, gen, rng):
    def loss_of(logits, target):
        return torch.nn.functional.cross_entropy(
            logits, target, label_smoothing=cfg["smoothing"])

    if not cfg["mixup"]:
        return loss_of(model(x), y)
    lam = float(rng.beta(cfg["mixup"], cfg["mixup"]))
    other = torch.randperm(len(x), generator=gen)
    logits = model(lam * x + (1 - lam) * x[other])
    return lam * loss_of(logits, y) + (1 - lam) * loss_of(logits, y[other])


def learning_rate(step, total, peak):
    """Linear warm-up over the first 5 %, then half a cosine to zero."""
    warm = max(1, total // 20)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))


def make_optimizer(model, weight_decay):
    free = {"pos_embed", "cls_token"}
    named = list(model.named_parameters())
    decayed = [p for n, p in named if p.ndim > 1 and n not in free]
    rest = [p for n, p in named if p.ndim <= 1 or n in free]
    return torch.optim.AdamW([dict(params=decayed, weight_decay=weight_decay),
                              dict(params=rest, weight_decay=0.0)], fused=True)


@torch.inference_mode()
def count_correct(model, pixels, labels):
    model.eval()
    hits = 0
    for x, y in zip(pixels.split(500), labels.split(500)):
        hits += int((model(normalise(x)).argmax(1) == y).sum())
    return hits


def train(model, pixels, labels, cfg, on_epoch=None):
    gen = torch.Generator().manual_seed(cfg["seed"])
    rng = np.random.default_rng(cfg["seed"])
    opt = make_optimizer(model, cfg["weight_decay"])
    steps = TRAIN_COUNT // BATCH
    for epoch in range(cfg["epochs"]):
        model.train()
        order, start = torch.randperm(TRAIN_COUNT, generator=gen), time.time()
        for step in range(steps):
            for group in opt.param_groups:
                group["lr"] = learning_rate(epoch * steps + step,
                                            cfg["epochs"] * steps, cfg["lr"])
            pick = order[step * BATCH:(step + 1) * BATCH]
            x = make_batch(pixels[pick], cfg, gen)
            loss = batch_loss(model, x, labels[pick], cfg, gen, rng)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
        if on_epoch:
            on_epoch(epoch, loss.item(), time.time() - start)


def pretrain(args):
    out = pathlib.Path(args.work) / "pretrained.safetensors"
    if out.exists():
        return
    torch.set_num_threads(args.jobs)
    torch.manual_seed(PRETRAIN["seed"])
    pixels, labels = read_split(args.data, "train")
    model, start = make_model(), time.time()

    def report(epoch, loss, seconds):
        hits = count_correct(model, pixels[TRAIN_COUNT:], labels[TRAIN_COUNT:])
        print(f"pretrain epoch {epoch + 1} loss {loss:.3f} held-out {hits} "
              f"{seconds:.0f} s", flush=True)
        save_file(model.state_dict(), out.with_suffix(".partial"))

    train(model, pixels, labels, PRETRAIN, report)
    save_file(model.state_dict(), out)
    out.with_suffix(".json").write_text(
        json.dumps({"seconds": round(time.time() - start)}))


def finetune(job):
    args, index, cfg = job
    out = pathlib.Path(args.work) / f"model_{index:02d}.safetensors"
    if out.exists():
        return
    torch.set_num_threads(1)
    pixels, labels = read_split(args.data, "train")
    model, start = make_model(), time.time()
    model.load_state_dict(
        load_file(pathlib.Path(args.work) / "pretrained.safetensors"))
    train(model, pixels, labels, cfg)
    seconds = round(time.time() - start)
    hits = count_correct(model, pixels[TRAIN_COUNT:], labels[TRAIN_COUNT:])
    out.with_suffix(".json").write_text(json.dumps({"seconds": seconds}))
    save_file(model.state_dict(), out.with_suffix(".partial"))
    out.with_suffix(".partial").rename(out)
    print(f"model_{index:02d} held-out {hits} {seconds} s {cfg}", flush=True)


def store(args, name, target):
    """Writes one trained model as float16 and returns its seconds."""
    source = pathlib.Path(args.work) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    half = {k: v.half().contiguous() for k, v in load_file(source).items()}
    save_file(half, target, metadata={"format": "pt"})
    return json.loads(source.with_suffix(".json").read_text())["seconds"]


def score(path, splits):
    model = make_model()
    model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return [count_correct(model, *split) for split in splits]


def write_config(out):
    config = {
        "architecture": "vit_small_zoo_patch7_28",
        "num_classes": 10,
        "num_features": MODEL_ARGS["embed_dim"],
        "global_pool": "token",
        "model_args": MODEL_ARGS,
        "pretrained_cfg": {
            "input_size": [1, 28, 28], "fixed_input_size": True,
            "interpolation": "bilinear", "crop_pct": 1.0,
            "mean": [MEAN], "std": [STD], "num_classes": 10,
            "pool_size": None, "first_conv": "patch_embed.proj",
            "classifier": "head", "license": "mit"},
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def finish(args, members):
    out = pathlib.Path(args.out)
    torch.set_num_threads(args.jobs)
    rows = [("base/pretrained.safetensors", "pretrained.safetensors", PRETRAIN)]
    rows += [(f"model_{i:02d}.safetensors",) * 2 + (cfg,)
             for i, cfg in enumerate(members)]
    pixels, labels = read_split(args.data, "train")
    splits = [(pixels[TRAIN_COUNT:], labels[TRAIN_COUNT:]),
              read_split(args.data, "t10k")]
    lines = []
    for file, name, cfg in rows:
        seconds = store(args, name, out / file)
        held_out, test = score(out / file, splits)
        lines.append(json.dumps({
            "file": file, **cfg, "batch": BATCH, "held_out_correct": held_out,
            "test_correct": test, "count": 10_000, "seconds": seconds}))
        print(lines[-1], flush=True)
    (out / "zoo.jsonl").write_text("\n".join(lines) + "\n")
    write_config(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=os.environ.get(
        "SOUP_DATA", "/usr/share/datasets"), help="folder of fashion-mnist/")
    parser.add_argument("--out", required=True, help="the zoo's folder")
    parser.add_argument("--work", required=True, help="float32 results go here")
    parser.add_argument("--models", type=int, default=18)
    parser.add_argument("--jobs", type=int, default=2, help="processor cores")
    args = parser.parse_args()
    pathlib.Path(args.work).mkdir(parents=True, exist_ok=True)

    members = draw_members(args.models)
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.jobs, maxtasksperchild=1) as pool:
        pool.apply(pretrain, (args,))
        jobs = [(args, i, cfg) for i, cfg in enumerate(members)]
        for _ in pool.imap_unordered(finetune, jobs, chunksize=1):
            pass
    finish(args, members)


if __name__ == "__main__":
    main()
