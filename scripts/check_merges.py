#!/usr/bin/env python3
"""Compares soup's merges with mergekit's.

check_merges.py FIXTURES SOUP [CASE...]

FIXTURES is what make_merge_fixtures.py --mergekit wrote, SOUP the program.
Every case: same names, shapes and dtypes; the same bytes, or how many units in
the last place apart; soup verify says that it can be made again; transformers
loads both and they give the same logits.
"""

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

# Sums of equal weights need no rounding before the last: the very same bytes.
EXACT = {"theprofessor-155b", "jovian-10.7b", "mistral-merge-7b",
         "air-striker-mixtral", "passthrough-scale", "stack-llama",
         "stack-qwen2", "stack-phi3", "stack-gpt2"}


def tensors(folder: Path):
    read = {}
    for file in sorted(folder.glob("*.safetensors")):
        read.update(load_file(file))
    return unfuse(read)


def unfuse(read):
    """Mixtral's experts by themselves, whichever way they were stored."""
    out = {}
    for name, value in read.items():
        if name.endswith("mlp.experts.gate_up_proj"):
            stem = name.removesuffix("mlp.experts.gate_up_proj")
            for e, both in enumerate(value):
                w1, w3 = both.chunk(2)
                out[f"{stem}block_sparse_moe.experts.{e}.w1.weight"] = w1
                out[f"{stem}block_sparse_moe.experts.{e}.w3.weight"] = w3
        elif name.endswith("mlp.experts.down_proj"):
            stem = name.removesuffix("mlp.experts.down_proj")
            for e, down in enumerate(value):
                out[f"{stem}block_sparse_moe.experts.{e}.w2.weight"] = down
        else:
            out[name.replace("mlp.gate.weight", "block_sparse_moe.gate.weight")
                if "mlp.gate.weight" in name else name] = value
    return out


def bits(value):
    return value.contiguous().view(torch.uint8)


def difference(mine, other):
    """Largest distance in units in the last place (of the tensor's root mean
    square where a value is smaller), or what is wrong."""
    if mine.keys() != other.keys():
        return f"other names: {sorted(mine.keys() ^ other.keys())[:4]}"
    worst = 0
    for name, value in mine.items():
        expected = other[name]
        if value.shape != expected.shape or value.dtype != expected.dtype:
            return (f"{name}: {value.dtype} {list(value.shape)}, mergekit has "
                    f"{expected.dtype} {list(expected.shape)}")
        if not torch.equal(bits(value), bits(expected)):
            a, b = value.double(), expected.double()
            # Sums that cancel lose digits in the terms, not in the sum.
            size = torch.maximum(b.abs(), b.square().mean().sqrt())
            unit = torch.finfo(value.dtype).eps * size
            worst = max(worst, float(((a - b).abs() / unit).max()))
    return worst


def logits(folder: Path):
    from transformers import AutoConfig
    import transformers
    config = AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(
        folder, dtype=torch.float32)
    ids = torch.arange(8).reshape(1, 8)
    extra = ({"decoder_input_ids": ids} if config.is_encoder_decoder else {})
    with torch.no_grad():
        return model.eval()(ids, **extra).logits


def check(case: str, fixtures: Path, soup: str):
    out = fixtures / "made" / case
    done = subprocess.run(
        [soup, "mix", fixtures / f"{case}.yml", "-o", f"{out}/", "--force"],
        capture_output=True, text=True)
    if done.returncode != 0:
        return f"soup failed: {done.stderr.strip()[:600]}"
    done = subprocess.run([soup, "verify", out], capture_output=True, text=True)
    if done.returncode != 0:
        return f"verify failed: {done.stderr.strip()[:300]}"
    mine = logits(out)
    expected = fixtures / "expected" / case
    if not list(expected.glob("*.safetensors")):
        return None
    worst = difference(tensors(out), tensors(expected))
    if not isinstance(worst, str) and worst > (0 if case in EXACT else 2):
        return f"{worst:.2f} units in the last place from mergekit"
    if isinstance(worst, str):
        return worst
    error = (mine - logits(expected)).abs().max().item()
    limit = 0 if worst == 0 else 2e-2 * mine.abs().max().item()
    return worst if error <= limit else f"logits differ by {error}"


def main():
    fixtures, soup, *cases = sys.argv[1:]
    fixtures = Path(fixtures)
    (fixtures / "made").mkdir(exist_ok=True)
    failed = 0
    for case in cases or sorted(p.stem for p in fixtures.glob("*.yml")):
        result = check(case, fixtures, soup)
        failed += isinstance(result, str)
        print(f"{case}: " + (result if isinstance(result, str) else
                             "made; mergekit cannot" if result is None else
                             "the same bytes" if result == 0 else
                             f"within {result:.2f} units in the last place"),
              flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
