#!/usr/bin/env python3
"""Compares soup's merges with mergekit's.

check_merges.py FIXTURES SOUP [--pin FOLDER] [CASE...]

FIXTURES is what make_merge_fixtures.py --mergekit wrote, SOUP the program.
Every case: same names, shapes and dtypes as mergekit's; soup verify says that
it can be made again; transformers loads both and they give the same logits.
Values
  exact     against mergekit in float64 (where values are drawn, against
            merge_draws.py): that, rounded once (to either side where it lies
            in the middle but for the errors of float64);
  mergekit  against mergekit as the recipe says: within two units in the last
            place, but for what mergekit rounds oftener (LOOSE);
  per op    --numerics mergekit, for linear and the rules on task vectors: the
            very bytes of mergekit;
  fused     Mixtral with --experts fused: mergekit's names and bytes.
--pin writes the models and recipes that FOLDER (tests/data/merges) is to keep
and hashes of what was found right, for merge_reference_test.cpp.
"""

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch
import transformers
import xxhash
import yaml
from safetensors.torch import load_file

import merge_draws

PER_OPERATION = {"linear", "task_arithmetic", "ties", "breadcrumbs",
                 "breadcrumbs_ties", "dare_ties", "dare_linear", "della",
                 "della_linear"}
ROUNDED_ONCE = {"linear", "slerp", "passthrough"}
# Sums of equal weights need no rounding before the last: the very same bytes.
EXACT = {"theprofessor-155b", "jovian-10.7b", "mistral-merge-7b",
         "air-striker-mixtral"}
ERROR = 4e-16  # of float64, relative to the root mean square of a tensor
# What soup copies and mergekit drops.
DROPPED = {"modules-t5": {"shared.weight"}}
# Units in the last place from mergekit in float32, where not two: lengths and
# angles in float32; terms that cancel; a value that passes a threshold or not.
LOOSE = {"karcher": 4, "multislerp": 4, "nuslerp": 4, "ties": 4, "lora": 4,
         "means": 4, "arcee_fusion": math.inf, "rows": math.inf}
# And where its float64 is not exact: ratios of counts and factors of adapters
# are float32, stages and means of rows are rounded; it extrapolates away from
# the donors of a row that point in opposite directions (model_stock by rows).
INEXACT = {"ramplus_tl": 2, "lora": 4, "stages": 1, "means": 1,
           "rows": math.inf}
# Cases in which tokens get the mean of several models' rows.
MEANS = {"tokenizer-model", "tokenizer-pad", "tokenizer-union-base",
         "tokenizer-union-three"}


def stored(folder: Path):
    read = {}
    for file in sorted(folder.glob("*.safetensors")):
        read.update(load_file(file))
    return read


def tensors(folder: Path):
    return unfuse(stored(folder))


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


def check_shapes(name, mine, other):
    if mine.keys() != other.keys():
        raise Failed(f"other names: {sorted(mine.keys() ^ other.keys())[:4]}")
    for key, value in mine.items():
        if value.shape != other[key].shape:
            raise Failed(f"{name}: {key}: {list(value.shape)}, mergekit has "
                         f"{list(other[key].shape)}")


def scale(value):
    """Sums that cancel lose digits in the terms, not in the sum."""
    value = value.double()
    return torch.maximum(value.abs(), value.square().mean().sqrt())


def distance(mine, other):
    """(share of values that differ, largest distance in units in the last
    place)."""
    worst, differ, count = 0.0, 0, 0
    for name, value in mine.items():
        unequal = value != other[name]
        count += value.numel()
        differ += int(unequal.sum())
        if unequal.any():
            gap = (value.double() - other[name].double()).abs()
            unit = torch.finfo(value.dtype).eps * scale(other[name])
            worst = max(worst, float((gap / unit).max()))
    return differ / max(count, 1), worst


