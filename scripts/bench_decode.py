#!/usr/bin/env python3
"""Pictures per second of one processor core, decoded and resized: soup against
Pillow; and the time of a second evaluation, which decodes nothing.

    python3 scripts/bench_decode.py [--soup build/soup] [--pictures 1000]
        [--rounds 3]

Needs Pillow and numpy. The pictures are JPEG files of 500 x 375 pixels and about
100 kB, near ImageNet's average; they become 224 x 224 (shorter side to 256,
bicubic, centre crop). Processor time is counted, so that other work on the
machine matters less, and the best round. soup's time of decoding is that of
`soup eval --no-cache` less that of an evaluation with decoded pictures at hand.
"""

import argparse
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image

SIZE = (500, 375)


def write_pictures(folder, count):
    generator = np.random.default_rng(0)
    for i in range(count):
        rough = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = np.asarray(Image.fromarray(rough).resize(
            SIZE, Image.Resampling.BICUBIC)).astype(np.int16)
        picture = picture + generator.normal(0, 14, picture.shape)
        path = folder / str(i % 10) / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(
            path, quality=93)


def write_model(path):
    """A Vision Transformer of one narrow block: next to no work."""
    generator = np.random.default_rng(1)
    width, shapes = 64, {}
    shapes["cls_token"] = (1, 1, width)
    shapes["pos_embed"] = (1, 50, width)
    shapes["patch_embed.proj.weight"] = (width, 3, 32, 32)
    shapes["patch_embed.proj.bias"] = (width,)
    for name in ("blocks.0.norm1", "blocks.0.norm2", "norm"):
        shapes[name + ".weight"] = shapes[name + ".bias"] = (width,)
    for name, rows, columns in (("attn.qkv", 3 * width, width),
                                ("attn.proj", width, width),
                                ("mlp.fc1", 4 * width, width),
                                ("mlp.fc2", width, 4 * width)):
        shapes[f"blocks.0.{name}.weight"] = (rows, columns)
        shapes[f"blocks.0.{name}.bias"] = (rows,)
    shapes["head.weight"], shapes["head.bias"] = (10, width), (10,)
    header, data = {}, b""
    for name, shape in shapes.items():
        raw = generator.normal(0, 0.02, shape).astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def pillow(files):
    for file in files:
        picture = Image.open(file).convert("RGB")
        picture = picture.resize((341, 256), Image.Resampling.BICUBIC)
        np.asarray(picture.crop((58, 16, 282, 240)))


def processor_seconds(command):
    """Processor and wall time of a command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after, wall = os.times(), time.perf_counter() - start
    return (after.children_user - before.children_user
            + after.children_system - before.children_system), wall


def best_of(rounds, work):
    return min(work() for _ in range(rounds))


def own_seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = options.pictures
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_pictures(folder / "val", count)
        write_model(folder / "model.safetensors")
        files = sorted((folder / "val").glob("*/*.jpg"))
        size = sum(f.stat().st_size for f in files) / count
        command = [options.soup, "eval", folder / "model.safetensors", "--val",
                   folder / "val", "--device", "cpu", "-q"]
        cache = ["--cache-dir", folder / "cache"]
        time.sleep(2.5)  # younger files are compared by their content
        first = processor_seconds([*command, *cache])
        again = best_of(options.rounds,
                        lambda: processor_seconds([*command, *cache]))
        none = best_of(options.rounds,
                       lambda: processor_seconds([*command, "--no-cache"]))
        ours = count / (none[0] - again[0])
        theirs = count / best_of(options.rounds,
                                 lambda: own_seconds(lambda: pillow(files)))
    print(f"{count} pictures of {size / 1000:.0f} kB, Pillow {Image.__version__}")
    print(f"decode and resize, one core: soup {ours:.0f}/s, "
          f"Pillow {theirs:.0f}/s ({ours / theirs:.2f} times)")
    print(f"evaluation, wall time: first {first[1]:.2f} s, "
          f"again {again[1]:.2f} s, without a cache {none[1]:.2f} s")


if __name__ == "__main__":
    main()
