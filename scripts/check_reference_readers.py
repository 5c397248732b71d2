#!/usr/bin/env python3
"""Shows what soup writes to the programs it is written for.

- A folder of shards, averaged from three small models, is opened by
  transformers' from_pretrained; logits must be those of the mean computed by
  torch, bit for bit.
- A .pt file is opened by torch.load(weights_only=True, mmap=True) of every
  Python that is named, each with a torch of its own; every tensor must have the
  bytes that were given, tied ones one storage.

  scripts/check_reference_readers.py --soup build/soup --python venv/bin/python ...

Needs torch, safetensors and transformers; the Pythons named need only torch.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# Run by each Python: WRITTEN EXPECTED. Torch before 2.1 has no mmap.
READER = r"""
import inspect, sys, warnings
warnings.simplefilter("ignore")
import torch

def raw(x):
    return bytes(x.contiguous().reshape(-1).view(torch.uint8).tolist())

try:
    expected = torch.load(sys.argv[2], weights_only=True)
except Exception:  # what a newer torch wrote itself
    print(torch.__version__)
    sys.exit(3)
options = [{}]
if "mmap" in inspect.signature(torch.load).parameters:
    options.append({"mmap": True})
for more in options:
    found = torch.load(sys.argv[1], weights_only=True, **more)
    assert list(found) == list(expected), list(found)
    for name, x in expected.items():
        y = found[name]
        assert (x.dtype, x.shape) == (y.dtype, y.shape), name
        assert raw(x) == raw(y), name
    assert found["tied"].data_ptr() == found["float32"].data_ptr()
print(torch.__version__, len(expected), "with and without mmap"
      if len(options) > 1 else "without mmap, which it has not")
"""


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def check_shards(soup, folder):
    config = transformers.GPT2Config(
        n_embd=64, n_layer=3, n_head=4, vocab_size=512, n_positions=32,
        bos_token_id=0, eos_token_id=0)
    kind = transformers.AutoModelForCausalLM  # head and embedding are tied
    states = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = kind.from_config(config)
        model.save_pretrained(folder / f"model_{seed}")
        states.append(model.state_dict())
    mean = {name: (sum(s[name].double() for s in states) / 3).float()
            for name in states[0]}
    expected = kind.from_config(config).eval()
    expected.load_state_dict(mean)
    run(soup, "uniform", *[folder / f"model_{i}" for i in range(3)], "-o",
        f"{folder}/mean/", "--shard-size", "200KB", "-q")
    shards = len(list((folder / "mean").glob("model-*.safetensors")))
    found, report = kind.from_pretrained(folder / "mean",
                                         output_loading_info=True)
    tokens = torch.arange(32).reshape(2, 16)
    with torch.no_grad():
        same = torch.equal(found.eval()(tokens).logits, expected(tokens).logits)
    problems = {k: v for k, v in report.items() if v}
    print(f"transformers {transformers.__version__}: {shards} shards, logits "
          f"{'identical' if same else 'DIFFER'}, "
          f"{problems or 'no key missing or left over'}")
    return same and not problems and shards > 1


def tensors(eight_bit):
    values = torch.linspace(-3, 3, 24).reshape(4, 6)
    state = {"float32": values}
    kinds = ["float64", "bfloat16", "float16"]
    if eight_bit:
        kinds += ["float8_e4m3fn", "float8_e5m2"]
    for kind in kinds:
        state[kind] = values.to(getattr(torch, kind))
    state["int64"] = torch.tensor(2**40 + 1)
    state["bool"] = torch.tensor([True, False])
    state["complex64"] = torch.complex(values, -values)
    state["empty"] = torch.zeros(0, 3)
    state["tied"] = state["float32"]
    return state


def check_torch(soup, folder, pythons):
    good = True
    for what, eight_bit in (("", False), (" and 8-bit floats", True)):
        given = folder / f"given_{eight_bit}.pt"
        torch.save(tensors(eight_bit), given)
        written = folder / f"written_{eight_bit}.pt"
        run(soup, "convert", given, "-o", written, "-q")
        for python in pythons:
            done = subprocess.run([python, "-c", READER, written, given],
                                  capture_output=True, text=True, check=False)
            if done.returncode == 0:
                version, count, how = done.stdout.strip().split(" ", 2)
                print(f"torch {version}: {count} tensors{what} equal, {how}")
                continue
            if done.returncode == 3:
                print(f"torch {done.stdout.strip()}: cannot read{what[4:]} "
                      f"that torch {torch.__version__} wrote either")
                continue
            good = False
            reason = (done.stderr.strip().splitlines() or ["failed"])[-1]
            print(f"{python}: FAILED: {reason}")
    return good


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup", help="the program")
    parser.add_argument("--python", nargs="*", default=[sys.executable],
                        help="Pythons whose torch is to read the .pt file")
    args = parser.parse_args()
    soup = str(Path(args.soup).resolve())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        good = check_shards(soup, folder)
        good &= check_torch(soup, folder, args.python)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
