#!/usr/bin/env python3
"""The paper's greedy loop in Python against `soup greedy`: time, pictures,
memory, and whether both decide alike.

    python3 scripts/bench_greedy.py --soup build/soup [--rounds 3] [--lazy]

Needs torch, timm and safetensors, and Fashion-MNIST's IDX files under --data.
The loop is that of the released code of "Model soups": every checkpoint is
loaded and scored, then, best first, every candidate is loaded, averaged in
float32 into the soup so far and scored on all held-out pictures, which are
read and decoded each time. What is scored is rounded to the type of the files,
as the written soup is. Both take turns, --rounds times; the better time of
each counts. Wall time is that of the whole process; `loop` leaves out the start
of Python and torch. JSON Lines on standard output.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ZOO = pathlib.Path(__file__).resolve().parent.parent / "configs" / "zoo"


def loop(folder, data):
    import torch
    from safetensors.torch import load_file

    import reference_greedy as reference

    begin = time.monotonic()
    config = json.loads((folder / "config.json").read_text())
    pictures = 0

    def right(weights):
        nonlocal pictures
        judge = reference.Judge(config, data, "train", reference.HELD_OUT)
        pictures += len(judge.y)
        judge.model.load_state_dict({k: v.float() for k, v in weights.items()})
        with torch.inference_mode():
            logits = torch.cat([judge.model(x) for x in judge.x.split(256)])
        return int(judge.right(logits).sum())

    files = sorted(folder.glob("*.safetensors"), key=reference.natural_key)
    scores = {f: right(load_file(f)) for f in files}
    order = sorted(files, key=lambda f: (-scores[f], files.index(f)))
    soup = {k: v.float() for k, v in load_file(order[0]).items()}
    stored = {k: v.dtype for k, v in load_file(order[0]).items()}
    taken, best = 1, scores[order[0]]
    decisions = [[order[0].name, True]]
    for path in order[1:]:
        weights = load_file(path)
        candidate = {k: (v * (taken / (taken + 1))
                         + weights[k].float() / (taken + 1))
                     for k, v in soup.items()}
        now = right({k: v.to(stored[k]) for k, v in candidate.items()})
        decisions.append([path.name, now >= best])
        if now >= best:
            soup, taken, best = candidate, taken + 1, now
    print(json.dumps({"loop": time.monotonic() - begin, "pictures": pictures,
                      "decisions": decisions, "correct": best}))


def measured(command):
    """What it prints, its wall time, and its peak resident memory in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command}: failed")
    return out, time.monotonic() - begin, usage.ru_maxrss / 1024


def run_loop(args):
    out, wall, memory = measured([sys.executable, __file__, "--as-loop",
                                  "--zoo", args.zoo, "--data", args.data])
    found = json.loads(out.splitlines()[-1])
    return {"wall": wall, "memory_mb": memory, **found}


def examples_read(journal):
    """By scores and samples in full, by what was cut short as far as it went."""
    def seen(record):
        if record["kind"] not in ("score", "sample", "race", "candidate"):
            return 0
        if "seen_examples" not in record:
            return record["count"]
        return sum(b.bit_count()
                   for b in base64.b64decode(record["seen_examples"]))

    return sum(seen(json.loads(line)) for line in journal.open())


def run_soup(args):
    with tempfile.TemporaryDirectory() as folder:
        out, wall, memory = measured(
            [args.soup, "greedy", args.zoo, "--val", "fashion-mnist", "--data",
             args.data, "-o", pathlib.Path(folder) / "soup.safetensors",
             "--json", "-q", *(["--lazy"] if args.lazy else [])])
        pictures = examples_read(
            pathlib.Path(folder) / "soup.safetensors.run" / "journal.jsonl")
    lines = [json.loads(line) for line in out.splitlines()]
    steps = [r for r in lines if r["kind"] == "candidate"]
    soup = next(r for r in lines if r["kind"] == "soup")
    return {"wall": wall, "memory_mb": memory, "pictures": pictures,
            "decisions": [[pathlib.Path(r["path"]).name, r["accepted"]]
                          for r in steps],
            "correct": soup["correct"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("--zoo", type=pathlib.Path, default=ZOO)
    parser.add_argument("--data", default=os.environ.get(
        "SOUP_DATA", "/usr/share/datasets"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lazy", action="store_true",
                        help="soup ranks no more than the choice depends on")
    parser.add_argument("--as-loop", action="store_true",
                        help="be the paper's loop")
    args = parser.parse_args()
    if args.as_loop:
        return loop(args.zoo, args.data)
    best = {}
    for _ in range(args.rounds):
        for name, run in (("python", run_loop), ("soup", run_soup)):
            found = run(args)
            if name not in best or found["wall"] < best[name]["wall"]:
                best[name] = found
            print(json.dumps({"program": name, "load": os.getloadavg()[0],
                              **{k: v for k, v in found.items()
                                 if k != "decisions"}}), flush=True)
    # Those that are rejected come in another order with --lazy.
    both = [[d for d in best[name]["decisions"] if d[1] or not args.lazy]
            for name in ("python", "soup")]
    same_decisions = both[0] == both[1]
    same_score = best["python"]["correct"] == best["soup"]["correct"]
    print(json.dumps({
        "ratio": best["python"]["wall"] / best["soup"]["wall"],
        "ratio_without_start": best["python"]["loop"] / best["soup"]["wall"],
        "same_decisions": same_decisions, "same_score": same_score}))
    return 0 if same_decisions and same_score else 1


if __name__ == "__main__":
    sys.exit(main())
