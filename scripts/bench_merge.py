#!/usr/bin/env python3
"""Time and memory of merging language models: soup against mergekit.

Llamas of about 1 GB in bfloat16 (a base and two fine-tunes) are made in a
folder and merged by both programs in turn, in one run, with a warm page cache.
Printed are the best wall time of each, the time without start-up and imports,
processor seconds, peak anonymous memory and peak resident memory (which counts
mapped files), and ratios to soup. The output of both is removed before the next.

  scripts/bench_merge.py --soup build/soup --mergekit PYTHON
  scripts/bench_merge.py --soup build/soup --only ties --layers 2
  scripts/bench_merge.py --soup build/soup --professor

PYTHON is an interpreter that has mergekit 0.1.5 and torch; without it soup is
measured alone. This script's own needs torch and safetensors.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_mix import measure, remove

PAIR = "models:\n  - {model: a, parameters: {weight: 0.6}}\n" \
       "  - {model: b, parameters: {weight: 0.4}}\n"
TUNED = PAIR + "base_model: base\n"
RECIPES = {
    "linear": "merge_method: linear\n" + PAIR,
    "slerp": "merge_method: slerp\nparameters: {t: 0.4}\nbase_model: a\n"
             "models: [{model: a}, {model: b}]\n",
    "ties": "merge_method: ties\nparameters: {density: 0.5}\n" + TUNED,
    "dare_ties": "merge_method: dare_ties\nparameters: {density: 0.5}\n" + TUNED,
    "model_stock": "merge_method: model_stock\nbase_model: base\n"
                   "models: [{model: a}, {model: b}]\n",
    "della": "merge_method: della\n"
             "parameters: {density: 0.5, epsilon: 0.1}\n" + TUNED,
}

# Run by mergekit's interpreter: RECIPE OUT.
WORKER = """
import sys, time
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
begin = time.perf_counter()
config = MergeConfiguration.model_validate(yaml.safe_load(open(sys.argv[1])))
run_merge(config, sys.argv[2], MergeOptions(
    write_model_card=False, copy_tokenizer=False, quiet=True, random_seed=0))
