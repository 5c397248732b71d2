#!/usr/bin/env python3
"""Runs clang-tidy (.clang-tidy) on every file of src/ that is built and was not
found clean before with the same headers and checks.

    check_tidy.py BUILD_FOLDER    as configured by CMake and built by Ninja

Exits with 77, CTest's sign for skipped, where there is no clang-tidy.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Of g++'s own precompiled header, which clang cannot read.
PCH = re.compile(r"-Winvalid-pch -include \S*cmake_pch.hxx|-fpch-preprocess")
OBJECT = re.compile(r" -o (\S+) ")


def headers_by_object(build):
    """The files of this project that each object was built from."""
    said = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True,
                          capture_output=True, text=True).stdout
    headers, current = {}, []
    for line in said.splitlines():
        if line.startswith("    "):
            path = (build / line.strip()).resolve()
            if ROOT in path.parents and build not in path.parents:
                current.append(path)
        elif ": #deps" in line:
            current = headers.setdefault(line.split(": #deps")[0], [])
    return headers


def commands(build):
    """Of the files of src/, with what clang does not take left out."""
    everything = json.loads((build / "compile_commands.json").read_text())
    for entry in everything:
        entry["command"] = PCH.sub("", entry["command"])
    return [e for e in everything if ROOT / "src" in
            pathlib.Path(e["file"]).parents]


def digest(files, *texts):
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes() + b"\0")
    for text in texts:
        total.update(text.encode() + b"\0")
    return total.hexdigest()[:32]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    tidy = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if not tidy:
        print("check_tidy: skipped, clang-tidy is not installed")
        return 77
    clean = build / "tidy"
    clean.mkdir(exist_ok=True)
    entries = commands(build)
    (clean / "compile_commands.json").write_text(json.dumps(entries))
    version = subprocess.run([tidy, "--version"], check=True,
                             capture_output=True, text=True).stdout
    headers = headers_by_object(build)

    todo = []
    for entry in entries:
        output = OBJECT.search(entry["command"]).group(1)
        if output not in headers:
            raise SystemExit(f"check_tidy: {output} is not built yet")
        files = sorted({pathlib.Path(entry["file"]), *headers[output],
                        ROOT / ".clang-tidy"})
        key = digest(files, version, entry["command"])
        if not (clean / key).exists():
            todo.append((entry["file"], clean / key))
    print(f"check_tidy: {len(todo)} of {len(entries)} files to look at")

    def look_at(job):
        file, key = job
        done = subprocess.run(
            [tidy, "--quiet", "--extra-arg=-Wno-unknown-warning-option", "-p",
             clean, file], capture_output=True, text=True)
        if done.returncode == 0:
            key.touch()
        return "" if done.returncode == 0 else done.stdout + done.stderr

    cores = len(os.sched_getaffinity(0))
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        faults = [said for said in pool.map(look_at, todo) if said]
    for said in faults:
        print(re.sub(r"(?m)^\d+ warnings? generated\.\n", "", said))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
