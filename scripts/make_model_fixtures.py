#!/usr/bin/env python3
"""Makes tests/data/models: tiny random models of every layout of Vision
Transformers and of CLIP, with the logits of the code that the layout is from.

    python3 scripts/make_model_fixtures.py tests/data/models

Needs torch, timm, transformers, open_clip_torch and safetensors. A folder each:
model.safetensors, the configuration that code writes beside it,
expected.safetensors with pictures and logits, and head.safetensors where the
head is apart.
"""

import json
import pathlib
import sys
import zlib
from functools import partial

import open_clip
import torch
import torch.nn.functional as F
import transformers as hf
from safetensors.torch import save_file
from timm.models.deit import VisionTransformerDistilled
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


def make_timm(folder, changes, dtype, gen, kind=VisionTransformer):
    folder.mkdir(parents=True, exist_ok=True)
    args = {**COMMON, **changes}
    model = kind(**args).eval()
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
    args.pop("norm_layer", None)  # no text
    config = {"architecture": folder.name, "num_classes": args["num_classes"],
              "global_pool": args.pop("global_pool", "token"),
              "model_args": args,
              "pretrained_cfg": {"input_size": [channels, height, width],
                                 "interpolation": "bicubic", "crop_pct": 0.9,
                                 "mean": [0.4] * channels,
                                 "std": [0.25] * channels}}
    (folder / "config.json").write_text(json.dumps(config) + "\n")


