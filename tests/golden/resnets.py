#!/usr/bin/env python3
"""What the program says of small random ResNets.

Searches with --bn recompute are compared with what `soup batchnorm` makes of
the plain soup and with what `soup eval` scores; shares of single classes and
means over shifts with the scores that they belong to.
"""
import argparse
import json
import math
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import Checks

CLASSES = 5
SIDE = 32


def resnet(seed, like=None):
    """The tensors of a ResNet of basic blocks by name: (shape, values), close
    to those of `like`."""
    draw = random.Random(seed)
    tensors = {}

    def add(name, shape, middle, deviation):
        values = [draw.gauss(middle, deviation) for _ in range(math.prod(shape))]
        if like:
            values = [a + 0.2 * b for a, b in zip(like[name][1], values)]
        if name.endswith("running_var"):
            values = [abs(v) + 0.1 for v in values]
        tensors[name] = (shape, values)

    def convolution(conv, norm, to, wide, kernel):
        add(f"{conv}.weight", [to, wide, kernel, kernel], 0, 0.3)
        add(f"{norm}.weight", [to], 1, 0.2)
        add(f"{norm}.bias", [to], 0, 0.2)
        add(f"{norm}.running_mean", [to], 0, 0.3)
        add(f"{norm}.running_var", [to], 1, 0.3)

    width = 4
    convolution("conv1", "bn1", width, 3, 7)
    for stage in range(1, 5):
        block = f"layer{stage}.0."
        wide = width if stage == 1 else 2 * width
        convolution(block + "conv1", block + "bn1", wide, width, 3)
        convolution(block + "conv2", block + "bn2", wide, wide, 3)
        if wide != width:
            convolution(block + "downsample.0", block + "downsample.1", wide,
                        width, 1)
        width = wide
    add("fc.weight", [CLASSES, width], 0, 0.3)
    add("fc.bias", [CLASSES], 0, 0.3)
    return tensors


