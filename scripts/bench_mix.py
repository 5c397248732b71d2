#!/usr/bin/env python3
"""Time and memory of averaging checkpoints: soup against other programs.

Eight checkpoints with the shapes of CLIP ViT-B/32 (607 MB each in float32) are
made in a folder and averaged by every program in turn, several rounds, in one
run, with a warm page cache, or with --cold after the inputs were dropped from
it. Printed are the best wall time of each, the time without start-up and
imports, processor seconds, peak anonymous memory and peak resident memory
(which counts mapped files), and ratios to soup.

  scripts/bench_mix.py --soup build/soup                    # safetensors, f32
  scripts/bench_mix.py --soup build/soup --dtype bf16 --format pt
  scripts/bench_mix.py --soup build/soup --cold --only paper

Needs numpy, torch and safetensors; mergekit and sd-mecha are left out where
they are not installed. The floor is what the system alone takes: reading all
inputs (dd) and writing and syncing a file of the output's size.

A disk of a known rate, 500 MB/s of device 254:0 here (lsblk), is had from the
kernel, as root; with control groups of the second version by
`systemd-run --scope -p IOReadBandwidthMax='/dev/vda 500M' COMMAND`, of the first:
  slow=/sys/fs/cgroup/blkio/slow; mkdir $slow
  echo 254:0 500000000 > $slow/blkio.throttle.read_bps_device
  (echo $BASHPID > $slow/tasks; scripts/bench_mix.py --cold --count 4 --only paper)
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def clip_shapes():
    """Names and shapes of the model of the model soups paper's release."""
    shapes = {
        "model.positional_embedding": [77, 512],
        "model.text_projection": [512, 512],
        "model.logit_scale": [],
        "model.visual.class_embedding": [768],
        "model.visual.positional_embedding": [50, 768],
        "model.visual.proj": [768, 512],
        "model.visual.conv1.weight": [768, 3, 32, 32],
        "model.visual.ln_pre.weight": [768],
        "model.visual.ln_pre.bias": [768],
    }
    for tower, width in (("model.visual.", 768), ("model.", 512)):
        for layer in range(12):
            block = f"{tower}transformer.resblocks.{layer}."
            shapes |= {
                block + "attn.in_proj_weight": [3 * width, width],
                block + "attn.in_proj_bias": [3 * width],
                block + "attn.out_proj.weight": [width, width],
                block + "attn.out_proj.bias": [width],
                block + "ln_1.weight": [width],
                block + "ln_1.bias": [width],
                block + "mlp.c_fc.weight": [4 * width, width],
                block + "mlp.c_fc.bias": [4 * width],
                block + "mlp.c_proj.weight": [width, 4 * width],
                block + "mlp.c_proj.bias": [width],
                block + "ln_2.weight": [width],
                block + "ln_2.bias": [width],
            }
    return shapes | {
        "model.visual.ln_post.weight": [768],
        "model.visual.ln_post.bias": [768],
        "model.token_embedding.weight": [49408, 512],
        "model.ln_final.weight": [512],
        "model.ln_final.bias": [512],
        "classification_head.weight": [1000, 512],
        "classification_head.bias": [1000],
    }


# ------------------------------------------------- rivals, each in a process


def load(path):
    import safetensors.torch
    import torch

    if path.endswith(".pt"):
        return torch.load(path, map_location="cpu", weights_only=True)
    return safetensors.torch.load_file(path)


def save(state, path):
    import safetensors.torch
    import torch

    if path.endswith(".pt"):
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def work_make(inputs, out):
    """Writes checkpoints to `inputs`; `out` is the dtype's name."""
    import torch

    # As fine-tunes are: one model and a little of their own.
    generator = torch.Generator().manual_seed(0)
    base = {
        name: 0.02 * torch.randn(shape, generator=generator)
        for name, shape in clip_shapes().items()
    }
    for seed, path in enumerate(inputs):
        generator = torch.Generator().manual_seed(seed + 1)
        state = {}
        for name, x in base.items():
            own = 0.002 * torch.randn(x.shape, generator=generator)
            state[name] = (x + own).to(getattr(torch, out))
        save(state, path)


