#!/usr/bin/env python3
"""Makes tests/data/checkpoint/ with the libraries that wrote the formats.

make_checkpoint_fixtures.py [FOLDER]

Needs torch and safetensors. Values follow from names and shapes (see values),
so the tests know them without a second copy.
"""

import argparse
import collections
import sys
from pathlib import Path
from unittest import mock

import numpy
import safetensors.torch as st
import torch

SAFETENSORS_DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E8M0": torch.float8_e8m0fnu, "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz, "I16": torch.int16,
    "U16": torch.uint16, "F16": torch.float16, "BF16": torch.bfloat16,
    "I32": torch.int32, "U32": torch.uint32, "F32": torch.float32,
    "C64": torch.complex64, "F64": torch.float64, "I64": torch.int64,
    "U64": torch.uint64,
}


def values(shape, dtype=torch.float32):
    """Byte k of the tensor, in C order, is k modulo 251 (bool: modulo 2)."""
    count = 1
    for extent in shape:
        count *= extent
    if dtype == torch.bool:
        return (torch.arange(count) % 2).bool().reshape(shape)
    size = torch.empty(0, dtype=dtype).element_size()
    data = bytearray(k % 251 for k in range(count * size))
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype).clone().reshape(shape)


def safetensors_files(folder):
    every = {name: values((2, 3), dtype)
             for name, dtype in SAFETENSORS_DTYPES.items()}
    # Written by the reference; ours must give the very same bytes.
    every |= {"scalar": values(()), "empty": values((0, 4)),
              'n\u00e9e "q" \\ \n\x01\x7f': values((5,), torch.int8)}
    st.save_file(every, folder / "every_dtype.safetensors", {"format": "pt"})
    st.save_file({}, folder / "no_tensors.safetensors", {"format": "pt"})
    tied = torch.nn.Module()
    tied.embedding = torch.nn.Embedding(4, 3)
    tied.head = torch.nn.Linear(3, 4, bias=False)
    tied.embedding.weight.data = values((4, 3))
    tied.head.weight = tied.embedding.weight
    st.save_model(tied, folder / "tied.safetensors", {"format": "pt"})


class Net(torch.nn.Module):
    """Saved whole, which needs this class to load."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 1)


def plain_state_dict():
    """Every kind of dense tensor; all hold values() of their own shape."""
    out = collections.OrderedDict()
    for name, dtype in SAFETENSORS_DTYPES.items():
        out[name] = values((2, 3), dtype)
    out["C128"] = values((2,), torch.complex128)
    out["scalar"] = values(())
    out["empty"] = values((0, 4))
    out["tied"] = out["F32"]
    out["parameter"] = torch.nn.Parameter(values((3,)))
    out["attribute"] = values((3,))
    out["attribute"].note = "kept by _rebuild_from_type_v2"
    out["transposed"] = values((4, 3)).t().contiguous().t()
    out["slice"] = torch.cat([values((2,)), torch.ones(40)])[:2]
    out["offset"] = torch.cat([torch.ones(3), values((2,))])[3:]
    out["column"] = torch.stack([values((3,)), torch.ones(3)], 1)[:, 0]
    out["expanded"] = torch.zeros(1, dtype=torch.uint8).expand(1, 3)
    out["view_of_F32"] = out["F32"][0]
    out["_extra_state"] = {"anything": torch.ones(1)}
    out["n"] = 3
    out._metadata = {"": {"version": 1}}
    return out


def training_checkpoint():
    """What lies around the weights in a training run."""
    weights = {"w": values((2,)), "b": values((1,))}
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()
    return {
        "epoch": 7, "arch": "vit_tiny", "metric": 0.5, "best": True,
        "big": 2**40, "bigger": -(2**70), "nothing": None,
        "args": argparse.Namespace(lr=0.1, betas=(0.9, 0.95)),
        "numpy": numpy.float64(1.5), "array": numpy.arange(3),
        "bytes": b"\xff", "set": {1}, "frozen": frozenset({1}),
        "size": torch.Size([1]), "device": torch.device("cpu"),
        "dtype": torch.float32, "complex": 1j, "loop": [],
        "optimizer": optimizer.state_dict(),
        "state_dict": {"module." + k: v for k, v in weights.items()},
        "state_dict_ema": {"module": {k: v + 1 for k, v in weights.items()}},
        "parts": {"encoder": weights, "head": {"x": values((1,))}},
        "counts": collections.Counter(a=2),
    }


def refused():
    """State dicts that cannot be averaged, each under its own key."""
    wave = torch.ones(2, dtype=torch.complex64)
    packed = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    return {
        "sparse": {"w": torch.eye(2).to_sparse()},
        "csr": {"w": torch.eye(2).to_sparse_csr()},
        "quantised": {"w": packed},
        "packed": {"w": torch.ones(1), "p": (packed, None)},
        "conj": {"w": wave.conj()},
        "neg": {"w": torch._neg_view(torch.ones(2))},
        "meta": {"w": torch.empty(2, device="meta")},
        "module": Net(),
        "list": [torch.ones(1)],
        "optimizer": {"state": {0: {"m": torch.ones(1)}}, "param_groups": []},
        "numbers": {"a": 1, 2: torch.ones(1)},
    }


def torch_files(folder):
    plain = plain_state_dict()
    torch.save(plain, folder / "plain.pt")
    torch.save(dict(plain), folder / "plain_legacy.pt",
               _use_new_zipfile_serialization=False)
    for protocol in 3, 4, 5:
        torch.save({"w": values((2,)), "long name " * 30: values((1,))},
                   folder / f"protocol{protocol}.pt",
                   pickle_protocol=protocol)
    torch.save(training_checkpoint(), folder / "training.ckpt",
               pickle_protocol=4)
    torch.save(training_checkpoint(), folder / "training_legacy.ckpt",
               _use_new_zipfile_serialization=False)
    torch.save(refused(), folder / "refused.pt")
    torch.save(Net(), folder / "module.pt")
    # A legacy file quotes the source of its classes: none, and no path.
    with mock.patch("torch.serialization.get_source_lines_and_file",
                    return_value=([], 0, "net.py")):
        torch.save(Net(), folder / "module_legacy.pt",
                   _use_new_zipfile_serialization=False)
    torch.jit.script(Net()).save(folder / "script.pt")


def main():
    root = Path(__file__).resolve().parent.parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else (
        root / "tests" / "data" / "checkpoint")
    folder.mkdir(parents=True, exist_ok=True)
    safetensors_files(folder)
    torch_files(folder)


if __name__ == "__main__":
    main()