def write(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        values = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(path):
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    begin = 8 + length
    return {name: data[begin + one["data_offsets"][0]:
                       begin + one["data_offsets"][1]]
            for name, one in header.items()}, metadata


def write_pictures(folder, name, seed, count, shift=False):
    draw = random.Random(seed)
    rows = b""
    for i in range(count):
        light = 60 + draw.randrange(190)
        rows += bytes([i % CLASSES]) + bytes(
            draw.randrange(light) for _ in range(3 * SIDE * SIDE))
    (folder / f"{name}.bin").write_bytes(rows)
    (folder / f"{name}.json").write_text(json.dumps({
        "name": name, "loader": "cifar10", "path": ".",
        "files": [f"{name}.bin"], "shift": shift,
        "preprocess": {"size": SIDE, "resize": "none", "mean": [0.5],
                       "std": [0.25]}}))


class Soup:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def run(self, *words):
        done = subprocess.run([self.program, *words, "--json"], text=True,
                              cwd=self.folder, capture_output=True, check=False)
        return (done.returncode,
                [json.loads(line) for line in done.stdout.splitlines()],
                done.stderr)

    def lines(self, *words):
        code, lines, said = self.run(*words)
        if code:
            sys.exit(f"soup {' '.join(words)}: exit {code}: {said}")
        return lines


def correct(lines, kind):
    return [one["correct"] for one in lines if one["kind"] == kind]


def check_searches(soup, check, models, anew):
    """Of searches that score nothing, or only what they were given."""
    for search in (["uniform", *models],
                   ["trajectory", *models, "--weights", "ema"],
                   ["stock", *models, "--base", "base.safetensors"],
                   ["interpolate", *models[:2], "--alpha", "0.3"]):
        name = search[0]
        plain, out = f"{name}-plain.safetensors", f"{name}.safetensors"
        soup.lines(*search, "-o", plain)
        soup.lines("batchnorm", plain, "--on", "train.json", "-o",
                   f"{name}-expected.safetensors")
        last = soup.lines(*search, *anew, "-o", out)[-1]
        check(read(soup.folder / out)[0] ==
              read(soup.folder / f"{name}-expected.safetensors")[0], name)
        check(read(soup.folder / out)[0] != read(soup.folder / plain)[0],
              f"{name}: other statistics")
        check(last.get("bn_data") == "train.json", f"{name}: {last}")
        check("soup.recipe" not in read(soup.folder / out)[1],
              f"{name}: no recipe makes these statistics")


def check_greedy(soup, check, models, anew):
    plain = ["greedy", *models, "--val", "val.json", "--order", "given",
             "--full", "-o", "greedy.safetensors", "--force"]
    found = soup.lines(*plain, *anew)
    soup.lines("uniform", *models[:2], *anew, "-o", "two.safetensors")
    two = soup.lines("eval", "two.safetensors", "--val", "val.json")
    first = next(one for one in found
                 if one["kind"] == "candidate" and one["step"] == 1)
    check(first["value"] == two[0]["value"], f"candidate {first}, eval {two}")
    written = soup.lines("eval", "greedy.safetensors", "--val", "val.json")
    last = found[-1]
    check(len(last["ingredients"]) > 1, f"a single one tells nothing: {last}")
    check(last["correct"] == written[0]["correct"], f"{last}, {written}")
    again = soup.lines(*plain, *anew)
    for kind in "candidate", "score":
        check([one for one in again if one["kind"] == kind] ==
              [one for one in found if one["kind"] == kind],
              f"of the journal, {kind}: {again}")
    code, _, said = soup.run(*plain)
    check(code == 1 and "--bn-data's data set" in said, said)


def check_curve(soup, check, models, anew):
    """The ends keep their statistics, what lies between has its own."""
    found = soup.lines("interpolate", *models[:2], "--val", "val.json",
                       "--alpha", "0,0.3,1", *anew, "-o", "best.safetensors",
                       "--best")
    for alpha, model in (0, models[0]), (0.3, "interpolate.safetensors"), \
            (1, models[1]):
        point = next(one for one in found if one["alpha"] == alpha)
        scored = soup.lines("eval", model, "--val", "val.json")[0]
        check(point["correct"] == scored["correct"], f"{point}, {scored}")


def check_learned(soup, check, models, anew):
    found = soup.lines("learned", *models, "--val", "val.json", "--by", "model",
                       "--epochs", "1", "--folds", "2", *anew, "-o",
                       "learned.safetensors")
    soup.lines("uniform", *models, *anew, "-o", "equal.safetensors")
    equal = soup.lines("eval", "equal.safetensors", "--val", "val.json")
    check([one["correct"] for one in found if one["kind"] == "epoch"][0] ==
          equal[0]["correct"], f"equal coefficients: {found}, {equal}")


def check_classes(soup, check, models):
    found = soup.lines("eval", *models, "--val", "val.json", "--val",
                       "dim.json", "--per-class")
    scores = [one for one in found if one["kind"] == "score"]
    check(len(scores) == 6, f"scores: {scores}")
    for score in scores:
        classes = [one for one in found if one["kind"] == "class" and
                   all(one[k] == score[k] for k in ("path", "dataset"))]
        check([one["class"] for one in classes] == list(range(CLASSES)) and
              all(sum(one[k] for one in classes) == score[k]
                  for k in ("correct", "count")), f"{score}, {classes}")
    code, _, said = soup.run("eval", models[0], "--eval-cmd", "echo 1 # {}",
                             "--per-class")
    check(code == 2 and "--per-class needs --val" in said, said)


def check_shifts(soup, check, models):
    """Of eval and at the end of a search; one shift alone has no mean."""
    sets = ["--val", "val.json", "--val", "dim.json", "--val", "dark.json"]
    values = {}
    for one in soup.lines("eval", *models[:2], *sets):
        if one["kind"] == "score":
            values[one["path"], one["dataset"]] = one["value"]
            continue
        expected = sum(values[one["path"], shift]
                       for shift in one["datasets"]) / 2
        check(one["kind"] == "mean" and one["datasets"] == ["dim", "dark"] and
              math.isclose(one["value"], expected), f"{one}, {expected}")
        values[one["path"], "mean"] = one["value"]
    check(len(values) == 8, f"{values}")
    found = soup.lines("greedy", *models[:2], "--val", "val.json", "--test",
                       "dim.json", "--test", "dark.json", "-o",
                       "shifts.safetensors")
    means = [one for one in found if one["kind"] == "mean"]
    check([one["path"] for one in means][1:] == ["shifts.safetensors"] and
          means[0]["value"] == values[means[0]["path"], "mean"], f"{means}")
    for side in "left", "right":
        (soup.folder / side).mkdir()
        for name in "val.json", "val.bin":
            shutil.copy(soup.folder / name, soup.folder / side)
    found = soup.lines("eval", models[0], "--val", "left/val.json", "--val",
                       "right/val.json")
    check([one["dataset"] for one in found] == ["left", "right"], f"{found}")
    found = soup.lines("eval", models[0], *sets[:4])
    check(not any(one["kind"] == "mean" for one in found), f"{found}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soup", type=Path, required=True)
    program = parser.parse_args().soup.resolve()
    checks = Checks()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = resnet(0)
        write(folder / "base.safetensors", base)
        models = [f"{i}.safetensors" for i in range(3)]
        for seed, model in enumerate(models):
            write(folder / model, resnet(1 + seed, base))
        write_pictures(folder, "train", 1, 90)
        write_pictures(folder, "val", 2, 60)
        write_pictures(folder, "dim", 3, 50, shift=True)
        write_pictures(folder, "dark", 4, 40, shift=True)
        soup = Soup(program, folder)
        anew = ["--bn", "recompute", "--bn-data", "train.json"]
        check_searches(soup, checks.check, models, anew)
        check_greedy(soup, checks.check, models, anew)
        check_learned(soup, checks.check, models, anew)
        check_curve(soup, checks.check, models, anew)
        check_classes(soup, checks.check, models)
        check_shifts(soup, checks.check, models)
        code, _, said = soup.run("uniform", *models, "--bn", "recompute")
        checks.check(code == 2 and "--bn-data NAME" in said, said)
        code, _, said = soup.run("uniform", *models, "--bn-data", "train.json")
        checks.check(code == 2 and "--bn recompute" in said, said)
        code, _, said = soup.run("greedy", *models, "--val", "val.json", *anew,
                                 "--test", "train.json", "-o", "x.safetensors")
        checks.check(code == 2 and "cannot also judge it" in said, said)
    return checks.report()


if __name__ == "__main__":
    sys.exit(main())
