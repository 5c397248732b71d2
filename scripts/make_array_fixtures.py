#!/usr/bin/env python3
"""Makes tests/data/arrays: the same small arrays in every form in which NumPy
writes them.

    python3 scripts/make_array_fixtures.py tests/data/arrays

Needs numpy. `images` is 0, 1, 2, ... as uint8 [3, 2, 2, 3], `labels` is 2, 0, 1
as int64 [3, 1]; `wide` holds 256 times the values of `images`, as int32.
"""

import pathlib
import sys

import numpy as np


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    images = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)
    labels = np.array([[2], [0], [1]], np.int64)
    wide = images.astype(np.int32) * 256
    arrays = {"images": images, "labels": labels, "wide": wide}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    np.savez(folder / "numbered.npz", images, labels)
    np.savez_compressed(folder / "medmnist.npz", train_images=images,
                        train_labels=labels, val_images=images[:2],
                        val_labels=labels[:2])
    np.savez(folder / "single.npz", images)
    np.savez(folder / "turned.npz",
             **{"images": np.asfortranarray(images),
                "labels": labels.astype(">i8"),
                "wide": np.asfortranarray(wide.astype(">i4"))})
    np.save(folder / "wide.npy", np.asfortranarray(wide.astype(">i4")))


if __name__ == "__main__":
    main()
