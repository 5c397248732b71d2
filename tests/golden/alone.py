#!/usr/bin/env python3
"""A copy of the program alone, without its module and libtorch, mixes.

What cannot be done then, scoring, says what is missing. A copy with the module
beside it scores.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ZOO = Path(__file__).resolve().parents[2] / "configs" / "zoo"


def run(program, *words):
    done = subprocess.run([program, *words], cwd=program.parent, text=True,
                          capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soup", type=Path, required=True)
    soup = parser.parse_args().soup.resolve()
    inputs = sorted(str(p) for p in ZOO.glob("*.safetensors"))[:2]
    wrong = []

    def check(holds, what, said):
        if not holds:
            wrong.append(f"{what}: {said}")

    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "soup"
        shutil.copy(soup, alone)
        said = run(alone, "uniform", *inputs, "-o", "out.safetensors", "-q")
        check(said[0] == 0, "uniform", said)
        said = run(alone, "verify", "out.safetensors", "-q")
        check(said[0] == 0, "verify", said)
        said = run(alone, "--version")
        check(said[0] == 0 and "(no libtorch)" in said[1]
              and "libsoup_engine.so" in said[2], "--version", said)
        # A list of pictures there is, so that only libtorch is missing.
        (Path(folder) / "a").mkdir()
        said = run(alone, "eval", inputs[0], "--val", "a")
        check(said[0] == 1 and said[1] == "" and
              "scoring needs libsoup_engine.so and libtorch" in said[2],
              "eval", said)
        shutil.copy(soup.parent / "libsoup_engine.so", folder)
        said = run(alone, "--version")
        check(said[0] == 0 and "(libtorch 2." in said[1] and said[2] == "",
              "--version beside the module", said)
    print("\n".join(wrong) or "all holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