def write(folder, state, config, pictures, logits, **others):
    """others: further files, NAME=content."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().clone().contiguous() for k, v in state.items()}
    save_file(tensors, folder / "model.safetensors")
    save_file({"pictures": pictures, "logits": logits.detach().contiguous()},
              folder / "expected.safetensors")
    if config:
        (folder / "config.json").write_text(json.dumps(config) + "\n")
    for name, content in others.items():
        (folder / f"{name}.json").write_text(json.dumps(content) + "\n")


def begin(name, model):
    """A model with random weights, and pictures, both by the name."""
    gen = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    for key, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=gen)
        is_scale = ("norm" in key or "ln_" in key or "layrnorm" in key) \
            and key.endswith("weight")
        value.data = 1 + 0.3 * noise if is_scale else 0.5 * noise
    return model.eval(), torch.randn((5, 3, 8, 8), generator=gen), gen


SMALL = dict(image_size=8, patch_size=4, hidden_size=8, num_hidden_layers=2,
             num_attention_heads=2, intermediate_size=8)


def make_hf_vit(folder, kind, config, preprocessor):
    model, pictures, _ = begin(folder.name, kind(config))
    with torch.inference_mode():
        logits = model(pictures).logits
    write(folder, model.state_dict(), config.to_dict(), pictures, logits,
          preprocessor_config=preprocessor)


class Paper(torch.nn.Module):
    """The wrapper of the paper's 72 checkpoints: a linear head on features of
    length 1."""

    def __init__(self, tower, classes=5):
        super().__init__()
        self.model = torch.nn.Module()
        self.model.visual = tower
        self.model.logit_scale = torch.nn.Parameter(torch.tensor(4.6))
        self.model.ln_final = torch.nn.LayerNorm(4)
        self.model.positional_embedding = torch.nn.Parameter(torch.zeros(2, 4))
        self.classification_head = torch.nn.Linear(tower.output_dim, classes)

    def forward(self, pictures):
        features = self.model.visual(pictures)
        return self.classification_head(
            features / features.norm(dim=-1, keepdim=True))


def tower(act_layer, **changes):
    args = dict(image_size=8, patch_size=4, width=64, layers=1, heads=1,
                mlp_ratio=0.25, output_dim=16, act_layer=act_layer)
    return open_clip.transformer.VisionTransformer(**{**args, **changes})


def make_paper(folder):
    """Without any configuration; stored in half precision, as it is small."""
    model, pictures, _ = begin(folder.name, Paper(tower(
        open_clip.transformer.QuickGELU)))
    model = model.half().float()
    with torch.inference_mode():
        logits = model(pictures)
    state = {k: v.half() for k, v in model.state_dict().items()}
    write(folder, state, None, pictures, logits)


def make_open_clip(folder, head):
    """With open_clip's configuration. head: linear, or the embeddings of
    texts in a file of their own."""
    visual = tower(torch.nn.GELU, width=8, heads=2, layers=2, mlp_ratio=1.0,
                   output_dim=6, ls_init_value=0.1)
    model, pictures, gen = begin(folder.name, Paper(visual))
    state = {k.removeprefix("model."): v
             for k, v in model.state_dict().items()}
    with torch.inference_mode():
        features = F.normalize(visual(pictures), dim=-1)
        logits = model.classification_head(features)
    if head == "texts":
        del state["classification_head.weight"]
        del state["classification_head.bias"]
        texts = F.normalize(torch.randn((6, 7), generator=gen), dim=0)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"zeroshot": texts}, folder / "head.safetensors")
        logits = state["logit_scale"].exp() * features @ texts
    preprocess = {"mean": [0.4, 0.5, 0.6], "std": [0.1, 0.2, 0.3],
                  "interpolation": "bicubic", "resize_mode": "shortest"}
    write(folder, state, None, pictures, logits, open_clip_config={
        "model_cfg": {"embed_dim": 6,
                      "vision_cfg": {"image_size": 8, "patch_size": 4,
                                     "width": 8, "head_width": 4}},
        "preprocess_cfg": preprocess})


CLIP_PREPROCESSOR = {
    "do_center_crop": True, "crop_size": {"height": 8, "width": 8},
    "do_resize": True, "size": {"shortest_edge": 9}, "resample": 3,
    "image_mean": [0.4, 0.5, 0.6], "image_std": [0.1, 0.2, 0.3]}


def clip_config(act):
    text = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                intermediate_size=8, vocab_size=9, max_position_embeddings=4)
    return hf.CLIPConfig(vision_config={**SMALL, "hidden_act": act},
                         text_config=text, projection_dim=6, num_labels=5)


def make_hf_clip(folder):
    config = clip_config("quick_gelu")
    model, pictures, _ = begin(folder.name,
                               hf.CLIPForImageClassification(config))
    with torch.inference_mode():
        logits = model(pictures).logits
    write(folder, model.state_dict(), config.to_dict(), pictures, logits,
          preprocessor_config=CLIP_PREPROCESSOR)


def make_hf_clip_texts(folder):
    config = clip_config("gelu")
    model, pictures, gen = begin(folder.name, hf.CLIPModel(config))
    texts = F.normalize(torch.randn((7, 6), generator=gen), dim=1)
    with torch.inference_mode():
        features = F.normalize(model.get_image_features(pictures), dim=-1)
        logits = model.logit_scale.exp() * features @ texts.T
    write(folder, model.state_dict(), config.to_dict(), pictures, logits,
          preprocessor_config=CLIP_PREPROCESSOR)
    save_file({"texts": texts}, folder / "head.safetensors")


def main():
    root = pathlib.Path(sys.argv[1])
    gen = torch.Generator().manual_seed(1)
    for name, (changes, dtype) in VARIANTS.items():
        make_timm(root / name, changes, dtype, gen)
    make_timm(root / "vit_distilled", {}, torch.float32, gen,
              VisionTransformerDistilled)
    make_timm(root / "vit_clip_quickgelu", dict(
        pre_norm=True, act_layer="quick_gelu",
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-5)),
        torch.float32, gen)
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2,
            "do_resize": True, "size": {"height": 8, "width": 8}}
    crop = {**half, "resample": 3, "do_center_crop": True,
            "size": {"height": 9, "width": 9}, "crop_size": 8}
    make_hf_vit(root / "hf_vit", hf.ViTForImageClassification,
                hf.ViTConfig(**SMALL, num_labels=5), half)
    make_hf_vit(root / "hf_vit_no_bias", hf.ViTForImageClassification,
                hf.ViTConfig(**SMALL, num_labels=5, qkv_bias=False,
                             hidden_act="gelu_new", layer_norm_eps=1e-3), half)
    make_hf_vit(root / "hf_deit", hf.DeiTForImageClassification,
                hf.DeiTConfig(**SMALL, num_labels=5), crop)
    make_hf_vit(root / "hf_deit_teacher",
                hf.DeiTForImageClassificationWithTeacher,
                hf.DeiTConfig(**SMALL, num_labels=5), crop)
    make_paper(root / "clip_paper")
    make_open_clip(root / "clip_open", "linear")
    make_open_clip(root / "clip_texts", "texts")
    make_hf_clip(root / "hf_clip")
    make_hf_clip_texts(root / "hf_clip_texts")


if __name__ == "__main__":
    main()
