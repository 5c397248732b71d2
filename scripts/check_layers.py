#!/usr/bin/env python3
"""Checks who includes whom, who writes to stdout, and that nothing is unbuilt.

check_layers.py [FOLDER]      checks a checkout, by default the one it lies in
check_layers.py --self-test   proves that every rule can fail
"""

import re
import sys
import tempfile
from pathlib import Path

# Each layer and what lies below it: what it may include.
BELOW = {
    "core": "",
    "checkpoint": "core",
    "recipe": "checkpoint core",
    "data": "checkpoint core",
    "model": "checkpoint core",
    "eval": "model data checkpoint core",
    "search": "eval recipe data checkpoint core",
    "cli": "search eval recipe data checkpoint core",
    "golden": "core",  # tests of the program itself
    "fuzz": "recipe data checkpoint core",
    "bench": "search eval recipe data checkpoint core",
    "support": "eval recipe data checkpoint core",
}
TORCH = re.compile(r"(ATen|c10|torch|caffe2)/")
TORCH_LAYERS = {"model", "eval"}
TORCH_OF_HEADERS = {"ATen/core/Tensor.h"}  # the others cost seconds a file
NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""",
    re.S)
STDOUT = re.compile(
    r"\b(?:cout|stdout|STDOUT_FILENO|printf|puts|putchar|vprintf)\b"
    r"|\bd?printf\s*\(\s*1\s*,|(?<!\.)(?<!->)\bwrite\s*\(\s*1\s*,")


def layer_of(path: str) -> str:
    parts = path.split("/")
    if parts[:2] == ["include", "soup"]:
        return Path(path).stem
    return parts[1]


def bad_include(path: str, name: str) -> str:
    """Why `path` may not include `name`; empty when it may."""
    layer = layer_of(path)
    if TORCH.match(name):
        if name == "torch/torch.h":
            return "costs 12 s and 1.3 GB a file"
        if layer not in TORCH_LAYERS:
            return f"{layer} is without libtorch"
        if path.endswith(".h") and name not in TORCH_OF_HEADERS:
            return "belongs in a .cpp"
        return ""
    owner, _, rest = name.partition("/")
    if owner == "soup":
        owner = Path(rest).stem
        if owner in ("error", layer) or owner in BELOW[layer].split():
            return ""
        return f"{layer} is not above {owner}"
    if owner not in BELOW or owner in (layer, "core"):
        return ""
    if layer == "fuzz" and owner in BELOW[layer].split():
        return ""  # parsers are fuzzed from inside
    if owner == "support" and path.startswith("tests/"):
        return ""
    return f"{name} is private to {owner}"


def check_file(path: str, text: str):
    for line, row in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', row)
        reason = bad_include(path, found[1]) if found else ""
        if reason:
            yield f"{path}:{line}: includes {found[1]}: {reason}"
    if not path.startswith("src/") or path.startswith("src/cli/output."):
        return
    code = NOT_CODE.sub(lambda m: "\n" * m[0].count("\n"), text)
    for line, row in enumerate(code.splitlines(), 1):
        if STDOUT.search(row) and "#" not in row:
            yield f"{path}:{line}: only cli/output.* writes to stdout"


def built_files(build: str):
    """Paths of the .cpp files that the lists of CMakeLists.txt name."""
    lists = r"set\(SOUP_([A-Z]+)_(SOURCES|TESTS|HARNESSES)\b[^\n]*\n(.*?)\)"
    for layer, kind, names in re.findall(lists, build, re.S):
        tests = kind != "SOURCES" or layer in ("SUPPORT", "BENCH")
        folder = f"{'tests' if tests else 'src'}/{layer.lower()}"
        for name in names.split():
            yield f"{folder}/{name.removesuffix('.cpp')}.cpp"
    # for one kind of processor
    for layer, names in re.findall(
            r"list\(APPEND SOUP_([A-Z]+)_SOURCES\s+(.*?)\)", build, re.S):
        for name in names.split():
            yield f"src/{layer.lower()}/{name}"


def check(root: Path):
    build = (root / "CMakeLists.txt").read_text()
    built = set(built_files(build))
    for top in ("include", "src", "tests"):
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix not in (".h", ".cpp"):
                continue
            layer = layer_of(path)
            if layer not in BELOW and layer != "error":
                yield f"{path}: {layer} is no layer"
                continue
            yield from check_file(path, file.read_text())
            if file.suffix == ".cpp" and not (path in built or path in build):
                yield f"{path}: not named in CMakeLists.txt"


BAD = [  # file, text, what must be said of it
    ("src/core/a.cpp", '#include "soup/recipe.h"', "core is not above recipe"),
    ("src/recipe/a.cpp", '#include "soup/model.h"', "not above model"),
    ("include/soup/data.h", '#include "soup/eval.h"', "data is not above eval"),
    ("src/search/a.cpp", '#include "eval/metrics.h"', "private to eval"),
    ("src/core/a.cpp", "#include <ATen/ATen.h>", "core is without libtorch"),
    ("src/checkpoint/a.h", "#include <c10/util/Half.h>", "without libtorch"),
    ("src/model/a.h", "#include <ATen/ATen.h>", "belongs in a .cpp"),
    ("src/model/a.cpp", "#include <torch/torch.h>", "12 s"),
    ("src/cli/a.cpp", 'std::cout << "x";', "only cli/output.*"),
    ("src/core/a.cpp", '/* x */ std::printf("x");', "only cli/output.*"),
    ("src/core/a.cpp", "::write(1, p, n);", "only cli/output.*"),
    ("src/core/a.cpp", "fputs(s, stdout);", "only cli/output.*"),
    ("src/util/a.cpp", "", "util is no layer"),
    ("tests/core/b_test.cpp", "", "not named in CMakeLists.txt"),
]
GOOD = [
    ("src/core/a.cpp", '#include "core/text.h"\n// stdout\nf("cout");'),
    ("src/search/a.cpp", '#include "soup/eval.h"\n#include "soup/error.h"'),
    ("src/model/a.cpp", "#include <ATen/ATen.h>\nsink.write(1, 0, bytes);"),
    ("src/cli/output.cpp", "std::cout << 1;\nfprintf(stderr, s);"),
    ("tests/eval/a.cpp", '#include "support/x.h"\n#include "eval/y.h"'),
]


def complaints(path: str, text: str):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        built = "".join(
            f"set(SOUP_{layer.upper()}_{kind}  # here\n a.cpp\n output.cpp\n)\n"
            for layer in BELOW for kind in ("SOURCES", "TESTS"))
        (root / "CMakeLists.txt").write_text(built)
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text + "\n")
        return "\n".join(check(root))


def self_test() -> list:
    wrong = []
    for path, text, expected in BAD:
        if expected not in complaints(path, text):
            wrong.append(f"not found: {expected!r} in {path}: {text}")
    for path, text in GOOD:
        said = complaints(path, text)
        if said:
            wrong.append(f"wrongly found: {said}")
    return wrong


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        here = Path(__file__).resolve().parent.parent
        found = list(check(Path(sys.argv[1]) if sys.argv[1:] else here))
    print("\n".join(found) or "layers: nothing to complain of")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
