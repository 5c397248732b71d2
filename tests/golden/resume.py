#!/usr/bin/env python3
"""A search that is killed loses nothing.

Kills `soup greedy` and `soup learned` with SIGKILL at random moments and gives the same command
again until it is done: the soup, the printed steps and the journal are those
of a run that nobody killed, what was journaled stays byte for byte and is not
computed again. Fills the disk below the journal, breaks it, and changes what
the run depends on.
"""
import argparse
import json
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checks import Checks

ZOO = Path(__file__).resolve().parents[2] / "configs" / "zoo"
MODELS = 6
EXAMPLES = 400


def idx(path, shape, data):
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    path.write_bytes(header + data)


def make_zoo(folder):
    """Some of the demo's models, in zoo/."""
    (folder / "zoo").mkdir()
    for path in [ZOO / "config.json",
                 *sorted(ZOO.glob("model_*.safetensors"))[:MODELS]]:
        (folder / "zoo" / path.name).write_bytes(path.read_bytes())


def make_data(folder, seed=1, name="noise", examples=EXAMPLES):
    """Noise with labels: models and soups of it are right now and then."""
    rng = random.Random(seed)
    idx(folder / "images", [examples, 28, 28], rng.randbytes(examples * 784))
    idx(folder / "labels", [examples],
        bytes(rng.randrange(10) for _ in range(examples)))
    (folder / f"{name}.json").write_text(json.dumps({
        "name": name, "summary": "random pictures", "loader": "idx",
        "images": "images", "labels": "labels"}))


def steady(record):
    kept = {k: v for k, v in record.items() if k not in ("seconds", "check")}
    for key in {"guards", "singles"} & kept.keys():
        kept[key] = [steady(one) for one in kept[key]]
    return kept


class Search:
    """One command in one folder."""

    def __init__(self, soup, folder, *judge, kind="greedy"):
        self.folder = folder
        self.command = [soup, kind, "zoo", *judge, "-o", "soup.safetensors",
                        "--json"]
        self.journal = folder / "soup.safetensors.run" / "journal.jsonl"

    def start(self, *extra, limit=None):
        def prepare():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.Popen([*self.command, *extra], cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, preexec_fn=prepare)

    def run(self, *extra, limit=None):
        process = self.start(*extra, limit=limit)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def whole_records(self):
        """Bytes of the journal up to its last end of line."""
        if not self.journal.exists():
            return b""
        data = self.journal.read_bytes()
        return data[:data.rfind(b"\n") + 1]

    def calls(self):
        log = self.folder / "calls"
        return log.read_text().count("\n") if log.exists() else 0

    def outcome(self, printed):
        """Everything a run leaves, but for its times."""
        lines = [steady(json.loads(line)) for line in printed.splitlines()]
        journal = [steady(json.loads(line))
                   for line in self.whole_records().splitlines()]
        return (self.folder / "soup.safetensors").read_bytes(), lines, journal

    def clear(self):
        for path in [self.journal, self.folder / "soup.safetensors"]:
            path.unlink(missing_ok=True)


