"""Writes regions.json: what torchvision.ops.roi_align computes of a small map (torch 2.15.0,
torchvision 0.29.2). Values of the map are sin(0.37 * index), so that the file holds boxes and
results only."""
import json
import pathlib

import torch
from torchvision.ops import roi_align

ROWS, COLUMNS, WIDTH = 7, 11, 5

index = torch.arange(ROWS * COLUMNS * WIDTH, dtype=torch.float64)
values = torch.sin(0.37 * index).float().view(ROWS, COLUMNS, WIDTH)
dense = values.permute(2, 0, 1)[None]

boxes = [
    [0, 0, COLUMNS, ROWS],            # the whole map
    [2, 3, 3, 4],                     # one cell exactly
    [2, 3, 5, 6],                     # whole cells
    [0.3, 0.7, 4.9, 2.2],             # fractions
    [3.2, 1.4, 3.5, 1.6],             # less than a cell
    [9.6, 5.8, 11, 7],                # at the lower right edge
    [-3.5, -2.25, 2.5, 1.5],          # beyond the upper left edge
    [8, 4, 20.5, 13.75],              # beyond the lower right edge
    [-5, -5, -1.2, -1.1],             # outside
    [4, 2, 4, 5],                     # no width
    [6, 5, 3, 2],                     # turned inside out
    [0.1, 0.1, 3.1, 6.9],             # extents next to whole numbers
    [-40, -30, 60, 50],               # much larger than the map
]
generator = torch.Generator().manual_seed(5)
for _ in range(20):
    x, y = (torch.rand(2, generator=generator) * torch.tensor([9.0, 6.0])).tolist()
    w, h = (torch.rand(2, generator=generator) * torch.tensor([6.0, 5.0]) + 0.05).tolist()
    boxes.append([round(v, 4) for v in (x, y, x + w, y + h)])

rows = torch.tensor(boxes, dtype=torch.float32)
features = roi_align(dense, [rows], 1, 1.0, -1, True)[..., 0, 0]
record = {
    "rows": ROWS, "columns": COLUMNS, "width": WIDTH,
    "regions": [{"box": box, "feature": [round(v, 7) for v in feature.tolist()]}
                for box, feature in zip(boxes, features)],
}
text = json.dumps(record).replace('{"box"', '\n{"box"')
pathlib.Path(__file__).with_name("regions.json").write_text(text + "\n")
