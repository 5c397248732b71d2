#!/usr/bin/env python3
"""Makes tests/data/shards: one small data set in every form of tar that Python
writes, and what is in it.

    python3 scripts/make_shard_fixtures.py tests/data/shards

Needs the standard library alone. The pictures are those of tests/data/pictures.
"""

import io
import pathlib
import sys
import tarfile

LONG = "deep/" * 30 + "name_" * 30 + "x"  # needs the extended headers
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT,
           "pax": tarfile.PAX_FORMAT}


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write(path, kind, pictures):
    long = "part/" * 20 + "third" if kind == "ustar" else LONG
    with tarfile.open(path, "w", format=FORMATS[kind]) as tar:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        add(tar, "a/0001.jpg", (pictures / "420.jpg").read_bytes())
        add(tar, "a/0001.cls", b"3")
        add(tar, "a/0001.json", b"{}")
        add(tar, "a/0002.cls", b"12\n")
        add(tar, "a/0002.PNG", (pictures / "rgb.png").read_bytes())
        add(tar, "a/README", b"no extension")
        add(tar, long + ".jpg", (pictures / "444.jpg").read_bytes())
        add(tar, long + ".cls", b"0")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind in FORMATS:
        write(folder / f"{kind}.tar", kind, folder.parent / "pictures")


if __name__ == "__main__":
    main()
