#!/usr/bin/env python3
"""Runs the real program on small files and compares what a user sees.

A case file holds cases:

    == what the case shows
    $ soup inspect a.safetensors        any shell line; `soup` is the program
    --- exit 0
    --- stdout
    (exact lines)
    --- stderr
    (one regular expression a line, each must match the line whole)
    --- files
    (what lies in the folder afterwards beyond what was there)

Each case runs in a fresh folder with the files of make_files(). Seconds are
shown as S. `--rebase` rewrites the expectations from what the program does:
read the difference before committing it.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from merge_files import merge_files

KEYS = ("exit", "stdout", "stderr", "files")


def safetensors(tensors, metadata=None):
    """Bytes of a safetensors file of {name: (dtype, shape, values)}."""
    codes = {"F32": "f", "F16": "e", "I64": "q"}
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}{codes[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def make_files(folder):
    """What every case finds."""
    def model(*values, head=2):
        return {"body.weight": ("F32", [2, 2], values),
                "head.weight": ("F32", [head, 2], [1.0] * 2 * head)}

    def write(name, data):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    write("a.safetensors", safetensors(model(1, 2, 3, 4)))
    write("b.safetensors", safetensors(model(3, 2, 1, 0)))
    write("wide.safetensors", safetensors(model(3, 2, 1, 0, head=3)))
    write("other.safetensors", safetensors({"x": ("F32", [1], [1])}))
    write("nan.safetensors", safetensors(model(float("nan"), 2, 3, 4)))
    write("truncated.safetensors", safetensors(model(1, 2, 3, 4))[:-5])
    write("runs/model_10.safetensors", safetensors(model(0, 0, 0, 4)))
    write("runs/model_2.safetensors", safetensors(model(2, 2, 2, 2)))
    write("runs/log.txt", b"epoch 1\n")

    def adapter(name, alpha, a, b):
        write(f"adapters/{name}/adapter_config.json", json.dumps(
            {"peft_type": "LORA", "r": 1, "lora_alpha": alpha,
             "target_modules": ["body"]}).encode())
        module = "base_model.model.body."
        write(f"adapters/{name}/adapter_model.safetensors", safetensors({
            module + "lora_A.weight": ("F32", [1, 2], a),
            module + "lora_B.weight": ("F32", [2, 1], b)}))

    adapter("one", 2, [1, 2], [1, 0])
    adapter("two", 2, [4, 6], [0, 1])
    merge_files(write, safetensors)


def parse(text):
    """Cases as (title, command, {key: lines})."""
    cases = []
    key = None
    for line in text.splitlines():
        if line.startswith("== "):
            cases.append((line[3:], [], {}))
            key = None
        elif line.startswith("$ ") and cases:
            cases[-1][1].append(line[2:])
        elif match := re.fullmatch(r"--- (\w+)(?: (.*))?", line):
            key = match[1]
            assert key in KEYS, f"unknown section {key}"
            cases[-1][2][key] = [match[2]] if match[2] else []
        elif key:
            cases[-1][2][key].append(line)
    for _, _, sections in cases:
        for lines in sections.values():
            while lines and not lines[-1]:
                lines.pop()
    return cases


def steady(text, folder, cache):
    """Without what differs between two runs."""
    text = text.replace(str(cache), "CACHE").replace(str(folder), "DIR")
    return re.sub(r'"seconds":[0-9.e+-]+', '"seconds":S', text)


def run(command, soup, configs):
    with (tempfile.TemporaryDirectory() as name,
          tempfile.TemporaryDirectory() as cache):
        folder = Path(name)
        make_files(folder)
        before = {p for p in folder.rglob("*")}
        environment = dict(os.environ, PATH=f"{soup.parent}:{os.environ['PATH']}",
                           CONFIGS=str(configs), SOUP_DATA=str(folder / "data"),
                           XDG_CACHE_HOME=cache, LC_ALL="C.UTF-8")
        done = subprocess.run(["bash", "-c", "\n".join(command)], cwd=folder,
                              env=environment, capture_output=True,
                              text=True, timeout=120, check=False)
        new = sorted(str(p.relative_to(folder)) for p in folder.rglob("*")
                     if p not in before)
        gone = sorted("-" + str(p.relative_to(folder)) for p in before
                      if not p.exists())
        return {"exit": [str(done.returncode)],
                "stdout": steady(done.stdout, folder, cache).splitlines(),
                "stderr": steady(done.stderr, folder, cache).splitlines(),
                "files": new + gone}


def differences(expected, found):
    """What does not hold, as lines."""
    out = []
    for key in KEYS:
        want, have = expected.get(key, []), found[key]
        if key == "exit" and not want:
            want = ["0"]
        same = (len(want) == len(have) and all(map(re.fullmatch, want, have))
                if key == "stderr" else want == have)
        if not same:
            out += [f"  {key}: expected"] + [f"    {x}" for x in want]
            out += ["  found"] + [f"    {x}" for x in have]
    return out


def pattern(line):
    """A regular expression for exactly this line, as readable as can be."""
    return re.sub(r"\\([ &\-'<>])", r"\1", re.escape(line))


def rebased(cases, results):
    """The case file as the program behaves now; patterns that hold stay."""
    out = []
    for (title, command, expected), found in zip(cases, results):
        out += [f"== {title}"] + [f"$ {line}" for line in command]
        out.append(f"--- exit {found['exit'][0]}")
        for key in KEYS[1:]:
            lines = found[key]
            if key == "stderr":
                want = expected.get(key, [])
                kept = len(want) == len(lines) and all(
                    map(re.fullmatch, want, lines))
                lines = want if kept else list(map(pattern, lines))
            if lines:
                out += [f"--- {key}"] + lines
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", required=True, type=Path)
    parser.add_argument("--rebase", action="store_true")
    parser.add_argument("cases", nargs="+", type=Path)
    options = parser.parse_args()
    soup = options.soup.resolve()
    configs = Path(__file__).resolve().parents[2] / "configs"
    failed = ran = 0
    for file in options.cases:
        text = file.read_text()
        cases = parse(text)
        results = [run(command, soup, configs) for _, command, _ in cases]
        if options.rebase:
            intro = text[:text.index("== ")]
            file.write_text(intro + rebased(cases, results))
            continue
        for (title, _, expected), found in zip(cases, results):
            ran += 1
            lines = differences(expected, found)
            if lines:
                failed += 1
                print(f"{file.name}: {title}", *lines, sep="\n")
    print(f"{ran - failed} of {ran} cases hold")
    return 1 if failed or (ran == 0 and not options.rebase) else 0


if __name__ == "__main__":
    sys.exit(main())
