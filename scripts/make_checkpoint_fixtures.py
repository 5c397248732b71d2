#!/usr/bin/env python3
"""Makes tests/data/checkpoint/ with the libraries that wrote the formats.

make_checkpoint_fixtures.py [FOLDER]

Needs torch and safetensors. Values follow from names and shapes (see values),
so the tests know them without a second copy.
"""

import sys
from pathlib import Path

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


def main():
    root = Path(__file__).resolve().parent.parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else (
        root / "tests" / "data" / "checkpoint")
    folder.mkdir(parents=True, exist_ok=True)
    safetensors_files(folder)


if __name__ == "__main__":
    main()