class Proof(Checks):
    def killed(self, search, kills, rng):
        begin = time.monotonic()
        code, out, err = search.run()
        seconds = time.monotonic() - begin
        self.check(code == 0, f"exit {code}: {err}")
        expected = search.outcome(out)
        search.clear()
        ended = moments = 0
        while moments < kills:
            before, calls = search.whole_records(), search.calls()
            process = search.start()
            time.sleep(rng.uniform(0, 1.1 * seconds))
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=300)
            after = search.whole_records()
            # The one in flight when the signal came may be lost.
            made = after.count(b"\n") - before.count(b"\n")
            self.check(after.startswith(before), "a record was lost or changed")
            self.check(search.calls() - calls <= made + 1,
                       f"{search.calls() - calls} evaluations, {made} records")
            if process.returncode == -signal.SIGKILL:
                moments += 1
                soup = search.folder / "soup.safetensors"
                if soup.exists():  # killed with everything done
                    self.check(soup.read_bytes() == expected[0], "another soup")
                    search.clear()
                continue
            ended += 1
            self.check(process.returncode == 0, f"exit {process.returncode}: {err}")
            self.check(search.outcome(out) == expected, "another outcome")
            search.clear()
        code, out, err = search.run()
        self.check(code == 0, f"exit {code}: {err}")
        self.check(search.outcome(out) == expected, "another outcome")
        print(f"{moments} kills, {ended + 1} runs done, {seconds:.2f} s a run")
        return expected

    def full_disk(self, search, expected):
        search.clear()
        size = len(search.whole_records() or b"")
        for limit in (0, 900, 5000, 15000):
            code, _, err = search.run(limit=limit)
            data = search.whole_records()
            kept = data.count(b"\n")
            self.check(code == 1 and "cannot be written: File too large" in err
                       and f"{kept} record" in err and "goes on" in err,
                       f"limit {limit}: exit {code}: {err}")
            self.check(len(data) <= limit and len(data) >= size,
                       f"limit {limit}: {len(data)} bytes of journal")
            self.check(search.journal.read_bytes() == data, "half a record left")
            size = len(data)
        code, out, err = search.run()
        self.check(code == 0, f"exit {code}: {err}")
        self.check(search.outcome(out) == expected, "another outcome")

    def fails(self, search, message, *extra):
        (search.folder / "soup.safetensors").unlink(missing_ok=True)
        before = search.journal.read_bytes()
        code, _, err = search.run(*extra)
        self.check(code == 1 and message in err, f"exit {code}: {err}")
        self.check(search.journal.read_bytes() == before, "journal changed")

    def other_inputs(self, search, expected):
        self.fails(search, "--accept was ge, is gt", "--accept", "gt")
        self.fails(search, "--dtype was keep, is f16", "--dtype", "f16")
        self.fails(search, "--sweeps was 1, is 2", "--sweeps", "2")
        make_data(search.folder, seed=2)
        self.fails(search, "the data has changed")
        make_data(search.folder)
        victim = next((search.folder / "zoo").glob("*_03.safetensors"))
        data = victim.read_bytes()
        victim.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.fails(search, "zoo/model_03.safetensors has changed")
        victim.write_bytes(data)
        whole = search.journal.read_bytes()
        for at in (500, len(whole) - 5):  # the first record, the last one
            search.journal.write_bytes(whole[:at] + b"?" + whole[at + 1:])
            self.fails(search, "is not what was written")
        search.journal.write_bytes(whole[whole.find(b"\n") + 1:])
        self.fails(search, "does not say what the run is of")
        search.journal.write_bytes(whole)
        code, out, err = search.run()
        self.check(code == 0, f"exit {code}: {err}")
        self.check(search.outcome(out) == expected, "another outcome")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", required=True, type=Path)
    parser.add_argument("--kills", type=int, default=25, help="of each search")
    options = parser.parse_args()
    proof = Proof()
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_zoo(folder)
        make_data(folder)
        soup = options.soup.resolve()
        # A score that depends on the bytes alone, and a trace of every call.
        proof.killed(Search(soup, folder, "--eval-cmd",
                            "echo >> calls; cksum < {} | cut -c1-3"),
                     options.kills, rng)
        Search(soup, folder).clear()
        (folder / "calls").unlink()
        search = Search(soup, folder, "--val", "noise.json", "--batch-size", "64")
        expected = proof.killed(search, options.kills, rng)
        proof.full_disk(search, expected)
        proof.other_inputs(search, expected)
        search.clear()
        proof.killed(Search(soup, folder, "--val", "noise.json", "--epochs", "2",
                            "--folds", "2", "--batch-size", "64",
                            kind="learned"), options.kills // 5, rng)
        search.clear()
        proof.killed(Search(soup, folder, "--val", "noise.json", "--budget", "3",
                            "--batch-size", "64"), options.kills // 5, rng)
    return proof.report()


if __name__ == "__main__":
    sys.exit(main())
