#!/usr/bin/env python3
"""What several processes do is what one does.

Starts `soup greedy`, `eval` and `ensemble` as torchrun's, Slurm's and Open
MPI's processes are, by their environment, two and four at a time, and compares
all that is written and printed with that of one process. Kills a process in the
middle, then rank 0; stops one until all is over; interrupts rank 0; gives a
process other arguments; starts one late. Of commands that do not spread only rank 0 may do anything.
With --torchrun it has torchrun start them, on one machine and as on two, and
kills one (77: there is no torchrun).
"""
import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checks import Checks  # beside this file
from resume import Search, make_data, make_zoo, steady

LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_", "MASTER_", "TORCHELASTIC_",
             "SLURM_", "OMPI_", "PMI_")
# Leaves who scored, and takes long enough to be killed. Nobody scores anything
# before all of the crew have begun, or a minute has passed: who starts late
# would have nothing to do.
SLOW = ("--eval-cmd",
        'echo "$PPID" >> "calls.$WHO"; sleep 0.2; tries=600; '
        'while [ "$(ls calls.* | wc -l)" -lt "$CREW" ] && '
        '[ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done; cksum < {} | cut -c1-3')
FAST = ("--val", "noise.json", "--guard", "more/other.json", "--batch-size", "64")


def free_port():
    """Below those that other programs are given for their connections."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) != 0:
                return str(port)


def environment(more):
    """Ours, without what says that we were launched ourselves."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHERS)}
    return ours | more


def by_hand(rank, size, port):
    return {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port}


def slurm(rank, size, port):
    return {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0", "SLURM_PROCID": rank,
            "SLURM_LOCALID": rank, "SLURM_NTASKS": size,
            "SLURM_STEP_NUM_TASKS": size, "SLURM_JOB_NODELIST": "127.0.0.1",
            "MASTER_PORT": port}


def open_mpi(rank, size, port):
    return {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": size,
            "OMPI_COMM_WORLD_LOCAL_RANK": rank,
            "OMPI_COMM_WORLD_LOCAL_SIZE": size, "MASTER_PORT": port}


class Command:
    """One that writes `files`, if any, in one folder."""

    def __init__(self, soup, folder, *arguments, files=()):
        self.folder = folder
        self.command = [soup, *arguments]
        self.files = [folder / name for name in files]

    def outcome(self, printed):
        lines = [steady(json.loads(line)) if line.startswith("{") else line
                 for line in printed.splitlines()]
        return [file.read_bytes() for file in self.files], lines

    def clear(self):
        for file in self.files:
            file.unlink(missing_ok=True)


class Processes:
    """Those of one command, as a launcher starts them, rank 0 first."""

    def __init__(self, search, launcher, size, extra=(), crew=None, pause=0):
        port = free_port()
        self.search = search
        self.ranks = []
        for rank in range(size):
            more = launcher(str(rank), str(size), port) | {
                "WHO": str(rank), "CREW": str(crew or size)}
            self.ranks.append(subprocess.Popen(
                [*search.command, *(extra if rank else ())], cwd=search.folder,
                env=environment(more), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True))
            time.sleep(pause)

    def finish(self):
        """Exit code, stdout and stderr of each."""
        said = [rank.communicate(timeout=300) for rank in self.ranks]
        return [(rank.returncode, *texts)
                for rank, texts in zip(self.ranks, said)]

    def wait_for_call(self, rank):
        """Until `rank` is at work."""
        calls = self.search.folder / f"calls.{rank}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if calls.exists() and calls.read_text().endswith("\n"):
                return int(calls.read_text().split()[-1])
            time.sleep(0.01)
        raise TimeoutError(f"rank {rank} does not work")


