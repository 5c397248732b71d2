#!/usr/bin/env python3
"""Makes tests/data/learned: three small Vision Transformers, pictures, and what
autograd says of their learned soups.

    python3 scripts/make_learned_references.py tests/data/learned

Needs torch, timm and safetensors. Everything is computed in float64, the soup
as a sum over models that autograd follows, as the released code of "Model
soups" (learned_bylayer.py) computes it.
"""

import json
import math
import pathlib
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch.func import functional_call

MODELS = 3
EXAMPLES = 24
CLASSES = 5
MEAN, STD = 0.5, 0.25
STEPS = 3
RATES = {"softmax": 0.05, "affine": 0.01}


def make_models(folder, gen):
    base = VisionTransformer(img_size=8, patch_size=4, in_chans=1, depth=2,
                             num_classes=CLASSES, embed_dim=8, num_heads=2,
                             mlp_ratio=1.0).eval()
    start = {}
    for name, value in base.state_dict().items():
        scale = 0.3 if "norm" in name else 0.5
        noise = scale * torch.randn(value.shape, generator=gen)
        start[name] = 1 + noise if name.endswith("norm.weight") else noise
    models = []
    for i in range(MODELS):
        moved = {name: value + 0.3 * torch.randn(value.shape, generator=gen)
                 for name, value in start.items()}
        save_file(moved, folder / f"model_{i}.safetensors")
        models.append({k: v.double() for k, v in moved.items()})
    return base.double(), models


def group_of(name, by):
    if by == "model":
        return ""
    if by == "tensor":
        return name
    numbered = re.match(r"(?:[^.]+\.)*?\d+(?=\.|$)", name)
    return numbered[0] if numbered else name.rpartition(".")[0] or name


class Soup:
    def __init__(self, base, models, form, by):
        self.base, self.models, self.form = base, models, form
        self.groups = {}
        for name in models[0]:
            self.groups.setdefault(group_of(name, by), []).append(name)

    def distance(self, model, names):
        means = {n: sum(m[n] for m in self.models) / MODELS for n in names}
        return math.sqrt(sum(((model[n] - means[n])**2).sum().item()
                             for n in names))

    def coefficients(self, row, names):
        if self.form == "softmax":
            return torch.softmax(row, 0)
        steps = torch.stack([x / self.distance(m, names)
                             for x, m in zip(row, self.models)])
        return steps + (1 - steps.sum()) / MODELS

    def loss(self, rows, factor, pictures, labels):
        mixed = {}
        for group, names in self.groups.items():
            weights = self.coefficients(rows[group], names)
            for n in names:
                mixed[n] = sum(w * m[n] for w, m in zip(weights, self.models))
        logits = functional_call(self.base, mixed, (pictures,))
        return F.cross_entropy(factor * logits, labels)


def rate_at(form, step):
    if form == "softmax":
        return RATES[form]
    warm = max(1.0, 0.2 * STEPS)
    if step < warm:
        return RATES[form] * (step + 1) / warm
    done = (step - warm) / (STEPS - warm)
    return RATES[form] * 0.5 * (1 + math.cos(math.pi * done))


def slope_at_a_point(soup, data):
    rows = {g: torch.tensor([math.sin(1 + 5 * k + i) for i in range(MODELS)],
                            dtype=torch.float64, requires_grad=True)
            for k, g in enumerate(sorted(soup.groups))}
    factor = torch.tensor(1.25, dtype=torch.float64, requires_grad=True)
    loss = soup.loss(rows, factor, *data)
    loss.backward()
    return {"values": {g: r.tolist() for g, r in rows.items()},
            "factor": factor.item(), "loss": loss.item(),
            "slope": {g: r.grad.tolist() for g, r in rows.items()},
            "by_factor": factor.grad.item()}


def after_some_steps(soup, data):
    rows = {g: torch.zeros(MODELS, dtype=torch.float64, requires_grad=True)
            for g in soup.groups}
    factor = torch.ones((), dtype=torch.float64,
                        requires_grad=soup.form == "softmax")
    free = list(rows.values()) + [factor] * factor.requires_grad
    optimizer = torch.optim.AdamW(free, lr=0.05, weight_decay=0)
    losses = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = rate_at(soup.form, step)
        optimizer.zero_grad()
        loss = soup.loss(rows, factor, *data)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "factor": factor.item(),
            "values": {g: r.tolist() for g, r in rows.items()},
            "coefficients": {
                g: soup.coefficients(r, soup.groups[g]).tolist()
                for g, r in rows.items()}}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    gen = torch.Generator().manual_seed(5)
    base, models = make_models(folder, gen)
    pixels = torch.randint(0, 256, (EXAMPLES, 8, 8), generator=gen)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=gen)
    np.save(folder / "images.npy", pixels.numpy().astype(np.uint8))
    np.save(folder / "labels.npy", labels.numpy())
    pictures = (pixels[:, None].double() / 255 - MEAN) / STD
    (folder / "config.json").write_text(json.dumps(
        {"model_args": {"num_heads": 2}}) + "\n")
    (folder / "data.json").write_text(json.dumps({
        "name": "learned", "loader": "npy", "images": "images.npy",
        "labels": "labels.npy",
        "preprocess": {"resize": "none", "mean": [MEAN], "std": [STD]},
    }) + "\n")
    cases = []
    for form in ("softmax", "affine"):
        for by in ("model", "layer", "tensor"):
            soup = Soup(base, models, form, by)
            cases.append({"form": form, "by": by,
                          "point": slope_at_a_point(soup, (pictures, labels)),
                          "steps": after_some_steps(soup, (pictures, labels))})
    (folder / "expected.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
