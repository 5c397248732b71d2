#!/usr/bin/env python3
"""Whatever goes wrong, the output is the old one or the new one, never half.

Kills `soup uniform` at random moments (SIGKILL, SIGINT, SIGTERM), fills the
disk, takes the folder's write permission away, and truncates an input while
it is being read.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import safetensors

ELEMENTS = 1 << 21  # 8 MB a file
ROUNDS = 25


class Faults:
    def __init__(self, soup, folder):
        self.soup = soup
        self.folder = folder
        self.out = folder / "out.safetensors"
        self.wrong = []
        self.checks = 0
        body = bytes(range(256)) * (ELEMENTS // 64 - 1)
        header = safetensors({"w": ("F32", [0], [])})
        for i, name in enumerate("abcd"):
            data = header.replace(
                b'"shape":[0],"data_offsets":[0,0]',
                b'"shape":[%d],"data_offsets":[0,%d]' %
                (len(body) // 4, len(body)))
            text = data[8:].rstrip(b" ")
            text += b" " * (-len(text) % 8)
            # Exponents below 128: finite numbers that differ between files.
            values = body.replace(b"\xff", bytes([i])).replace(b"\x7f", b"\x3f")
            (folder / f"{name}.safetensors").write_bytes(
                len(text).to_bytes(8, "little") + text + values)
        self.inputs = [f"{name}.safetensors" for name in "abcd"]

    def check(self, holds, what):
        self.checks += 1
        if not holds:
            self.wrong.append(what)

    def start(self, *extra):
        return subprocess.Popen(
            [self.soup, "uniform", *self.inputs, "-o", self.out, *extra],
            cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)

    def run(self, *extra):
        process = self.start(*extra)
        message = process.communicate(timeout=60)[1]
        return process.returncode, message

    def leftovers(self):
        """Temporary files; a SIGKILL may leave them, nothing else may."""
        found = [p for p in self.folder.iterdir() if p.name.startswith(".out")]
        for path in found:
            path.unlink()
        return found

    def killed(self, new, seconds):
        """At random moments of a run that replaces an existing output."""
        rng = random.Random(1)
        outcomes = set()
        for i in range(ROUNDS):
            how = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[i % 3]
            self.out.write_bytes(b"old")
            process = self.start("--force")
            time.sleep(rng.uniform(0, seconds))
            process.send_signal(how)
            process.communicate(timeout=60)
            left = self.leftovers()
            found = self.out.read_bytes()
            self.check(found in (b"old", new),
                       f"{how.name}: {len(found)} bytes that are neither the "
                       "old nor the new output")
            outcomes.add("new" if found == new else "old")
            if how != signal.SIGKILL:
                self.check(not left, f"{how.name}: left {left}")
                self.check(process.returncode in (0, 128 + how, -how),
                           f"{how.name}: exit {process.returncode}")
                if process.returncode == 0:
                    self.check(found == new, f"{how.name}: exit 0, old output")
        print("outcomes of", ROUNDS, "kills:", *sorted(outcomes))

    def fails(self, what, message, *extra):
        self.out.write_bytes(b"old")
        code, said = self.run(*extra, "--force")
        self.check(code == 1, f"{what}: exit {code}: {said}")
        self.check(message in said, f"{what}: said {said!r}")
        self.check(self.out.read_bytes() == b"old", f"{what}: output changed")
        self.check(not self.leftovers(), f"{what}: left temporary files")

    def truncated_meanwhile(self):
        """Stops the program in the middle, cuts an input, lets it go on."""
        victim = self.folder / self.inputs[2]
        whole = victim.read_bytes()
        for delay in (0.0, 0.01, 0.02, 0.04, 0.08):
            self.out.write_bytes(b"old")
            process = self.start("--force")
            time.sleep(delay)
            process.send_signal(signal.SIGSTOP)
            os.truncate(victim, 4096)
            process.send_signal(signal.SIGCONT)
            said = process.communicate(timeout=60)[1]
            found = self.out.read_bytes()
            victim.write_bytes(whole)
            self.check(not self.leftovers(), "truncated input: left files")
            if process.returncode == 0:
                self.check(found != b"old", "truncated input: exit 0")
                continue
            self.check(found == b"old", "truncated input: output changed")
            self.check(process.returncode == 1 and victim.name in said,
                       f"truncated input: exit {process.returncode}, {said!r}")

    def full_disk(self):
        """A file system of 4 MB, where one can be mounted."""
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs",
                           disk], capture_output=True, check=False).returncode:
            print("no right to mount: full disk not tried")
            return
        try:
            self.out, kept = disk / "out.safetensors", self.out
            self.fails("full disk", "No space left on device")
            self.check(sorted(p.name for p in disk.iterdir()) ==
                       ["out.safetensors"], "full disk: left files")
        finally:
            self.out = kept
            subprocess.run(["umount", disk], check=True)

    def read_only_folder(self):
        if os.geteuid() == 0:
            print("root may write everywhere: read-only folder not tried")
            return
        self.out.write_bytes(b"old")
        self.folder.chmod(0o555)
        code, said = self.run("--force")
        self.folder.chmod(0o755)
        self.check(code == 1 and "Permission denied" in said,
                   f"read-only folder: exit {code}: {said}")
        self.check(self.out.read_bytes() == b"old", "read-only: changed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", required=True, type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        faults = Faults(options.soup.resolve(), Path(name))
        begin = time.monotonic()
        code, said = faults.run()
        seconds = time.monotonic() - begin
        faults.check(code == 0, f"exit {code}: {said}")
        new = faults.out.read_bytes()
        faults.killed(new, 1.2 * seconds)
        faults.truncated_meanwhile()
        faults.full_disk()
        faults.read_only_folder()
    print(*faults.wrong, sep="\n")
    print(f"{faults.checks} checks, {len(faults.wrong)} wrong")
    return 1 if faults.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
