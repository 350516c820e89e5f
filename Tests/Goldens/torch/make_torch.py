"""Writes the PyTorch checkpoints that the tests of `Sources/Importers/Torch` read.

    python make_torch.py

`expected.safetensors` holds the tensors of all readable files, named `FILE/TENSOR`, as PyTorch
itself sees them: contiguous, and without the wrappers that the reader has to see through. The same
versions write the same bytes, except for `legacy.pt`, which holds memory addresses.
"""
import argparse
import collections
import pathlib
import warnings
import zipfile

import numpy
import torch
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).parent
expected = {}


def write(name, content, state, **options):
    """Saves `content` and notes `state`, what a reader of `content` should find."""
    torch.save(content, FOLDER / f"{name}.pt", **options)
    for key, tensor in state.items():
        expected[f"{name}/{key}"] = tensor.detach().clone(
            memory_format=torch.contiguous_format)


def numbers(*shape, dtype=torch.float32):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float32) - 2).reshape(shape).to(dtype)


def types():
    names = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
             "uint8", "bool", "uint16", "uint32", "float8_e4m3fn", "float8_e5m2"]
    state = {name: numbers(2, 3, dtype=torch.int64).to(getattr(torch, name)) for name in names}
    state["scalar"] = torch.tensor(2.659)
    state["empty"] = torch.zeros(0, 3)
    write("types", state, state)


def views():
    shared = numbers(4, 6)
    state = collections.OrderedDict()
    state["whole"] = shared
    state["rows"] = shared[1:3]
    state["column"] = shared[:, 2]
    state["corner"] = shared[1:3, 2:5]
    state["steps"] = shared[::2, ::3]
    state["transposed"] = shared.t()
    state["expanded"] = numbers(3, 1).expand(3, 4)
    state["repeated"] = torch.tensor(1.5, dtype=torch.float16).expand(2, 2, 2)
    state["permuted"] = numbers(2, 3, 4, dtype=torch.bfloat16).permute(2, 0, 1)
    state["channelsLast"] = numbers(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    state["one"] = shared[2:3, 3:4]
    state["bytes"] = numbers(3, 5, dtype=torch.int8).t()
    state["doubles"] = numbers(3, 2, dtype=torch.float64).t()
    state["none"] = shared[1:1]
    state["parameter"] = torch.nn.Parameter(numbers(2, 2))
    write("views", state, state)


def training(name, **options):
    """What a training loop leaves behind: state dict, optimizer, arguments, plain facts."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(numbers(4, 3)).sum().backward()
    optimizer.step()
    state = collections.OrderedDict(
        ("module." + key, tensor) for key, tensor in model.state_dict().items())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3])
    content = {
        "epoch": 7,
        "name": "déjà vu",
        "best": True,
        "loss": 0.125,
        "steps": 2 ** 40,
        "huge": 2 ** 80,
        "accuracy": numpy.float64(0.5),
        "args": argparse.Namespace(
            lr=1e-3, tags=["a", "b"], output=pathlib.PurePosixPath("/tmp/x"), seeds={1, 2},
            frozen=frozenset([3]), device=torch.device("cpu"), dtype=torch.float16,
            size=torch.Size([2, 3]), z=1 + 2j, none=None, raw=b"\x00\xff",
            scores=numpy.arange(3), counts=collections.defaultdict(int, a=1)),
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "rng": torch.get_rng_state()[:8].clone(),
    }
    write(name, content, state, **options)


def state_dict():
    """`state_dict()` itself, which carries `_metadata`, and tensors with attributes."""
    torch.manual_seed(1)
    model = torch.nn.Linear(3, 2)
    state = model.state_dict()
    write("state_dict", state, state)
    parameter = torch.nn.Parameter(numbers(2, 2))
    parameter.is_shared = True
    tensor = numbers(3)
    tensor.note = "seen"
    state = {"parameter": parameter, "tensor": tensor}
    write("attributes", {"model": state}, state)


def without_checksums():
    torch.serialization.set_crc32_options(False)
    state = {"w": numbers(2, 2)}
    write("without_checksums", state, state)
    torch.serialization.set_crc32_options(True)


def model():
    """The vision tower of the golden EVA02 with one block only, as distributed training saves it.
    """
    whole = load_file(FOLDER.parent / "eva02" / "model.safetensors")
    state = {
        "module." + key: tensor for key, tensor in whole.items()
        if key == "logit_scale" or key.startswith("visual.")
        and not key.startswith(("visual.blocks.1.", "visual.blocks.2.")) and "rope" not in key}
    torch.save({"epoch": 1, "state_dict": state}, FOLDER / "eva02.pt")


def refused():
    """Files that must be refused, each for its own reason."""
    torch.save(torch.nn.Linear(2, 2), FOLDER / "module.pt")
    state = {"w": numbers(2, 2)}
    torch.save(state, FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(
            torch.jit.trace(torch.nn.ReLU(), torch.ones(2)), FOLDER / "script.pt")
    # Without the tables of source lines, which name folders of the machine.
    with zipfile.ZipFile(FOLDER / "script.pt") as source:
        entries = {name: source.read(name) for name in source.namelist()
                   if not name.endswith(".debug_pkl")}
    with zipfile.ZipFile(FOLDER / "script.pt", "w") as target:
        for name, content in entries.items():
            target.writestr(zipfile.ZipInfo(name), content)
    with zipfile.ZipFile(FOLDER / "state_dict.pt") as source, zipfile.ZipFile(
            FOLDER / "compressed.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)


types()
views()
training("training")
training("protocol4", pickle_protocol=4)
training("protocol5", pickle_protocol=5)
state_dict()
without_checksums()
model()
refused()
save_file(expected, FOLDER / "expected.safetensors")
