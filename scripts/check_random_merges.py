#!/usr/bin/env python3
"""Variants of the published merges, drawn at random: do they verify and load?

check_random_merges.py FIXTURES SOUP [--count N] [--seed S]

FIXTURES is what make_merge_fixtures.py wrote, SOUP the program. Weights, types,
cuts of layers, numerics and the layout of experts are drawn anew. Of every soup
`soup verify` must say that it can be made again, and transformers must find
every weight it expects in it and no other, of the right shape, and compute
finite logits. Needs torch and transformers.
"""

import argparse
import random
import re
import sys
import tempfile
from pathlib import Path

import torch
import transformers

from check_merges import Failed, run
from merge_cases import PUBLISHED


LAYERS = re.compile(r"layer_range: \[(\d+), (\d+)\]")


def moved(part, draw):
    """A slice whose sources all take their layers a few further on or back."""
    begin, end = map(int, LAYERS.search(part).groups())
    by = draw.randint(-min(begin, 3), min(80 - end, 3))
    return LAYERS.sub(f"layer_range: [{begin + by}, {end + by}]", part)


def variant(text, draw):
    """The recipe with other numbers and another type; no weight stays none."""
    text = re.sub(r"(weight: )([0-9.]+)", lambda found: found[1] + (
        "0" if found[2] == "0" else f"{draw.uniform(0.05, 2):.2f}"), text)
    head, *slices = text.split("  - sources:\n")
    text = "  - sources:\n".join([head, *(moved(s, draw) for s in slices)])
    dtype = draw.choice(["float16", "bfloat16", "float32"])
    return re.sub(r"dtype: \w+", f"dtype: {dtype}", text)


def load(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = getattr(transformers, config.architectures[0])
    model, info = kind.from_pretrained(folder, dtype=torch.float32,
                                       output_loading_info=True)
    wrong = {key: list(names)[:4] for key, names in info.items() if names}
    if wrong:
        raise Failed(f"transformers says {wrong}")
    with torch.no_grad():
        logits = model.eval()(torch.arange(8).reshape(1, 8)).logits
    if not logits.isfinite().all():
        raise Failed("logits are not finite")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixtures", type=Path)
    parser.add_argument("soup")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    failed = 0
    for seed in range(args.seed, args.seed + args.count):
        draw = random.Random(seed)
        name = draw.choice(list(PUBLISHED))
        text = variant(PUBLISHED[name], draw)
        options = []
        if draw.random() < 0.3:
            options += ["--numerics", "mergekit"]
        if "mixtral" in text:
            options += ["--experts", draw.choice(["keep", "separate", "fused"])]
        with tempfile.TemporaryDirectory(prefix="random_merge_") as scratch:
            recipe, out = Path(scratch) / "r.yml", Path(scratch) / "out"
            recipe.write_text(text.replace(
                "models/", f"{args.fixtures.resolve()}/models/"))
            try:
                run("soup mix", args.soup, "mix", recipe, "-o", f"{out}/", "-q",
                    "--allow-path", args.fixtures, *options)
                run("soup verify", args.soup, "verify", out)
                load(out)
            except Failed as error:
                failed += 1
                print(f"seed {seed}: {name} {options}: {error}\n{text}")
                continue
        print(f"seed {seed}: {name} {' '.join(options)}: verifies and loads",
              flush=True)
    print(f"{args.count - failed} of {args.count} hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