class Proof(Checks):
    def __init__(self, soup, folder):
        super().__init__()
        self.soup = soup
        self.folder = folder

    def search(self, judge):
        search = Search(self.soup, self.folder, *judge)
        self.clear(search)
        return search

    def clear(self, search):
        search.clear()
        for calls in self.folder.glob("calls.*"):
            calls.unlink()

    def alone(self, search):
        code, out, err = Processes(search, lambda *_: {}, 1).finish()[0]
        self.check(code == 0, f"alone: exit {code}: {err}")
        outcome = search.outcome(out)
        self.clear(search)
        return outcome

    def same(self, search, said, expected, name, lost=()):
        for rank, (code, out, err) in enumerate(said):
            if rank in lost:
                continue
            self.check(code == 0, f"{name}, rank {rank}: exit {code}: {err}")
            self.check(rank == 0 or (out, err) == ("", ""),
                       f"{name}, rank {rank}: is not quiet: {out}{err}")
        self.check(search.outcome(said[0][1]) == expected,
                   f"{name}: another outcome")

    def launchers(self):
        search = self.search(FAST)
        expected = self.alone(search)
        for launcher in (by_hand, slurm, open_mpi):
            for size in (2, 4):
                self.same(search, Processes(search, launcher, size).finish(),
                          expected, f"{launcher.__name__}, {size}")
                self.clear(search)

    def evaluations(self):
        sets = ("--val", "noise.json", "--val", "more/other.json",
                "--batch-size", "64")
        one = ("zoo/model_00.safetensors", "--val", "noise.json",
               "--batch-size", "16", "--metric", "nll")
        two = ("zoo/model_00.safetensors", "zoo/model_01.safetensors")
        for name, command in {
                "all": ("eval", "zoo", *sets),
                "table": ("eval", "zoo", *sets, "--table"),
                "macro_f1": ("eval", *two, *sets, "--metric", "macro_f1"),
                "bf16": ("eval", *two, *sets, "--precision", "bf16"),
                "compare": ("eval", *two, *sets, "--compare"),
                "curve": ("interpolate", *two, *sets, "--alpha", "0,0.3,1"),
                "ensemble": ("ensemble", "zoo", *FAST[:2], "--greedy",
                             "--test", "more/other.json"),
        }.items():
            self.spreads(Command(self.soup, self.folder, *command), name)
        for file, option in (("p.jsonl", "--predictions"),
                             ("p.npy", "--predictions"),
                             ("l.safetensors", "--logits")):
            self.spreads(Command(self.soup, self.folder, "eval", *one, option,
                                 file, files=[file]), file)
        self.spreads(Command(self.soup, self.folder, "interpolate", *two,
                             *FAST[:2], "--best", "-o", "made.safetensors",
                             files=["made.safetensors"]), "best of a curve")
        self.spreads(self.search((*FAST[:2], "--budget", "3")), "budget")
        mean = ("--val", "noise.json=2", *sets[2:])
        for metric in ("top1", "nll", "macro_f1"):
            self.spreads(self.search((*mean, "--metric", metric)),
                         f"mean of {metric}")

    def spreads(self, command, name):
        expected = self.alone(command)
        for size in (2, 4):
            self.same(command, Processes(command, by_hand, size).finish(),
                      expected, f"{name}, {size}")
            self.clear(command)

    def killed_evaluations(self):
        """At any moment, though it may be too early or too late."""
        command = Command(self.soup, self.folder, "eval", "zoo", "--val",
                          "large/large.json", "--metric", "nll")
        begin = time.monotonic()
        expected = self.alone(command)
        seconds = time.monotonic() - begin
        for moment in (0.4, 0.7):
            processes = Processes(command, by_hand, 3)
            time.sleep(moment * seconds)
            processes.ranks[1].kill()
            self.same(command, processes.finish(), expected,
                      f"killed at {moment}", lost=[1])

    def late(self):
        command = Command(self.soup, self.folder, "eval",
                          "zoo/model_00.safetensors", *FAST[:2])
        expected = self.alone(command)
        self.same(command, Processes(command, by_hand, 2, pause=3).finish(),
                  expected, "late")

    def do_not_spread(self):
        for command in (("uniform", "zoo"), ("learned", "zoo", *FAST[:2],
                                             "--epochs", "1", "--fresh")):
            one = Command(self.soup, self.folder, *command, "--json", "-o",
                          "made.safetensors", files=["made.safetensors"])
            expected = self.alone(one)
            said = Processes(one, slurm, 3).finish()
            self.same(one, said, expected, command[0])
            self.check("only rank 0 works: soup " + command[0] in said[0][2],
                       f"{command[0]}: rank 0 does not say so: {said[0][2]}")
            self.clear(one)

    def scored_by_soup(self):
        """What --eval-cmd starts is no process of the launcher's."""
        self.spreads(Command(self.soup, self.folder, "eval", "zoo",
                             "--eval-cmd", f"{self.soup} eval {{}} --val "
                             "noise.json --json"), "soup scores for soup")

    def everybody_works(self, search, expected):
        begin = time.monotonic()
        said = Processes(search, by_hand, 4).finish()
        self.same(search, said, expected, "commands")
        for rank in range(4):
            self.check((self.folder / f"calls.{rank}").exists(),
                       f"commands: rank {rank} had nothing to do")
        self.clear(search)
        return time.monotonic() - begin

    def killed_worker(self, search, expected):
        processes = Processes(search, by_hand, 4)
        processes.wait_for_call(2)
        processes.ranks[2].kill()
        said = processes.finish()
        self.same(search, said, expected, "killed", lost=[2])
        self.check("rank 2: is not heard any more" in said[0][2],
                   f"killed: not noticed: {said[0][2]}")
        self.clear(search)

    def stopped_worker(self, search, expected):
        """It goes on when all is over."""
        processes = Processes(search, by_hand, 2)
        processes.wait_for_call(1)
        processes.ranks[1].send_signal(signal.SIGSTOP)
        processes.ranks[0].wait(timeout=300)
        processes.ranks[1].send_signal(signal.SIGCONT)
        said = processes.finish()
        self.same(search, said, expected, "stopped", lost=[1])
        self.check(said[1][:2] == (0, "") and
                   "rank 1: the search has ended without it" in said[1][2],
                   f"stopped: {said[1]}")
        self.clear(search)

    def ended_leader(self, search, expected, how, code):
        processes = Processes(search, by_hand, 3)
        for rank in (1, 2):  # who is not connected yet would try for a minute
            processes.wait_for_call(rank)
        processes.ranks[0].send_signal(how)
        said = processes.finish()
        self.check(said[0][0] == code, f"rank 0 {how}: exit {said[0][0]}")
        for rank in (1, 2):
            self.check(said[rank][0] == 1 and
                       f"rank {rank}: the store of the processes" in
                       said[rank][2], f"rank 0 {how}: {said[rank]}")
        self.same(search, Processes(search, by_hand, 2).finish(), expected,
                  f"after {how}")
        self.clear(search)

    def other_arguments(self, search, expected):
        said = Processes(search, by_hand, 2, ["--accept", "gt"],
                         crew=1).finish()
        self.same(search, said, expected, "other arguments", lost=[1])
        self.check(said[1][0] == 1 and "--accept was ge, is gt" in said[1][2],
                   f"other arguments: {said[1]}")
        self.clear(search)

    def by_environment(self):
        self.launchers()
        self.evaluations()
        self.killed_evaluations()
        self.late()
        self.do_not_spread()
        self.scored_by_soup()
        search = self.search(SLOW)
        begin = time.monotonic()
        expected = self.alone(search)
        seconds = time.monotonic() - begin
        print(f"{seconds:.1f} s alone, "
              f"{self.everybody_works(search, expected):.1f} s by four")
        self.killed_worker(search, expected)
        self.stopped_worker(search, expected)
        self.ended_leader(search, expected, signal.SIGKILL, -signal.SIGKILL)
        self.ended_leader(search, expected, signal.SIGINT, 130)
        self.other_arguments(search, expected)

    def run_torchrun(self, torchrun, search, *groups):
        slow = ["sh", "-c", 'WHO=$RANK CREW=$WORLD_SIZE exec "$@"', "sh", *search.command]
        return [subprocess.Popen(
            [torchrun, "--no-python", *group, *slow], cwd=self.folder,
            env=environment({}), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) for group in groups]

    def finish_torchrun(self, search, started, expected, name):
        soup, lines, journal = expected
        outs = []
        for one in started:
            out, err = one.communicate(timeout=300)
            self.check(one.returncode == 0, f"{name}: {one.returncode}: {err}")
            outs.append(out)
        found = search.outcome("".join(outs))
        self.check((found[0], found[2]) == (soup, journal),
                   f"{name}: another outcome")
        # One that was started anew printed what it had found once more.
        self.check(found[1][-len(lines):] == lines, f"{name}: other lines")
        self.clear(search)

    def evaluation_by_torchrun(self, torchrun):
        command = Command(self.soup, self.folder, "eval", "zoo", "--val",
                          "large/large.json", "--table")
        expected = self.alone(command)
        for size in (2, 4):
            one, = self.run_torchrun(
                torchrun, command,
                ["--standalone", f"--nproc-per-node={size}"])
            out, err = one.communicate(timeout=300)
            self.check(one.returncode == 0 and command.outcome(out) == expected,
                       f"torchrun, eval, {size}: {one.returncode}: {out}{err}")

    def by_torchrun(self, torchrun):
        self.evaluation_by_torchrun(torchrun)
        search = self.search(SLOW)
        expected = self.alone(search)
        for size in (2, 4):
            started = self.run_torchrun(
                torchrun, search, ["--standalone", f"--nproc-per-node={size}"])
            self.finish_torchrun(search, started, expected, f"torchrun, {size}")
        for size in (2, 4):
            started = self.run_torchrun(
                torchrun, search, ["--standalone", f"--nproc-per-node={size}",
                                   "--max-restarts=2"])
            processes = Processes(search, by_hand, 0)
            os.kill(processes.wait_for_call(1), signal.SIGKILL)
            self.finish_torchrun(search, started, expected,
                                 f"torchrun, {size}, one killed")
        node = ["--nnodes=2", "--nproc-per-node=2", "--rdzv-backend=c10d",
                f"--rdzv-endpoint=localhost:{free_port()}", "--rdzv-id=soup"]
        started = self.run_torchrun(torchrun, search, node, node)
        self.finish_torchrun(search, started, expected, "torchrun, two nodes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--soup", required=True, type=Path)
    parser.add_argument("--torchrun", action="store_true")
    options = parser.parse_args()
    torchrun = shutil.which("torchrun")
    if options.torchrun and not torchrun:
        print("skipped: there is no torchrun (a Python with torch) on PATH")
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_zoo(folder)
        (folder / "more").mkdir()
        make_data(folder / "more", seed=2, name="other")
        (folder / "large").mkdir()
        make_data(folder / "large", seed=3, name="large", examples=10000)
        make_data(folder)
        proof = Proof(options.soup.resolve(), folder)
        if options.torchrun:
            proof.by_torchrun(torchrun)
        else:
            proof.by_environment()
    return proof.report()


if __name__ == "__main__":
    sys.exit(main())