def work_paper(inputs, out):
    """The loop of the paper's released code: a running sum of x / n."""
    soup = None
    for path in inputs:
        state = load(path)
        scaled = {name: x * (1.0 / len(inputs)) for name, x in state.items()}
        if soup is None:
            soup = scaled
        else:
            soup = {name: x + soup[name] for name, x in scaled.items()}
    save(soup, out)


def work_timm(inputs, out):
    """What timm's averaging script does: sums in float64, float32 out."""
    import torch

    sums = {}
    for path in inputs:
        for name, x in load(path).items():
            x = x.to(torch.float64)
            sums[name] = sums[name] + x if name in sums else x
    limit = torch.finfo(torch.float32)
    save(
        {
            name: (x / len(inputs)).clamp(limit.min, limit.max).float()
            for name, x in sums.items()
        },
        out,
    )


def work_mergekit(inputs, out):
    import mergekit.scripts.merge_raw_pytorch as merge

    dtype = os.environ["BENCH_DTYPE"]
    config = {
        "merge_method": "linear",
        "dtype": DTYPES[dtype],
        "models": [{"model": p, "parameters": {"weight": 1}} for p in inputs],
    }
    path = out + ".json"  # JSON is YAML
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    # Writes a folder or a file, as the name says.
    start()
    merge.main([path, out, "--quiet"], standalone_mode=False)


def work_sd_mecha(inputs, out):
    import sd_mecha
    import torch
    from sd_mecha.extensions import model_configs as configs

    dtype = getattr(torch, DTYPES[os.environ["BENCH_DTYPE"]])
    start()
    # It knows architectures by their names and shapes: this one is told to it.
    keys = {n: configs.KeyMetadata(s, dtype) for n, s in clip_shapes().items()}
    config = configs.ModelConfigImpl(
        "clip-bench", {"all": configs.ModelComponent(keys)}
    )
    configs.register(config)
    models = [sd_mecha.model(p, config=config) for p in inputs]
    sd_mecha.merge(
        sd_mecha.n_average(*models),
        merge_dtype=torch.float32,
        output_dtype=dtype,
        output=out,
    )


started = [0.0]


def start():
    """Imports are over."""
    started[0] = time.perf_counter()


def run_worker(name, inputs, out):
    import safetensors.torch  # noqa: F401
    import torch  # noqa: F401

    start()
    globals()["work_" + name](inputs, out)
    print(f"work {time.perf_counter() - started[0]:.3f}")


# ---------------------------------------------------------------- measuring


def cpu_seconds():
    """Of children that ended: on a busy machine steadier than wall time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Watch(threading.Thread):
    """Follows the memory of a process and its children."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.anonymous, self.resident = pid, 0, 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.01):
            fields = {}
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
                    fields = dict(line.split(":", 1) for line in f)
            except OSError:
                return
            for key, name in (("RssAnon", "anonymous"), ("VmRSS", "resident")):
                if key in fields:
                    value = int(fields[key].split()[0]) * 1024
                    setattr(self, name, max(getattr(self, name), value))


def measure(command, env, folder=None):
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=folder,
    )
    watch = Watch(process.pid)
    watch.start()
    cpu = cpu_seconds()
    out, err = process.communicate()
    seconds = time.perf_counter() - begin
    watch.done.set()
    watch.join()
    if process.returncode != 0:
        raise RuntimeError(err.strip().splitlines()[-1] if err.strip() else "failed")
    work = [line for line in out.splitlines() if line.startswith("work ")]
    return {
        "cpu": cpu_seconds() - cpu,
        "seconds": seconds,
        "work": float(work[-1].split()[1]) if work else seconds,
        "anonymous": watch.anonymous,
        "resident": watch.resident,
    }


