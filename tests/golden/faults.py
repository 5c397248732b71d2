#!/usr/bin/env python3
"""Whatever goes wrong, the output is the old one or the new one, never half.

Kills `soup uniform` at random moments (SIGKILL, SIGINT, SIGTERM), fills the
disk, limits the size of files, takes the folder's write permission away, and
truncates an input while it is being read: for outputs of every kind, a file
of safetensors, of torch, and a folder of shards.
"""
import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checks import Checks

ELEMENTS = 1 << 21  # 8 MB a file
TENSORS = 4
ROUNDS = 15  # kills, for each kind of output
OUTPUTS = ("out.safetensors", "out.pt", "out/")


class Faults(Checks):
    def __init__(self, soup, folder):
        super().__init__()
        self.soup = soup
        self.folder = folder
        self.choose(OUTPUTS[0])
        self.inputs = [f"{name}.safetensors" for name in "abcd"]
        self.write_inputs()

    def write_inputs(self):
        size = 4 * ELEMENTS // TENSORS
        text = json.dumps({
            f"w{i}": {"dtype": "F32", "shape": [size // 4],
                      "data_offsets": [i * size, (i + 1) * size]}
            for i in range(TENSORS)}).encode()
        text += b" " * (-len(text) % 8)
        for i, name in enumerate(self.inputs):
            # Exponents below 128: finite numbers that differ between files.
            values = bytes(range(256)).replace(b"\xff", bytes([i])).replace(
                b"\x7f", b"\x3f") * (ELEMENTS // 64)
            (self.folder / name).write_bytes(
                len(text).to_bytes(8, "little") + text + values)

    def start(self, before=(), limit=None):
        """The program, behind the words of `before`; files up to `limit`."""
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        out = f"{self.out}/" if self.is_folder else self.out
        return subprocess.Popen(
            [*before, self.soup, "uniform", *self.inputs, "-o", out,
             "--shard-size", "3MB", "--force"],
            cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
            preexec_fn=None if limit is None else limited)

    def choose(self, name, folder=None):
        """What is written next: a name of OUTPUTS."""
        self.is_folder = name.endswith("/")
        self.out = (folder or self.folder) / name.rstrip("/")

    def put_old(self):
        if self.out.is_dir():
            shutil.rmtree(self.out)
        if self.is_folder:
            self.out.mkdir()
            (self.out / "model.safetensors").write_bytes(b"old")
        else:
            self.out.write_bytes(b"old")
        return self.found()

    def found(self):
        """What the output is now, by the names of its files."""
        files = self.out.iterdir() if self.is_folder else [self.out]
        return {p.name: p.read_bytes() for p in files}

    def run(self, **how):
        process = self.start(**how)
        message = process.communicate(timeout=60)[1]
        return process.returncode, message

    def leftovers(self):
        """Temporary files; a SIGKILL may leave them, nothing else may."""
        found = list(self.out.parent.glob(".out*"))
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        return found

    def killed(self):
        """At random moments of a run that replaces an existing output."""
        self.put_old()
        begin = time.monotonic()
        code, said = self.run()
        seconds = 1.2 * (time.monotonic() - begin)
        self.check(code == 0, f"exit {code}: {said}")
        new = self.found()
        rng = random.Random(1)
        outcomes = set()
        for i in range(ROUNDS):
            how = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[i % 3]
            old = self.put_old()
            process = self.start()
            time.sleep(rng.uniform(0, seconds))
            process.send_signal(how)
            process.communicate(timeout=60)
            left = self.leftovers()
            found = self.found()
            self.check(found in (old, new),
                       f"{how.name}: {self.out.name} is neither the old nor "
                       "the new output")
            outcomes.add("new" if found == new else "old")
            if how != signal.SIGKILL:
                self.check(not left, f"{how.name}: left {left}")
                self.check(process.returncode in (0, 128 + how, -how),
                           f"{how.name}: exit {process.returncode}")
                if process.returncode == 0:
                    self.check(found == new, f"{how.name}: exit 0, old output")
        print(f"{self.out.name}: outcomes of {ROUNDS} kills:",
              *sorted(outcomes))

    def fails(self, what, message, **how):
        what = f"{self.out.name}, {what}"
        old = self.put_old()
        code, said = self.run(**how)
        self.check(code == 1, f"{what}: exit {code}: {said}")
        self.check(message in said, f"{what}: said {said!r}")
        self.check(self.found() == old, f"{what}: output changed")
        self.check(not self.leftovers(), f"{what}: left temporary files")

    def truncated_meanwhile(self):
        """Stops the program in the middle, cuts an input, lets it go on."""
        victim = self.folder / self.inputs[2]
        whole = victim.read_bytes()
        for delay in (0.0, 0.01, 0.02, 0.04, 0.08):
            old = self.put_old()
            process = self.start()
            time.sleep(delay)
            process.send_signal(signal.SIGSTOP)
            os.truncate(victim, 4096)
            process.send_signal(signal.SIGCONT)
            said = process.communicate(timeout=60)[1]
            found = self.found()
            victim.write_bytes(whole)
            self.check(not self.leftovers(), "truncated input: left files")
            if process.returncode == 0:
                self.check(found != old, "truncated input: exit 0")
                continue
            self.check(found == old, "truncated input: output changed")
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
            for name in OUTPUTS:
                self.choose(name, disk)
                self.fails("full disk", "No space left on device")
        finally:
            subprocess.run(["umount", disk], check=True)

    def limited_size(self):
        """Where the limit is met in the middle of a file."""
        for limit in (0, 4096, 1 << 20):
            self.fails(f"files up to {limit} bytes", "File too large",
                       limit=limit)

    def read_only_folder(self):
        # Root may write everywhere, but for this capability.
        before = ("setpriv", "--bounding-set=-dac_override"
                  ) if os.geteuid() == 0 else ()
        mode = self.folder.stat().st_mode
        old = self.put_old()
        self.folder.chmod(0o555)
        code, said = self.run(before=before)
        self.folder.chmod(mode)
        self.check(code == 1 and "Permission denied" in said,
                   f"read-only folder: exit {code}: {said}")
        self.check(self.found() == old, "read-only folder: output changed")

    def unreadable_folder(self):
        before = ("setpriv", "--bounding-set=-dac_override,-dac_read_search"
                  ) if os.geteuid() == 0 else ()
        locked = self.folder / "locked"
        locked.mkdir(mode=0)
        done = subprocess.run([*before, self.soup, "uniform", locked],
                              capture_output=True, text=True, check=False)
        locked.rmdir()
        self.check(done.returncode == 1 and done.stdout == "" and
                   f"{locked}: cannot read the folder" in done.stderr,
                   f"unreadable folder: exit {done.returncode}, {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", required=True, type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        faults = Faults(options.soup.resolve(), Path(name))
        for output in OUTPUTS:
            faults.choose(output)
            faults.killed()
            faults.truncated_meanwhile()
            faults.limited_size()
            faults.read_only_folder()
        faults.unreadable_folder()
        faults.full_disk()
    return faults.report()


if __name__ == "__main__":
    sys.exit(main())
