#!/usr/bin/env python3
"""The reference for `soup uniform` and `soup greedy`: torch, timm, numpy.

    python3 scripts/reference_greedy.py configs/zoo --accept ge \\
        > tests/data/zoo_reference_ge.jsonl
    python3 scripts/reference_greedy.py configs/zoo --accept gt \\
        > tests/data/zoo_reference_gt.jsonl

These two commands made the two files that the tests compare with (two CPU
cores, torch 2.11, timm 1.0.31); run them again when the zoo changes. None of
soup's own code takes part.

Every *.safetensors of the folder is a candidate, in natural file order
(model_2 before model_10); config.json names the geometry and normalisation.
Held-out are the last 10,000 training pictures of Fashion-MNIST, read from the
IDX files under --data; all evaluation is float32 on the CPU.

Greedy is Recipe 1 of Model Soups (Wortsman et al., 2022): candidates by
falling held-out score, ties in file order; a candidate stays when the mean of
the accepted and itself scores no worse (`ge`) or better (`gt`). The mean is a
float64 sum in order of acceptance, divided by the count and rounded once to
the widest storage type among the ingredients; that rounded model is scored.

JSON Lines on standard output:
  score      path, correct, count
  candidate  step (1 = the best single, always accepted), path, correct,
             accepted, gains and losses: pictures that the candidate soup gets
             right and the soup before it wrong, and the other way round
  soup       search (best_single, uniform, greedy), ingredients in the order of
             the sum, val_correct, test_correct, sha256 of the raw bytes of all
             tensors in order of name
  margins    gaps between the two largest logits on held-out, for the greedy
             soup: how many are below 1e-4 and the smallest; and the smallest of
             every score and every candidate, in the order of their lines.
             Only a picture with a gap of the size of float32 rounding (about
             1e-5 here) can be counted otherwise by another implementation.
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import re

import numpy as np
import torch
from safetensors.numpy import load_file
from timm.models.vision_transformer import VisionTransformer

HELD_OUT = 10_000
CLOSE = 1e-4


def natural_key(path):
    return [int(part) if part.isdigit() else part
            for part in re.split(r"(\d+)", path.name)]


def read_idx(path):
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4).astype(int)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


class Judge:
    """One resident model and one set of pictures: weights in, logits out."""

    def __init__(self, config, data, split, last=None):
        stem = pathlib.Path(data) / "fashion-mnist" / split
        pixels = read_idx(stem.with_name(split + "-images-idx3-ubyte.gz"))
        labels = read_idx(stem.with_name(split + "-labels-idx1-ubyte.gz"))
        if last:
            pixels, labels = pixels[-last:], labels[-last:]
        spec = config["pretrained_cfg"]
        x = torch.from_numpy(pixels.astype(np.float32) / np.float32(255))
        self.x = ((x - spec["mean"][0]) / spec["std"][0]).unsqueeze(1)
        self.y = torch.from_numpy(labels.astype(np.int64))
        self.model = VisionTransformer(
            num_classes=config["num_classes"],
            global_pool=config["global_pool"], **config["model_args"]).eval()

    @torch.inference_mode()
    def logits(self, weights):
        self.model.load_state_dict(
            {k: torch.from_numpy(v.astype(np.float32))
             for k, v in weights.items()})
        return torch.cat([self.model(x) for x in self.x.split(500)])

    def right(self, logits):
        return logits.argmax(1) == self.y


def gaps(logits):
    top = logits.topk(2, dim=1).values
    return top[:, 0] - top[:, 1]


def mean_of(models):
    """Exact to one rounding: numpy rounds float64 to float16 directly."""
    result = {}
    for name in models[0]:
        widest = np.result_type(*[m[name].dtype for m in models])
        total = np.zeros(models[0][name].shape, np.float64)
        for m in models:
            total += m[name].astype(np.float64)
        result[name] = (total / len(models)).astype(widest)
    return result


def check_rounding():
    """A tie that appears only after a first rounding to float32."""
    value = np.array([1 + 2.0**-11 + 2.0**-30] * 16)
    if not (value.astype(np.float16) == np.float16(1 + 2.0**-10)).all():
        raise SystemExit("numpy rounds float64 to float16 twice")


def digest(weights):
    sha = hashlib.sha256()
    for name in sorted(weights):
        sha.update(np.ascontiguousarray(weights[name]).tobytes())
    return sha.hexdigest()


def emit(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)


def greedy(models, scores, judge, accept):
    """Returns the accepted names and the smallest gap of every step."""
    names = list(models)
    order = sorted(names, key=lambda n: (-scores[n], names.index(n)))
    taken, smallest = [], []
    best = torch.zeros(len(judge.y), dtype=torch.bool)
    for step, name in enumerate(order, 1):
        logits = judge.logits(mean_of([models[n] for n in taken + [name]]))
        right = judge.right(logits)
        now, before = int(right.sum()), int(best.sum())
        accepted = step == 1 or now > before or (
            accept == "ge" and now == before)
        emit("candidate", step=step, path=name, correct=now,
             accepted=accepted, gains=int((right & ~best).sum()),
             losses=int((best & ~right).sum()))
        smallest.append(float(gaps(logits).min()))
        if accepted:
            taken.append(name)
            best = right
    return taken, smallest


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--accept", choices=["ge", "gt"], default="ge")
    parser.add_argument("--data", default=os.environ.get(
        "SOUP_DATA", "/usr/share/datasets"))
    args = parser.parse_args()
    check_rounding()

    config = json.loads((args.folder / "config.json").read_text())
    val = Judge(config, args.data, "train", HELD_OUT)
    files = sorted(args.folder.glob("*.safetensors"), key=natural_key)
    models = {path.name: load_file(path) for path in files}
    scores, score_gaps = {}, []
    for name, weights in models.items():
        logits = val.logits(weights)
        scores[name] = int(val.right(logits).sum())
        score_gaps.append(float(gaps(logits).min()))
        emit("score", path=name, correct=scores[name], count=HELD_OUT)

    taken, step_gaps = greedy(models, scores, val, args.accept)
    test = Judge(config, args.data, "t10k")
    for search, chosen in [("best_single", taken[:1]),
                           ("uniform", list(models)), ("greedy", taken)]:
        soup = mean_of([models[n] for n in chosen])
        logits = val.logits(soup)
        emit("soup", search=search, ingredients=chosen,
             val_correct=int(val.right(logits).sum()),
             test_correct=int(test.right(test.logits(soup)).sum()),
             sha256=digest(soup))
    gap = gaps(logits)
    emit("margins", below=CLOSE, close=int((gap < CLOSE).sum()),
         smallest=float(gap.min()), score_gaps=score_gaps,
         step_gaps=step_gaps)


if __name__ == "__main__":
    main()
