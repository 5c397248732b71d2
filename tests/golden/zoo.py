#!/usr/bin/env python3
"""The main job on the demo's zoo equals the Python reference.

Runs `soup greedy` and `soup uniform` on configs/zoo and compares every score,
decision and value of the written files with what scripts/reference_greedy.py
(torch and timm, none of soup's code) found: tests/data/zoo_reference_*.jsonl.
Skipped (77) where Debian's dataset-fashion-mnist is not installed.
"""
import argparse
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / "configs" / "zoo"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def soup(program, *arguments):
    done = subprocess.run([program, *map(str, arguments), "--json"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"soup {arguments}: exit {done.returncode}: {done.stderr}")
    return lines(done.stdout)


def digest(path):
    """SHA-256 of the raw values in order of name."""
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    sha = hashlib.sha256()
    for name in sorted(header):
        begin, end = header[name]["data_offsets"]
        sha.update(data[8 + length + begin:8 + length + end])
    return sha.hexdigest()


class Comparison:
    def __init__(self):
        self.wrong = []
        self.compared = 0

    def same(self, what, found, expected):
        self.compared += 1
        if found != expected:
            self.wrong.append(f"{what}: found {found}, reference {expected}")


def compare_greedy(check, found, reference, folder, full):
    expected = {r["path"]: r["correct"] for r in reference
                if r["kind"] == "score"}
    scores = [r for r in found if r["kind"] == "score"
              and r["dataset"] == "fashion-mnist"]
    check.same("scored", len(scores), len(expected))
    for row in scores:
        name = Path(row["path"]).name
        check.same(f"score of {name}", row["correct"], expected[name])
    steps = [r for r in reference if r["kind"] == "candidate"]
    candidates = [r for r in found if r["kind"] == "candidate"]
    check.same("steps", len(candidates), len(steps))
    for row, want in zip(candidates, steps):
        where = f"step {row['step']}"
        check.same(where, (Path(row["path"]).name, row["accepted"]),
                   (want["path"], want["accepted"]))
        if row["value"] is not None:
            check.same(f"{where} value", round(row["value"] * row["count"]),
                       want["correct"])
        if full and row["step"] > 0:
            check.same(f"{where} gains and losses",
                       (row["gains"], row["losses"]),
                       (want["gains"], want["losses"]))
    check.same("greedy soup's values", digest(folder / "greedy.safetensors"),
               next(r["sha256"] for r in reference
                    if r.get("search") == "greedy"))
    result = next(r for r in found if r["kind"] == "soup")
    best = max(expected.values()) / result["count"]
    check.same("best single", result["best_single"], best)
    if result["value"] < best:
        check.wrong.append("the greedy soup is worse than the best single")


def compare_tests(check, found, reference, search, dataset, key):
    want = next(r for r in reference if r.get("search") == search)[key]
    row = [r for r in found if r["kind"] == "score"
           and r["dataset"] == dataset][-1]
    check.same(f"{search} on {dataset}", row["correct"], want)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", required=True)
    options = parser.parse_args()
    data = Path(os.environ.get("SOUP_DATA", "/usr/share/datasets"))
    if not (data / "fashion-mnist").is_dir():
        print("skipped: Fashion-MNIST is not installed")
        return 77
    check = Comparison()
    held_out = ["--val", "fashion-mnist", "--test", "fashion-mnist-test"]
    for accept, extra in (("ge", []), ("ge", ["--full"]), ("gt", [])):
        reference = lines((ROOT / f"tests/data/zoo_reference_{accept}.jsonl")
                          .read_text())
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            found = soup(options.soup, "greedy", ZOO, *held_out, "--accept",
                         accept, *extra, "-o", folder / "greedy.safetensors")
            compare_greedy(check, found, reference, folder, bool(extra))
            compare_tests(check, found, reference, "greedy",
                          "fashion-mnist-test", "test_correct")
            if extra:
                continue
            found = soup(options.soup, "uniform", ZOO, *held_out, "-o",
                         folder / "uniform.safetensors")
            compare_tests(check, found, reference, "uniform", "fashion-mnist",
                          "val_correct")
            check.same("uniform soup's values",
                       digest(folder / "uniform.safetensors"),
                       next(r["sha256"] for r in reference
                            if r.get("search") == "uniform"))
    print(*check.wrong, sep="\n")
    print(f"{check.compared} comparisons, {len(check.wrong)} wrong")
    return 1 if check.wrong or not check.compared else 0


if __name__ == "__main__":
    sys.exit(main())
