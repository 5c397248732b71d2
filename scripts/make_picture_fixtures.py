#!/usr/bin/env python3
"""Makes tests/data/pictures: odd JPEG, PNG and WebP files, and what Pillow and
torchvision make of them and of thousands of random sizes.

    python3 scripts/make_picture_fixtures.py tests/data/pictures

Needs numpy, torchvision and Pillow up to version 12.1 (12.2 and newer resize
some sizes in another order). The tests draw the same sizes and pixels and compare checksums.
"""

import json
import pathlib
import struct
import sys
import zlib

import numpy as np
import PIL
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

assert tuple(map(int, PIL.__version__.split(".")[:2])) <= (12, 1), (
    "Pillow 12.2 and newer resize differently")

FILTERS = {"bicubic": Image.Resampling.BICUBIC,
           "bilinear": Image.Resampling.BILINEAR,
           "box": Image.Resampling.BOX,
           "lanczos": Image.Resampling.LANCZOS}
MODES = {"bicubic": InterpolationMode.BICUBIC,
         "bilinear": InterpolationMode.BILINEAR}
FIXED = [(640, 480, 298, 224), (480, 640, 224, 298), (1, 200, 7, 3),
         (200, 1, 3, 7), (1, 1, 33, 20), (33, 20, 1, 1), (500, 3, 20, 60),
         (3, 500, 60, 20), (64, 64, 64, 20), (64, 64, 20, 64)]


class Draw:
    """A 64-bit linear congruential generator; the tests have the same."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 +
                      1442695040888963407) % 2**64
        return (self.state >> 33) % limit

    def size(self, limit):
        return 1 + self.below(limit)


def noise(width, height, channels):
    """Pixel i is the top byte of i * 2654435761 mod 2^32."""
    i = np.arange(width * height * channels, dtype=np.uint64)
    values = ((i * 2654435761 % 2**32) >> 24).astype(np.uint8)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Image.fromarray(values.reshape(shape))


def resize_sums():
    rows = []
    for name, method in FILTERS.items():
        draw, crc = Draw(7), 0
        for case in range(1000 + len(FIXED)):
            sizes = (FIXED[case] if case < len(FIXED)
                     else tuple(draw.size(96) for _ in range(4)))
            picture = noise(*sizes[:2], 3 if case % 2 else 1)
            crc = zlib.crc32(picture.resize(sizes[2:], method).tobytes(), crc)
        rows.append({"filter": name, "random": 1000, "crc": crc})
    return rows


def timm_resize(size, crop_pct):
    return int(np.floor(size / crop_pct))


def fit_sums():
    rows = []
    for name, mode in MODES.items():
        for crop_pct in (0.875, 0.9, 0.95, 1.0):
            draw, crc = Draw(11), 0
            for _ in range(250):
                width, height = draw.size(150), draw.size(150)
                size = draw.size(48)
                fit = transforms.Compose([
                    transforms.Resize(timm_resize(size, crop_pct), mode),
                    transforms.CenterCrop(size)])
                crc = zlib.crc32(fit(noise(width, height, 3)).tobytes(), crc)
            rows.append({"filter": name, "crop_pct": crop_pct, "cases": 250,
                         "crc": crc})
    return rows


def painting(width, height):
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(3)
    planes = [x * 255 // width, y * 255 // height, (x * y) % 256]
    smooth = np.stack(planes, 2) + rng.integers(-20, 20, (height, width, 3))
    return Image.fromarray(smooth.clip(0, 255).astype(np.uint8))


def write_jpegs(folder):
    rgb = painting(37, 21)
    rgb.save(folder / "420.jpg", quality=80, subsampling=2)
    rgb.save(folder / "422.jpg", quality=90, subsampling=1)
    rgb.save(folder / "444.jpg", quality=60, subsampling=0)
    rgb.save(folder / "progressive.jpg", quality=75, progressive=True)
    rgb.save(folder / "restarts.jpg", quality=75, restart_marker_blocks=2)
    rgb.save(folder / "adobe_rgb.jpg", quality=75, keep_rgb=True)
    rgb.save(folder / "wrong_extension.png", "JPEG", quality=75)
    rgb.convert("L").save(folder / "grey.jpg", quality=75)
    inks = Image.merge("CMYK", (*rgb.split(), rgb.convert("L").rotate(180)))
    inks.save(folder / "cmyk.jpg", quality=75)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    rgb.save(folder / "turned.jpg", quality=75, exif=exif)


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(width, height, bits, colour, rows, extra=b"", interlace=0):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    data = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra +
            chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def interlaced(rgb):
    """Rows of Adam7's seven passes."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
              (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    return [row.tobytes() for x, y, dx, dy in passes
            for row in rgb[y::dy, x::dx] if row.size]


def write_pngs(folder):
    picture = painting(21, 17)
    rgb = np.asarray(picture)
    picture.save(folder / "rgb.png")
    picture.save(folder / "rgb_as.jpg", "PNG")
    picture.convert("L").save(folder / "grey.png")
    picture.convert("1").save(folder / "grey_1.png")
    picture.convert("RGBA").save(folder / "rgba.png")
    alpha = picture.copy()
    alpha.putalpha(picture.convert("L"))
    alpha.save(folder / "rgba_half.png")
    alpha.convert("LA").save(folder / "grey_alpha.png")
    for colours in (2, 4, 16, 200):
        palette = picture.quantize(colours, dither=Image.Dither.NONE)
        palette.save(folder / f"palette_{colours}.png")
    palette.save(folder / "palette_alpha.png", transparency=bytes(range(200)))
    picture.convert("L").save(folder / "grey_key.png", transparency=7)

    def write(name, *parts, **named):
        (folder / name).write_bytes(png(*parts, **named))

    nibbles = [bytes((37 * (x + y)) % 256 for x in range(11)) for y in range(17)]
    write("grey_4.png", 21, 17, 4, 0, nibbles)
    write("grey_2.png", 21, 17, 2, 0, [row[:6] for row in nibbles])
    wide = (rgb.astype(">u2") * 200 + 77).astype(">u2")
    dark = (rgb[:, :, 0].astype(">u2") * 2).astype(">u2")
    write("grey_16.png", 21, 17, 16, 0, [row.tobytes() for row in dark])
    write("rgb_16.png", 21, 17, 16, 2, [row.tobytes() for row in wide])
    write("grey_alpha_16.png", 21, 17, 16, 4,
          [row.tobytes() for row in wide[:, :, :2]])
    rgba = np.concatenate([wide, wide[:, :, :1]], 2)
    write("rgba_16.png", 21, 17, 16, 6, [row.tobytes() for row in rgba])
    write("interlaced.png", 21, 17, 8, 2, interlaced(rgb), interlace=1)
    three = chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 50, 1, 2, 3]))
    write("palette_short.png", 21, 17, 4, 3, nibbles, extra=three)
    write("gamma.png", 21, 17, 8, 2, [row.tobytes() for row in rgb],
          extra=chunk(b"gAMA", struct.pack(">I", 100000)))