print(f"work {time.perf_counter() - begin:.3f}")
"""


def make_models(folder, layers, names=("base", "a", "b"), dtype="bfloat16"):
    """Shapes of a Llama of width 2048; fine-tunes are near their base."""
    import torch
    from safetensors.torch import save_file

    width, inner, vocabulary = 2048, 5504, 32000
    shapes = {"model.embed_tokens.weight": (vocabulary, width),
              "model.norm.weight": (width,),
              "lm_head.weight": (vocabulary, width)}
    for layer in range(layers):
        block = f"model.layers.{layer}."
        shapes |= {f"{block}self_attn.{p}_proj.weight": (width, width)
                   for p in "qkvo"}
        shapes |= {block + "mlp.gate_proj.weight": (inner, width),
                   block + "mlp.up_proj.weight": (inner, width),
                   block + "mlp.down_proj.weight": (width, inner),
                   block + "input_layernorm.weight": (width,),
                   block + "post_attention_layernorm.weight": (width,)}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
              "hidden_size": width, "intermediate_size": inner,
              "num_attention_heads": 16, "num_key_value_heads": 16,
              "num_hidden_layers": layers, "vocab_size": vocabulary,
              "tie_word_embeddings": False, "torch_dtype": dtype}
    for seed, name in enumerate(names):
        where = folder / name
        where.mkdir(parents=True)
        (where / "config.json").write_text(json.dumps(config))
        common = torch.Generator().manual_seed(99)
        own = torch.Generator().manual_seed(seed)
        state = {}
        for key, shape in shapes.items():
            value = 0.02 * torch.randn(shape, generator=common)
            if name != "base":
                value += 0.002 * torch.randn(shape, generator=own)
            state[key] = value.to(getattr(torch, dtype))
        save_file(state, where / "model.safetensors", {"format": "pt"})


def make_headers(folder, vocabulary):
    """A Llama-2-70B of which only headers are on the disk."""
    width, inner, narrow = 8192, 28672, 1024
    shapes = {"model.embed_tokens.weight": [vocabulary, width],
              "lm_head.weight": [vocabulary, width],
              "model.norm.weight": [width]}
    for layer in range(80):
        block = f"model.layers.{layer}."
        shapes |= {
            block + "self_attn.q_proj.weight": [width, width],
            block + "self_attn.k_proj.weight": [narrow, width],
            block + "self_attn.v_proj.weight": [narrow, width],
            block + "self_attn.o_proj.weight": [width, width],
            block + "mlp.gate_proj.weight": [inner, width],
            block + "mlp.up_proj.weight": [inner, width],
            block + "mlp.down_proj.weight": [width, inner],
            block + "input_layernorm.weight": [width],
            block + "post_attention_layernorm.weight": [width]}
    shards, sizes = [{}], [0]
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        if sizes[-1] + size > 10e9:
            shards.append({})
            sizes.append(0)
        shards[-1][name] = {"dtype": "F16", "shape": shape, "data_offsets":
                            [sizes[-1], sizes[-1] + size]}
        sizes[-1] += size
    folder.mkdir(parents=True)
    places = {}
    for k, (shard, size) in enumerate(zip(shards, sizes), 1):
        file = f"model-{k:05}-of-{len(shards):05}.safetensors"
        places |= dict.fromkeys(shard, file)
        header = json.dumps(shard).encode()
        header += b" " * (-len(header) % 8)
        with open(folder / file, "wb") as out:
            out.write(len(header).to_bytes(8, "little") + header)
            out.truncate(8 + len(header) + size)
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {"total_size": sum(sizes)}, "weight_map": places}))
    (folder / "config.json").write_text(json.dumps(
        {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 80,
         "vocab_size": vocabulary, "tie_word_embeddings": False}))
    tokens = {f"token{i}": i for i in range(vocabulary)}
    merges = [f"token{i} token{i}" for i in range(vocabulary)]
    (folder / "tokenizer.json").write_text(json.dumps(
        {"model": {"type": "BPE", "vocab": tokens, "merges": merges}}))


def plan_professor(soup, layers):
    """TheProfessor-155b at full shape: its plan, and how long it would take."""
    cut = [("a", 0, 1), ("a", 1, 20), ("b", 10, 30), ("c", 20, 40),
           ("d", 25, 45), ("a", 30, 50), ("b", 40, 60), ("c", 50, 70),
           ("d", 55, 75), ("a", 60, 79), ("a", 79, 80)]
    text = "merge_method: linear\nparameters: {weight: 1.0}\nslices:\n"
    for model, begin, end in cut:
        text += (f"  - sources:\n    - {{model: {model}, "
                 f"layer_range: [{begin}, {end}]}}\n")
        if end - begin == 1:
            text += (f"    - {{model: b, layer_range: [{begin}, {end}], "
                     "parameters: {weight: 0}}\n")
    text += "dtype: float16\ntokenizer_source: model:a\n"
    with tempfile.TemporaryDirectory(prefix="bench_merge_") as name:
        folder = Path(name)
        for model in "abcd":
            make_headers(folder / model, 32002 if model == "a" else 32000)
        (folder / "recipe.yml").write_text(text)
        command = [os.path.abspath(soup), "mix", "recipe.yml", "--dry-run",
                   "-o", "out/", "--json"]
        runs, seconds = [], []
        for _ in range(3):
            before = os.times()
            runs.append(measure(command, dict(os.environ), folder))
            after = os.times()
            seconds.append(after.children_user + after.children_system -
                           before.children_user - before.children_system)
        plan = json.loads(subprocess.run(
            command, cwd=folder, capture_output=True, text=True,
            check=True).stdout)
        print(f"TheProfessor-155b: planned in {best(runs)['seconds']:.2f} s, of "
              f"which {min(seconds):.2f} s of computing (load "
              f"{os.getloadavg()[0]:.1f}): {plan}")
        rate, size = stacking_rate(os.path.abspath(soup), folder / "small",
                                   layers)
    print(f"stacking the layers of a float16 model wrote {size / 1e9:.2f} GB, "
          f"synced, at {rate / 1e9:.2f} GB/s (inputs in the page cache); at "
          f"that rate TheProfessor's {plan['bytes_write'] / 1e9:.0f} GB take "
          f"{plan['bytes_write'] / rate / 60:.1f} minutes")


def stacking_rate(soup, folder, layers):
    """Bytes a second of what TheProfessor does, and how many were written."""
    make_models(folder, layers, ["a"], "float16")
    (folder / "r.yml").write_text(
        "merge_method: linear\nparameters: {weight: 1}\ndtype: float16\n"
        "slices:\n" + f"  - sources: [{{model: a, layer_range: [0, {layers}]}}]\n" * 2)
    subprocess.run(["cat", folder / "a" / "model.safetensors"],
                   stdout=subprocess.DEVNULL, check=True)
    env = dict(os.environ)
    out = str(folder / "out")
    runs = []
    for _ in range(3):
        remove(out)
        os.sync()
        runs.append(measure([soup, "mix", "r.yml", "-o", out + "/", "-q"], env,
                            folder))
    size = sum(f.stat().st_size for f in Path(out).glob("*.safetensors"))
    # What the start takes does not grow.
    start = best([measure([soup, "mix", "r.yml", "--dry-run"], env, folder)
                  for _ in range(3)])
    return size / (best(runs)["seconds"] - start["seconds"]), size


def best(runs):
    return {key: (min if key in ("seconds", "work", "cpu") else max)(
        run[key] for run in runs) for key in runs[0]}


def show(name, soup, other):
    line = (f"{name:12} {soup['seconds']:7.2f} s {soup['cpu']:7.2f} s "
            f"{soup['anonymous'] / 1e6:5.0f} {soup['resident'] / 1e6:5.0f} MB")
    if other:
        line += (f" | {other['seconds']:7.2f} s ({other['work']:7.2f}) "
                 f"{other['cpu']:7.2f} s {other['anonymous'] / 1e6:5.0f} "
                 f"{other['resident'] / 1e6:5.0f} MB | "
                 f"{other['seconds'] / soup['seconds']:6.1f} "
                 f"({other['work'] / soup['seconds']:6.1f}) "
                 f"{other['cpu'] / soup['cpu']:6.1f} "
                 f"{other['anonymous'] / max(soup['anonymous'], 1):6.0f}")
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup", help="the program")
    parser.add_argument("--mergekit", help="interpreter that has mergekit")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", help="keep the models here")
    parser.add_argument("--only", nargs="+", choices=RECIPES)
    parser.add_argument("--professor", action="store_true",
                        help="plan TheProfessor-155b at full shape, and say how "
                        "long it would take at a measured rate")
    args = parser.parse_args()
    if args.professor:
        return plan_professor(args.soup, args.layers)

    scratch = Path(args.folder or
                   tempfile.mkdtemp(prefix="bench_merge_")).absolute()
    scratch.mkdir(exist_ok=True)
    if not (scratch / "b").exists():
        make_models(scratch, args.layers)
    out = str(scratch / "out")
    env = dict(os.environ, HF_HUB_OFFLINE="1")
    size = (scratch / "a" / "model.safetensors").stat().st_size
    print(f"models of {size / 1e9:.2f} GB; load before: {os.getloadavg()[0]:.1f}")
    print("method       soup: wall, processor, anonymous, resident | mergekit: "
          "wall (without imports), processor, anonymous, resident | ratios: "
          "wall (without imports), processor, anonymous")
    ratios = []
    try:
        for name in args.only or RECIPES:
            recipe = scratch / f"{name}.yml"
            recipe.write_text(RECIPES[name] + "dtype: bfloat16\n")
            commands = {"soup": [os.path.abspath(args.soup), "mix", recipe, "-o", f"{out}/", "-q"]}
            if args.mergekit:
                commands["mergekit"] = [os.path.abspath(args.mergekit), "-c",
                                        WORKER, recipe, out]
            runs = {program: [] for program in commands}
            # Both read what is in the page cache.
            subprocess.run(["cat", *scratch.glob("*/model.safetensors")],
                           stdout=subprocess.DEVNULL, check=True)
            for _ in range(args.rounds):
                for program, command in commands.items():
                    remove(out)
                    os.sync()
                    runs[program].append(measure(command, env, scratch))
            soup = best(runs["soup"])
            other = best(runs["mergekit"]) if args.mergekit else None
            show(name, soup, other)
            if other:
                ratios.append([other["seconds"] / soup["seconds"],
                               other["work"] / soup["seconds"],
                               other["cpu"] / soup["cpu"]])
    finally:
        remove(out)
        if not args.folder:
            shutil.rmtree(scratch)
    if ratios:
        means = [math.exp(sum(map(math.log, r)) / len(r)) for r in zip(*ratios)]
        print(f"geometric mean: {means[0]:.1f} ({means[1]:.1f} without imports), "
              f"processor {means[2]:.1f}; load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