def evict(paths):
    """Drops files from the page cache."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def floor(inputs, out, size):
    """Reading everything, then writing and syncing `size` bytes."""
    begin, cpu = time.perf_counter(), time.process_time() + cpu_seconds()
    with open(os.devnull, "wb") as null:
        # A block as dd would be told to take for a disk's sequential rate.
        for path in inputs:
            subprocess.run(["dd", f"if={path}", "bs=8M", "status=none"],
                           stdout=null, check=True)
    read = time.perf_counter() - begin
    block = memoryview(bytes(1 << 20))
    with open(out, "wb") as file:
        for at in range(0, size, len(block)):
            file.write(block[: min(len(block), size - at)])
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - begin
    cpu = time.process_time() + cpu_seconds() - cpu
    return {"seconds": seconds, "work": seconds, "anonymous": 0, "resident": 0,
            "read": read, "cpu": cpu}


def remove(path):
    """And the recipe that soup puts beside a .pt."""
    for name in (path, path + ".recipe.json"):
        if os.path.isdir(name):
            shutil.rmtree(name)
        elif os.path.exists(name):
            os.remove(name)


def show(results, rounds, size):
    best = {
        name: {
            key: (max if key in ("anonymous", "resident") else min)(
                r[key] for r in runs)
            for key in runs[0]
        }
        for name, runs in results.items()
        if runs
    }
    soup = best["soup"]
    read = best["floor"]["read"]
    print(f"\ninputs of {size / 1e6:.0f} MB, read by dd in {read:.2f} s "
          f"({size / 1e6 / read:.0f} MB/s)")
    print(f"soup reads, mixes, writes and syncs {size / 1e6 / soup['seconds']:.0f} "
          "MB of them a second")
    print(f"best of {rounds} rounds; ratios to soup")
    print(
        f"{'program':10} {'wall':>8} {'ratio':>6} {'work':>8} {'ratio':>6} "
        f"{'cpu':>8} {'ratio':>6} "
        f"{'anonymous':>10} {'ratio':>6} {'resident':>10}"
    )
    for name, r in best.items():
        anonymous = r["anonymous"] / max(soup["anonymous"], 1)
        print(
            f"{name:10} {r['seconds']:6.2f} s {r['seconds'] / soup['seconds']:6.1f} "
            f"{r['work']:6.2f} s {r['work'] / soup['work']:6.1f} "
            f"{r['cpu']:6.2f} s {r['cpu'] / soup['cpu']:6.1f} "
            f"{r['anonymous'] / 1e6:7.0f} MB {anonymous:6.0f} "
            f"{r['resident'] / 1e6:7.0f} MB"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--soup", default="build/soup", help="the program")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--format", choices=["safetensors", "pt"],
                        default="safetensors")
    parser.add_argument("--count", type=int, default=8, help="of checkpoints")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", action="store_true",
                        help="drop the inputs from the page cache every time")
    parser.add_argument("--folder", help="keep the checkpoints here")
    parser.add_argument("--only", nargs="+", help="these programs (and soup)",
                        choices=["paper", "timm", "mergekit", "sd-mecha"])
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        name, *inputs, out = args.worker
        return run_worker(name, inputs, out)

    scratch = args.folder or tempfile.mkdtemp(prefix="bench_mix_")
    os.makedirs(scratch, exist_ok=True)
    env = dict(os.environ, BENCH_DTYPE=args.dtype)
    inputs = [
        os.path.join(scratch, f"{args.dtype}_{i}.{args.format}")
        for i in range(args.count)
    ]
    me = [sys.executable, os.path.abspath(__file__), "--worker"]
    missing = [p for p in inputs if not os.path.exists(p)]
    if missing:
        subprocess.run([*me, "make", *inputs, DTYPES[args.dtype]], check=True)
    out = os.path.join(scratch, f"out.{args.format}")
    programs = {
        "soup": [args.soup, "uniform", *inputs, "-o", out, "-q"],
        "paper": [*me, "paper", *inputs, out],
        "timm": [*me, "timm", *inputs, out],
        "mergekit": [*me, "mergekit", *inputs, out],
        "sd-mecha": [*me, "sd_mecha", *inputs, out],
    }
    if args.only:
        programs = {n: programs[n] for n in ["soup", *args.only]}
    results = {"floor": []} | {name: [] for name in programs}
    size = os.path.getsize(inputs[0])
    try:
        for round_ in range(args.rounds):
            if args.cold:
                evict(inputs)
            results["floor"].append(floor(inputs, out, size))
            for name, command in programs.items():
                remove(out)
                if args.cold:
                    evict(inputs)
                try:
                    results[name].append(measure(command, env))
                except (OSError, RuntimeError) as error:
                    if name == "soup":
                        raise
                    if round_ == 0:
                        print(f"{name}: left out: {error}", file=sys.stderr)
    finally:
        remove(out)
        if not args.folder:
            shutil.rmtree(scratch)
    show(results, args.rounds, size * len(inputs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