def write_webps(folder):
    rgb = painting(37, 21)
    rgb.save(folder / "lossy.webp", quality=70)
    rgb.save(folder / "lossless.webp", lossless=True)
    rgb.convert("L").save(folder / "grey.webp", quality=70)
    alpha = rgb.copy()
    alpha.putalpha(rgb.convert("L"))
    alpha.save(folder / "alpha.webp", quality=70)
    alpha.save(folder / "alpha_lossless.webp", lossless=True, exact=True)
    rgb.save(folder / "animation.webp", save_all=True,
             append_images=[rgb.rotate(90), rgb.rotate(180)])
    for name in ("lossy", "alpha", "alpha_lossless"):
        part = (folder / f"{name}.webp").read_bytes()
        suffix = {"alpha_lossless": ""}.get(name, "_" + name)
        (folder / f"animation_part{suffix}.webp").write_bytes(animation(part))


def little(value, size):
    return value.to_bytes(size, "little")


def piece(kind, data):
    return kind + little(len(data), 4) + data + b"\0" * (len(data) % 2)


def animation(webp):
    """One frame, smaller than the canvas, before a red background."""
    data = webp[12:]
    if data[:4] == b"VP8X":
        data = data[18:]
    frame = (little(1, 3) + little(2, 3) + little(36, 3) + little(20, 3) +
             little(100, 3) + b"\0" + data)
    parts = (piece(b"VP8X", b"\x12\0\0\0" + little(49, 3) + little(29, 3)) +
             piece(b"ANIM", b"\0\0\xff\xff\0\0") + piece(b"ANMF", frame))
    return b"RIFF" + little(len(parts) + 4, 4) + b"WEBP" + parts


def picture_sums(folder):
    rows = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json":
            continue
        rgb = Image.open(path).convert("RGB")
        rows.append({"file": path.name, "width": rgb.width,
                     "height": rgb.height, "crc": zlib.crc32(rgb.tobytes()),
                     "grey_crc": zlib.crc32(rgb.convert("L").tobytes())})
    return rows


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_jpegs(folder)
    write_pngs(folder)
    write_webps(folder)
    sums = {"pillow": PIL.__version__, "pictures": picture_sums(folder),
            "resize": resize_sums(), "fit": fit_sums()}
    lines = json.dumps(sums, indent=1)
    (folder / "expected.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
