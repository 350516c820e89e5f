"""Writes label maps of 13 x 7 pixels as tools store them (Pillow 12, numpy). A label is
(3 x + 5 y) mod N with the N in the file's name; panoptic.png holds ids of 1000 x + 70000 y + 1."""
import pathlib

import numpy as np
from PIL import Image

folder = pathlib.Path(__file__).parent
y, x = np.mgrid[0:7, 0:13]

for bits, count in ((1, 2), (2, 4), (4, 16), (8, 200)):
    image = Image.fromarray(((3 * x + 5 * y) % count).astype(np.uint8), "P")
    # Colours that do not tell indices apart: only the indices count.
    image.putpalette([7, 7, 7] * 256)
    image.save(folder / f"palette_{count}.png", bits=bits)
Image.fromarray(((3 * x + 5 * y) % 60).astype(np.uint8)).save(folder / "grey_60.png")
Image.fromarray((1000 * ((3 * x + 5 * y) % 60)).astype(np.uint16)).save(folder / "grey16_60.png")
number = 1000 * x + 70000 * y + 1
rgb = np.stack([number % 256, number // 256 % 256, number // 65536], axis=-1)
Image.fromarray(rgb.astype(np.uint8)).save(folder / "panoptic.png")
