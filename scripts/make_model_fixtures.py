#!/usr/bin/env python3
"""Makes tests/data/models: tiny random models of every kind that is known, with
the logits that timm gives.

    python3 scripts/make_model_fixtures.py tests/data/models

Needs torch, timm and safetensors. A folder each: model.safetensors,
config.json in timm's form, expected.safetensors with pictures and logits.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

COMMON = dict(img_size=8, patch_size=4, num_classes=5, embed_dim=8, depth=2,
              num_heads=2, mlp_ratio=1.0)
VARIANTS = {
    "vit_token": (dict(in_chans=1), torch.float32),
    "vit_registers": (dict(reg_tokens=2, no_embed_class=True, init_values=1.0,
                           qkv_bias=False), torch.float32),
    "vit_registers_embedded": (dict(reg_tokens=1, no_embed_class=False),
                               torch.float16),
    "vit_mean": (dict(class_token=False, global_pool="avg"), torch.bfloat16),
    "vit_mean_token": (dict(global_pool="avg"), torch.float64),
    "vit_mean_norm": (dict(global_pool="avg", fc_norm=False), torch.float32),
    "vit_wide": (dict(img_size=(4, 12), init_values=1.0), torch.float32),
}


def randomise(model, gen):
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=gen)
        is_scale = "norm" in name and name.endswith("weight")
        value.data = 1 + 0.3 * noise if is_scale else 0.5 * noise


def make(folder, changes, dtype, gen):
    folder.mkdir(parents=True, exist_ok=True)
    args = {**COMMON, **changes}
    model = VisionTransformer(**args).eval()
    randomise(model, gen)
    # What is stored is what is scored: rounded first.
    model = model.to(dtype)
    save_file(model.state_dict(), folder / "model.safetensors")
    model = model.float()
    channels = args.get("in_chans", 3)
    size = args["img_size"]
    height, width = size if isinstance(size, tuple) else (size, size)
    pictures = torch.randn((5, channels, height, width), generator=gen)
    with torch.inference_mode():
        logits = model(pictures)
    save_file({"pictures": pictures, "logits": logits},
              folder / "expected.safetensors")
    config = {"architecture": folder.name, "num_classes": args["num_classes"],
              "global_pool": args.pop("global_pool", "token"),
              "model_args": args,
              "pretrained_cfg": {"input_size": [channels, height, width],
                                 "interpolation": "bicubic", "crop_pct": 0.9,
                                 "mean": [0.4] * channels,
                                 "std": [0.25] * channels}}
    (folder / "config.json").write_text(json.dumps(config) + "\n")


def main():
    gen = torch.Generator().manual_seed(1)
    for name, (changes, dtype) in VARIANTS.items():
        make(pathlib.Path(sys.argv[1]) / name, changes, dtype, gen)


if __name__ == "__main__":
    main()