def narrow_to(x, dtype):
    """Float64 rounded once: torch goes by float32, which is rounded to odd here
    so that the second rounding sees what the first took away."""
    if dtype in (torch.float32, torch.float64):
        return x.to(dtype)
    f = x.float()
    gap = x - f.double()
    other = torch.nextafter(f, torch.copysign(torch.full_like(f, torch.inf),
                                              gap.float()))
    even = (f.view(torch.int32) & 1) == 0
    return torch.where((gap != 0) & even, other, f).to(dtype)


def rounded(mine, exact):
    """`exact`, rounded to the type of `mine`; `mine` where that is as near."""
    made = {}
    for name, value in mine.items():
        x = exact[name].double()
        error = ERROR * scale(x)
        near = ((value.double() - x).abs() <= error) | (
            value == narrow_to(x - error, value.dtype)) | (
            value == narrow_to(x + error, value.dtype))
        made[name] = torch.where(near, value, narrow_to(x, value.dtype))
    return made


def logits(folder: Path):
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(
        folder, dtype=torch.float32)
    ids = torch.arange(8).reshape(1, 8)
    extra = ({"decoder_input_ids": ids} if config.is_encoder_decoder else {})
    with torch.no_grad():
        return model.eval()(ids, **extra).logits


class Failed(Exception):
    pass


