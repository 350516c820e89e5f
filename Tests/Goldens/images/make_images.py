"""Writes the pictures that the tests of Vision read, and what Pillow makes of them (images.json).

Written with Pillow 13.0.0 (libjpeg-turbo 3.2.0), NumPy 2.4.6, PyTorch 2.13.0: python make_images.py
in this folder.

images.json: for every picture its upright size, the mean of each channel, and 24 sampled pixels
[x, y, red, green, blue] of what Pillow decodes; for every resize the CRC-32 of Pillow's bytes.
"""

import io
import json
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageOps

rng = np.random.default_rng(20)


def scene(width, height):
    """A picture with soft gradients, hard edges and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    red = 127 + 100 * np.sin(x / 7.0) * np.cos(y / 11.0)
    green = 255 * x / width
    blue = np.where((x // 9 + y // 6) % 2 == 0, 40, 210)
    pixels = np.stack([red, green, blue], axis=-1) + rng.normal(0, 6, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


records = {}


def record(name, expected=None):
    """Notes what Pillow decodes, or `expected` where this project means to differ."""
    if expected is None:
        expected = np.array(ImageOps.exif_transpose(Image.open(name)).convert("RGB"))
    height, width, _ = expected.shape
    samples = []
    for _ in range(24):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        samples.append([x, y, *map(int, expected[y, x])])
    means = [round(float(m), 4) for m in expected.reshape(-1, 3).mean(axis=0)]
    records[name] = {"width": width, "height": height, "means": means, "samples": samples}


base = scene(61, 43)
base.save("plain.jpg", quality=92)
base.save("progressive.jpg", quality=85, progressive=True)
base.save("subsampled.jpg", quality=80, subsampling=2)
base.convert("L").save("grey.jpg", quality=90)
base.convert("CMYK").save("cmyk.jpg", quality=90)
for name in ("plain", "progressive", "subsampled", "grey", "cmyk"):
    record(name + ".jpg")
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[274] = orientation
    name = f"orientation{orientation}.jpg"
    scene(24, 16).save(name, quality=95, exif=exif)
    record(name)
data = open("plain.jpg", "rb").read()
open("truncated.jpg", "wb").write(data[: len(data) * 2 // 3])

# An Adobe marker with transform 2 makes the same four components YCCK.
ycck = bytearray(open("cmyk.jpg", "rb").read())
at = ycck.find(b"Adobe")
assert at > 0
ycck[at + 11] = 2
open("ycck.jpg", "wb").write(ycck)
record("ycck.jpg")

base.save("rgb.png")
base.convert("L").save("grey8.png")
base.convert("1").save("grey1.png")
base.quantize(200).save("palette8.png")
base.quantize(12).save("palette4.png", bits=4)
transparent = base.quantize(30)
transparent.info["transparency"] = bytes([0, 128] + [255] * 28)
transparent.save("palette_alpha.png")
rgba = base.convert("RGBA")
rgba.putalpha(Image.fromarray(rng.integers(0, 256, (43, 61), dtype=np.uint8)))
rgba.save("rgba.png")
base.convert("LA").save("grey_alpha.png")
for name in ("rgb", "grey8", "grey1", "palette8", "palette4", "palette_alpha", "rgba", "grey_alpha"):
    record(name + ".png")


def png(width, height, depth, colour, rows, interlace=0, extra=b""):
    """A PNG from raw rows, for the kinds that Pillow does not write."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


pixels = np.array(base)
passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
rows = []
for x0, y0, dx, dy in passes:
    part = pixels[y0::dy, x0::dx]
    rows += [row.tobytes() for row in part] if part.shape[1] else []
open("interlaced.png", "wb").write(png(61, 43, 8, 2, rows, interlace=1))
record("interlaced.png")
assert (np.array(Image.open("interlaced.png")) == pixels).all()

grey2 = rng.integers(0, 256, (16, 5), dtype=np.uint8)
open("grey2.png", "wb").write(png(20, 16, 2, 0, [row.tobytes() for row in grey2]))
record("grey2.png")
rgb16 = rng.integers(0, 65536, (12, 17, 3), dtype=np.uint16)
open("rgb16.png", "wb").write(png(17, 12, 16, 2, [row.astype(">u2").tobytes() for row in rgb16]))
record("rgb16.png")
# Pillow clips 16-bit grey at 255; the upper byte is what other readers show, and what is meant.
grey16 = rng.integers(0, 65536, (12, 17), dtype=np.uint16)
open("grey16.png", "wb").write(png(17, 12, 16, 0, [row.astype(">u2").tobytes() for row in grey16]))
record("grey16.png", np.repeat((grey16 >> 8).astype(np.uint8)[..., None], 3, axis=2))
open("truncated.png", "wb").write(open("rgb.png", "rb").read()[:-700])

resizes = []
source = Image.open("rgb.png").convert("RGB")
for width, height in [
    (61, 43), (30, 21), (122, 86), (61, 20), (17, 43), (224, 158), (7, 5), (1, 1), (200, 3),
    (2, 300), (59, 44), (62, 42), (13, 97), (560, 395), (10, 7), (61, 1)
]:
    # Two calls, because Pillow 13 takes the cheaper pass first, earlier ones always the horizontal.
    resized = source.resize((width, source.height), Image.BICUBIC).resize(
        (width, height), Image.BICUBIC)
    resizes.append({"width": width, "height": height, "crc": zlib.crc32(resized.tobytes())})

# Segmentation: logits of random features on the content patches, interpolated at pixel centres.
rows, columns, size, classes, patch = 6, 8, 12, 5, 4
width, height, content_width, content_height = 61, 43, 32, 23
features = rng.normal(size=(rows * columns, size)).astype(np.float32)
embeddings = rng.normal(size=(classes, size)).astype(np.float32)
embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
content_rows, content_columns = -(-content_height // patch), -(-content_width // patch)
grid = torch.nn.functional.normalize(torch.from_numpy(features), dim=-1)
logits = 10 * grid @ torch.from_numpy(embeddings).T
logits = logits.T.reshape(1, classes, rows, columns)[:, :, :content_rows, :content_columns]
x = (torch.arange(width) + 0.5) * content_width / width / patch / content_columns * 2 - 1
y = (torch.arange(height) + 0.5) * content_height / height / patch / content_rows * 2 - 1
points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None].float()
logits = torch.nn.functional.grid_sample(
    logits, points, mode="bilinear", padding_mode="border", align_corners=False)
probability, label = torch.softmax(logits[0], dim=0).max(dim=0)
segmentation = {
    "features": [round(float(v), 6) for v in features.ravel()],
    "embeddings": [round(float(v), 6) for v in embeddings.ravel()],
    "labels": label.ravel().tolist(),
    "confidences": [round(float(probability[label == c].mean()), 5) if (label == c).any() else 0
                    for c in range(classes)],
}

with open("images.json", "w") as out:
    json.dump({"images": records, "resizes": resizes, "segmentation": segmentation}, out,
              separators=(",", ":"))
