#!/usr/bin/env python3
"""Shows a .pt file that soup wrote to torch, and compares it with another.

check_torch_output.py [WRITTEN EXPECTED]

By default the two of tests/data/checkpoint: the test TorchWriter says that soup
writes the first when it is given the second. Needs torch.
"""

import sys
import zipfile
from pathlib import Path

import torch


def same(a, b):
    """Bit for bit, whatever the dtype."""
    def raw(tensor):
        return tensor.contiguous().reshape(-1).view(torch.uint8)
    return (a.shape == b.shape and a.dtype == b.dtype and
            (a.numel() == 0 or torch.equal(raw(a), raw(b))))


def check(written, expected):
    if zipfile.ZipFile(written).testzip() is not None:
        sys.exit(f"{written}: a CRC is wrong")
    expected = torch.load(expected, weights_only=False)
    tensors = {k: v for k, v in expected.items() if torch.is_tensor(v)}
    for options in ({"mmap": True}, {"mmap": False}, {"weights_only": False}):
        found = torch.load(written, **{"weights_only": True, **options})
        if list(found) != list(tensors):
            sys.exit(f"{written}: other names than expected: {list(found)}")
        for name, tensor in tensors.items():
            if not same(found[name], tensor):
                sys.exit(f"{written}: '{name}' differs with {options}")
        ties = [found[a].data_ptr() == found[b].data_ptr()
                for a, b in [("F32", "tied")] if a in found and b in found]
        if not all(ties):
            sys.exit(f"{written}: tied tensors are two with {options}")
    print(f"{written}: torch {torch.__version__} reads "
          f"{len(tensors)} tensors, all equal")


if __name__ == "__main__":
    data = Path(__file__).resolve().parent.parent / "tests/data/checkpoint"
    check(*(sys.argv[1:] or (data / "written.pt", data / "plain.pt")))