def run(what, *command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{what} failed: {done.stderr.strip()[:600]}")


def token_ids(folder):
    """Ids by token, none where the folder has no tokenizer."""
    file = folder / "tokenizer.json"
    if not file.exists():
        return {}
    text = json.loads(file.read_text())
    return text["model"]["vocab"] | {added["content"]: added["id"]
                                     for added in text["added_tokens"]}


def reorder(other, theirs, ours):
    """mergekit numbers the tokens of a union in no order; padding is last."""
    if theirs.keys() != ours.keys():
        raise Failed(f"other tokens: {sorted(theirs.keys() ^ ours.keys())[:4]}")
    order = torch.tensor([theirs[token] for token in sorted(ours, key=ours.get)])
    for name, value in other.items():
        if "embed_tokens" in name or "lm_head" in name:
            other[name] = torch.cat([value[order], value[len(order):]])


def read(folder, mine, out):
    """What mergekit wrote, None where it could not."""
    if not list(folder.glob("*.safetensors")):
        return None
    other = tensors(folder)
    if token_ids(out):
        reorder(other, token_ids(folder), token_ids(out))
    for name in DROPPED.get(folder.name, ()):
        other[name] = mine[name]
    check_shapes(folder.name, mine, other)
    return other


def drawn(fixtures, config):
    """DARE and DELLA by merge_draws.py."""
    donors = [tensors(fixtures / given["model"]) for given in config["models"]]
    base = tensors(fixtures / config["base_model"])
    return {name: merge_draws.merge(config, name, [d[name] for d in donors],
                                    base[name]) for name in base}


def compare(what, mine, other, limit):
    if other is None:
        return f"{what}: mergekit cannot"
    share, worst = distance(mine, other)
    text = ("same bytes" if share == 0 else
            f"{100 * share:.2g} % differ, by {worst:.2f} ulp at most")
    if worst > limit:
        raise Failed(f"{what}: {text}")
    return f"{what}: {text}"


def check(case: str, fixtures: Path, soup: str):
    out = fixtures / "made" / case
    recipe = fixtures / f"{case}.yml"
    stages = list(yaml.safe_load_all(recipe.read_text()))
    names = {stage["merge_method"] for stage in stages}
    kinds = set(names)
    if "+" in recipe.read_text():
        kinds.add("lora")
    if len(stages) > 1:
        kinds.add("stages")
    if case == "method-model_stock-rows":
        kinds.add("rows")
    if case in MEANS:
        kinds.add("means")
    narrow = any("16" in str(stage.get("dtype")) for stage in stages)
    run("soup", soup, "mix", recipe, "-o", f"{out}/", "--force")
    run("verify", soup, "verify", out)
    mine = tensors(out)
    exact = read(fixtures / "exact" / case, mine, out)
    expected = read(fixtures / "expected" / case, mine, out)
    if case.startswith("drawn-"):
        exact, expected = drawn(fixtures, stages[0]), None
    if expected is not None:
        for name, value in mine.items():
            if value.dtype != expected[name].dtype:
                raise Failed(f"{name}: {value.dtype}")
    limit = max(INEXACT.get(kind, 0) for kind in kinds)
    said = [compare("exact", mine, exact and rounded(mine, exact), limit)]
    limit = max(LOOSE.get(kind, 2) for kind in kinds)
    if narrow and not names <= ROUNDED_ONCE:
        limit = math.inf
    if not case.startswith("drawn-"):
        said.append(compare("mergekit", mine, expected,
                            0 if case in EXACT else limit))
    if names <= PER_OPERATION and "lora" not in kinds and expected is not None:
        run("soup --numerics mergekit", soup, "mix", recipe, "--numerics",
            "mergekit", "-o", f"{out}.per-op/", "--force")
        said.append(compare("per op", tensors(Path(f"{out}.per-op")), expected,
                            1 if "means" in kinds else 0))
    if "mixtral" in recipe.read_text() and expected is not None:
        run("soup --experts", soup, "mix", recipe, "--experts", "fused",
            "--numerics", "mergekit", "-o", f"{out}.fused/", "--force")
        said.append(compare("fused", stored(Path(f"{out}.fused")),
                            stored(fixtures / "expected" / case), 0))
    ours = logits(out)
    other = fixtures / "expected" / case
    # Where mergekit failed, it was after the weights (Qwen2's layer_types).
    config = other / "config.json"
    whole = config.exists() and '"model_type"' in config.read_text()
    if (expected is not None and whole and case not in DROPPED
            and token_ids(out) == token_ids(other)):
        theirs = logits(other)
        error = (ours - theirs).abs().max().item()
        share = 5e-2 if narrow or limit == math.inf else 1e-3
        if error > share * ours.abs().max().item():
            raise Failed(f"logits differ by {error}")
    return "; ".join(said)


def content_hash(folder):
    """Of the bytes of all tensors in the order of their names."""
    hasher = xxhash.xxh3_128()
    for _, value in sorted(tensors(folder).items()):
        hasher.update(value.contiguous().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def pin(case, fixtures, folder, pinned):
    """Keeps a case whose models are small."""
    text = (fixtures / f"{case}.yml").read_text()
    models = set(re.findall(r"models/([\w-]+)", text))
    if "adapters/" in text or not all(
            re.fullmatch(r"(llama|llama16|tok)-\w+", m) for m in models):
        return
    for model in models:
        (folder / "models" / model).mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            if (fixtures / "models" / model / name).exists():
                shutil.copy(fixtures / "models" / model / name,
                            folder / "models" / model)
    out = fixtures / "made" / case
    pinned[case] = {"recipe": text, "default": content_hash(out)}
    if Path(f"{out}.per-op").exists():
        pinned[case]["mergekit"] = content_hash(Path(f"{out}.per-op"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("fixtures", type=Path)
    arguments.add_argument("soup")
    arguments.add_argument("case", nargs="*", help="only these")
    arguments.add_argument("--pin", type=Path)
    options = arguments.parse_intermixed_args()
    (options.fixtures / "made").mkdir(exist_ok=True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    failed, pinned = 0, {}
    for case in options.case or sorted(
            p.stem for p in options.fixtures.glob("*.yml")):
        try:
            print(f"{case}: {check(case, options.fixtures, options.soup)}",
                  flush=True)
            if options.pin:
                pin(case, options.fixtures, options.pin, pinned)
        except Failed as e:
            failed += 1
            print(f"{case}: FAILED: {e}", flush=True)
    print(f"{failed} failed")
    if options.pin:
        (options.pin / "cases.json").write_text(
            json.dumps(pinned, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
