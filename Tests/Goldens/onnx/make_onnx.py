"""Writes the ONNX files of this folder and what ONNX Runtime computes with them.

    python make_onnx.py [--only NAME ...]

Every case is one export of a model of models.py. The script stops where ONNX Runtime and PyTorch
disagree. `onnx.json` describes each file, its inputs and the beginning of each output.
"""
import argparse
import copy
import dataclasses
import io
import json
import logging
import math
import pathlib
import sys
import tempfile
import typing
import warnings

import numpy
import onnx
import onnx.numpy_helper
import onnxruntime
import torch
import torch.nn.functional as F

import models
from models import Wrapped

HERE = pathlib.Path(__file__).resolve().parent
# What a float32 engine may differ from the recorded outputs, as a fraction of the largest value.
TOLERANCE = 1e-4
# Elements from which on `store_half` rounds a tensor: matrices, not the class token.
LARGE = 500


# ---- Inputs --------------------------------------------------------------------------------------

def wave(shape):
    """Value i, counted over the whole tensor: Float(sin(0.37 * i + 0.11))."""
    count = math.prod(shape)
    values = numpy.sin(0.37 * numpy.arange(count, dtype=numpy.float64) + 0.11)
    return torch.from_numpy(values.astype(numpy.float32).reshape(shape))


def tokens(rows, context, end, padding):
    """Words (7 i + 3) % (end - 1), i counted over the whole tensor; the start id end - 1 first,
    the end id at position context - 1 - 3 * row, padding after it."""
    ids = (7 * torch.arange(rows * context) + 3).remainder(end - 1).reshape(rows, context)
    ids[:, 0] = end - 1
    for row in range(rows):
        last = context - 1 - 3 * row
        ids[row, last] = end
        ids[row, last + 1:] = padding
    return ids


PICTURE = wave((1, 3, 40, 40))
PICTURES = wave((2, 3, 40, 40))
IDS = tokens(3, 14, end=99, padding=0)
HF_IDS = tokens(3, 14, end=99, padding=99)
GOLDEN_PICTURES = wave((2, 3, 32, 32))  # hf-clip is of another size


# ---- The cases -----------------------------------------------------------------------------------

@dataclasses.dataclass
class Case:
    name: str
    about: str
    module: typing.Callable[[], torch.nn.Module]
    inputs: dict
    outputs: list
    exporter: str
    opset: typing.Optional[int]
    source: str = "models/clip"
    activation: str = "gelu"
    mode: str = "vanilla"
    fold: bool = True
    # Names of inputs whose first axis is free; "size" in it frees the axes of the picture too.
    free: tuple = ()
    after: typing.Optional[typing.Callable] = None
    tolerance: float = TOLERANCE
    weights: str = "F32"
    # Keeps the exporter's notes on nodes: the scopes and the names that parameters had.
    notes: bool = False


def image_of(function):
    return lambda: Wrapped(models.open_clip(), function)


def embed_image(model, image):
    return model.visual(image)


def open_clip_both(model, image, text):
    image = F.normalize(model.visual(image), dim=-1)
    text = model.encode_text(text, normalize=True)
    logits = model.logit_scale.exp() * image @ text.T
    return image, text, logits, logits.T


def hf_both(model, ids, pixels, mask=None):
    out = model(input_ids=ids, pixel_values=pixels, attention_mask=mask)
    return out.logits_per_image, out.logits_per_text, out.text_embeds, out.image_embeds


def hf_image(model, pixels):
    vision = model.vision_model(pixel_values=pixels)
    return model.visual_projection(vision.pooler_output), vision.last_hidden_state


def hf_any_size(model, pixels):
    vision = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True)
    return model.visual_projection(vision.pooler_output)


def hf_text(model, ids):
    return model.text_projection(model.text_model(input_ids=ids).pooler_output)


def dense(mode):
    return lambda: Wrapped(models.eva(), lambda model, image: model.dense(image, mode))


def rounded_to_half(module):
    """Large tensors rounded to float16 and back, for files that store them so."""
    for parameter in module.parameters():
        if parameter.numel() >= LARGE:
            parameter.data = parameter.data.half().float()
    return module


def hf(function, **options):
    return lambda: Wrapped(models.hugging_face(**options), function)


LOGITS = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
EMBEDDINGS = ["image_embeds", "text_embeds", "logits_per_image", "logits_per_text"]
OPENCLIP_BOTH = dict(
    inputs={"pixel_values": PICTURES, "input_ids": IDS}, outputs=EMBEDDINGS)
HF_BOTH = dict(
    inputs={"input_ids": HF_IDS, "pixel_values": PICTURES}, outputs=LOGITS)
IMAGE = dict(inputs={"image": PICTURE}, outputs=["image_embeds"])
EVA = dict(source="models/eva02", activation="swiglu", **IMAGE)
EVA_DENSE = EVA | dict(outputs=["dense"], inputs={"image": PICTURE})


def store_half(model):
    """Large tensors as float16 initialisers, each followed by a Cast to float."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and math.prod(tensor.dims) >= LARGE:
            name = tensor.name
            half = onnx.numpy_helper.to_array(tensor).astype(numpy.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, name + "_half"))
            casts.append(onnx.helper.make_node(
                "Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    return model


def simplify(model):
    import onnxsim
    simplified, correct = onnxsim.simplify(model)
    assert correct
    return simplified


def external(model):
    """Marks the case as one that keeps its tensors in NAME.onnx.data."""
    return model


def constants_as_nodes(model):
    """Every initialiser turned into a Constant node, as some converters write them."""
    nodes = [onnx.helper.make_node("Constant", [], [t.name], value=t)
             for t in model.graph.initializer]
    nodes += list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


CASES = [
    # OpenCLIP's own module, whose attention is torch.nn.MultiheadAttention.
    Case("openclip-image-legacy14", "fixed size; layer norms decomposed",
         image_of(embed_image), **IMAGE, exporter="legacy", opset=14),
    Case("openclip-image-legacy17-unfolded", "no constant folding; axes of batch and size free",
         image_of(embed_image), **IMAGE, exporter="legacy", opset=17, fold=False,
         free=("image", "size")),
    Case("openclip-both-legacy17", "both towers, logits, QuickGELU, free batch",
         lambda: Wrapped(models.open_clip("quick_gelu"), open_clip_both), **OPENCLIP_BOTH,
         activation="quick_gelu", exporter="legacy", opset=17, free=("pixel_values", "input_ids")),
    Case("openclip-both-simplified", "the same with exact GELU, simplified by onnxsim",
         lambda: Wrapped(models.open_clip(), open_clip_both), **OPENCLIP_BOTH,
         exporter="legacy", opset=17, after=simplify),
    Case("openclip-image-dynamo18", "fixed size",
         image_of(embed_image), **IMAGE, exporter="dynamo", opset=18, notes=True),
    Case("openclip-both-dynamo", "both towers, QuickGELU, free batch, the exporter's own opset",
         lambda: Wrapped(models.open_clip("quick_gelu"), open_clip_both), **OPENCLIP_BOTH,
         activation="quick_gelu", exporter="dynamo", opset=None,
         free=("pixel_values", "input_ids")),
    Case("openclip-image-external", "tensors in a file of their own, as the exporter writes them",
         image_of(embed_image), **IMAGE, exporter="dynamo", opset=20, after=external),
    Case("openclip-image-half", "the whole model in float16",
         lambda: Wrapped(models.open_clip().half(), embed_image),
         inputs={"image": PICTURE.half()}, outputs=["image_embeds"],
         exporter="legacy", opset=17, tolerance=1e-2, weights="F16"),
    Case("openclip-image-stored-half", "matrices in float16, cast to float in the graph",
         lambda: rounded_to_half(Wrapped(models.open_clip(), embed_image)), **IMAGE,
         exporter="legacy", opset=17, after=store_half, weights="F16"),
    Case("openclip-image-fused", "one product for q, k, v; 1/sqrt(d) folded into q's weights",
         lambda: models.FusedClip(models.open_clip().visual), **IMAGE,
         exporter="legacy", opset=17),
    Case("openclip-dense-qq", "dense features; q cut out of in_proj, k unused",
         lambda: models.ClipDense(models.open_clip().visual, "qq"),
         inputs={"image": PICTURE}, outputs=["dense"], mode="qq", exporter="legacy", opset=17),
    Case("openclip-dense-csa", "dense features, sum of two attentions",
         lambda: models.ClipDense(models.open_clip().visual, "csa"),
         inputs={"image": PICTURE}, outputs=["dense"], mode="csa", exporter="dynamo", opset=18),

    # transformers.CLIPModel, whose attention has q, k and v apart.
    Case("hf-both-legacy14", "eager attention, QuickGELU, attention mask, end id 2 (largest id), "
         "free batch: as model hubs hold it",
         hf(hf_both, end_of_text=2),
         inputs={"input_ids": HF_IDS, "pixel_values": PICTURES,
                 "attention_mask": torch.ones_like(HF_IDS)}, outputs=LOGITS,
         activation="quick_gelu", exporter="legacy", opset=14,
         free=("input_ids", "pixel_values", "attention_mask")),
    Case("hf-both-dynamo-sdpa", "fused attention, QuickGELU, first end id, free batch",
         hf(hf_both, attention="sdpa"), **HF_BOTH, activation="quick_gelu",
         exporter="dynamo", opset=18, free=("input_ids", "pixel_values")),
    Case("hf-both-opset23", "fused attention as the operator Attention",
         hf(hf_both, attention="sdpa", activation="gelu"), **HF_BOTH,
         exporter="dynamo", opset=23),
    Case("hf-golden-image", "the vision tower of the golden hf-clip, eager attention, free batch",
         hf(hf_image, golden=True), source="../hf-clip", inputs={"pixel_values": GOLDEN_PICTURES},
         outputs=["image_embeds", "last_hidden_state"], activation="quick_gelu",
         exporter="legacy", opset=17, free=("pixel_values",)),
    Case("hf-image-legacy17-sdpa", "vision tower and projection, exact GELU, two outputs",
         hf(hf_image, activation="gelu", attention="sdpa"),
         inputs={"pixel_values": PICTURE}, outputs=["image_embeds", "last_hidden_state"],
         exporter="legacy", opset=17),
    Case("hf-image-dynamo-eager", "vision tower and projection, QuickGELU, two outputs",
         hf(hf_image), inputs={"pixel_values": PICTURE},
         outputs=["image_embeds", "last_hidden_state"], activation="quick_gelu",
         exporter="dynamo", opset=20, notes=True),
    Case("hf-image-any-size", "positions interpolated in the graph (Resize), free size",
         hf(hf_any_size), inputs={"pixel_values": wave((1, 3, 48, 64))}, outputs=["image_embeds"],
         activation="quick_gelu", exporter="legacy", opset=17, free=("pixel_values", "size")),
    Case("hf-image-tanh", "tanh GELU, opset 14 (spelt out)",
         hf(hf_image, activation="gelu_tanh"), inputs={"pixel_values": PICTURE},
         outputs=["image_embeds", "last_hidden_state"], activation="gelu_tanh",
         exporter="legacy", opset=14),
    Case("hf-image-tanh-opset20", "tanh GELU as the operator Gelu",
         hf(hf_image, activation="gelu_tanh"), inputs={"pixel_values": PICTURE},
         outputs=["image_embeds", "last_hidden_state"], activation="gelu_tanh",
         exporter="legacy", opset=20),
    Case("hf-text-legacy17", "text tower and projection alone, free batch",
         hf(hf_text), inputs={"input_ids": HF_IDS}, outputs=["text_embeds"],
         activation="quick_gelu", exporter="legacy", opset=17, free=("input_ids",)),

    # EVA02 in its own layout.
    Case("eva02-image-legacy14", "fixed size; layer norms decomposed",
         models.eva, **EVA, exporter="legacy", opset=14),
    Case("eva02-image-legacy17-unfolded", "no constant folding, free batch",
         models.eva, **(EVA | dict(inputs={"image": PICTURES})), exporter="legacy", opset=17,
         fold=False, free=("image",)),
    Case("eva02-image-dynamo", "free batch",
         models.eva, **(EVA | dict(inputs={"image": PICTURES})), exporter="dynamo", opset=18,
         free=("image",), notes=True),
    Case("eva02-image-simplified", "simplified by onnxsim",
         models.eva, **EVA, exporter="legacy", opset=17, after=simplify),
    Case("eva02-image-constants", "every tensor a Constant node; axes still attributes (opset 11)",
         models.eva, **EVA, exporter="legacy", opset=11, after=constants_as_nodes),
    Case("eva02-image-half", "the whole model in float16",
         lambda: models.eva().half(), source="models/eva02", activation="swiglu",
         inputs={"image": PICTURE.half()}, outputs=["image_embeds"],
         exporter="legacy", opset=17, tolerance=1e-2, weights="F16"),
    Case("eva02-both-legacy17", "both towers and exp(logit_scale), free batch",
         lambda: models.BothTowers(models.eva(), models.eva_text()),
         source="models/eva02", activation="swiglu",
         inputs={"image": PICTURES, "text": IDS},
         outputs=["image_features", "text_features", "logit_scale"],
         exporter="legacy", opset=17, free=("image", "text")),
    Case("eva02-dense-legacy17", "dense features, mode qq: no k, no feed-forward in the last block",
         dense("qq"), **EVA_DENSE, mode="qq", exporter="legacy", opset=17),
    Case("eva02-dense-dynamo", "dense features, mode qq",
         dense("qq"), **EVA_DENSE, mode="qq", exporter="dynamo", opset=18),
    Case("eva02-dense-csa", "dense features, mode csa",
         dense("csa"), **EVA_DENSE, mode="csa", exporter="legacy", opset=17),

    # timm's EVA02.
    Case("timm-image-legacy17", "plain attention (timm's export mode)",
         lambda: models.timm_eva(fused=False), **EVA, exporter="legacy", opset=17),
    Case("timm-image-dynamo", "fused attention, free batch",
         models.timm_eva, **(EVA | dict(inputs={"image": PICTURES})), exporter="dynamo", opset=18,
         free=("image",), notes=True),
    Case("timm-image-opset23", "fused attention as the operator Attention",
         models.timm_eva, **EVA, exporter="dynamo", opset=23),
]


# ---- Exporting -----------------------------------------------------------------------------------

def legacy(case, module, inputs):
    axes = {}
    for name in case.free:
        if name != "size":
            axes[name] = {0: name + "_batch"}
            if "size" in case.free:
                axes[name] |= {2: "height", 3: "width"}
    for name in case.outputs if axes else []:
        axes[name] = {0: name + "_batch"}
    buffer = io.BytesIO()
    torch.onnx.export(
        module, inputs, buffer, dynamo=False, opset_version=case.opset,
        do_constant_folding=case.fold, input_names=list(case.inputs), output_names=case.outputs,
        dynamic_axes=axes or None)
    return onnx.load_from_string(buffer.getvalue())


def dynamo(case, module, inputs):
    shapes = tuple({0: torch.export.Dim.DYNAMIC} if name in case.free else None
                   for name in case.inputs)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "model.onnx"
        torch.onnx.export(
            module, inputs, file, dynamo=True, opset_version=case.opset,
            input_names=list(case.inputs), output_names=case.outputs, verbose=False,
            dynamic_shapes={"inputs": shapes} if isinstance(module, Wrapped) and case.free
            else shapes if case.free else None)
        return onnx.load(file)


def lighter(case, model):
    """Drops notes on nodes: always those that name files of the machine that exported, all of
    them (they are half of such a file) where the case does not ask to keep them."""
    def walk(graph):
        for node in graph.node:
            node.doc_string = ""
            kept = [p for p in node.metadata_props if case.notes and "stack_trace" not in p.key]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    walk(attribute.g)
    walk(model.graph)
    for function in model.functions:
        walk(function)
    return model


def save(case, model):
    file = HERE / f"{case.name}.onnx"
    data = pathlib.Path(str(file) + ".data")
    data.unlink(missing_ok=True)
    if case.after is external:
        onnx.save(model, file, save_as_external_data=True, location=data.name,
                  size_threshold=256, convert_attribute=False)
    else:
        onnx.save(model, file)
    assert not any(p in file.read_bytes() for p in (b"site-packages", sys.prefix.encode()))
    return [file] + ([data] if data.exists() else [])


def operators(graph):
    found = set()
    for node in graph.node:
        found.add((node.domain + "::" if node.domain else "") + node.op_type)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found |= operators(attribute.g)
    return found


# ---- Running and recording -----------------------------------------------------------------------

def run(file, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(file), options, providers=["CPUExecutionProvider"])
    # An exporter leaves out inputs that nothing uses.
    names = [i.name for i in session.get_inputs()]
    return names, session.run(None, {n: inputs[n].numpy() for n in names})


def describe_input(name, tensor):
    entry = {"name": name, "shape": list(tensor.shape), "type": str(tensor.dtype)[6:]}
    if not tensor.is_floating_point():
        entry["values"] = tensor.flatten().tolist()
    return entry


def describe_output(name, array):
    flat = array.astype(numpy.float64).flatten()
    digits = lambda x: float(f"{x:.9g}")
    return {"name": name, "shape": list(array.shape), "norm": digits(numpy.sqrt((flat ** 2).sum())),
            "values": [digits(x) for x in flat[:64]]}


def make(case):
    module = case.module().eval()
    inputs = tuple(case.inputs.values())
    expected = module(*inputs)
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    model = {"legacy": legacy, "dynamo": dynamo}[case.exporter](
        case, copy.deepcopy(module), inputs)
    if case.after is not None:
        model = case.after(model)
    model = lighter(case, model)
    onnx.checker.check_model(model)
    files = save(case, model)
    names, found = run(files[0], case.inputs)
    assert len(found) == len(expected) == len(case.outputs)
    worst = 0
    for name, a, b in zip(case.outputs, found, expected):
        assert list(a.shape) == list(b.shape), (case.name, name, a.shape, b.shape)
        b = b.float().numpy()
        worst = max(worst, float(abs(a.astype(numpy.float32) - b).max() / abs(b).max()))
    opset = next(o.version for o in model.opset_import if o.domain == "")
    used = sorted(operators(model.graph))
    size = sum(f.stat().st_size for f in files)
    print(f"{case.name}: opset {opset}, {len(model.graph.node)} nodes, {size} bytes, "
          f"ONNX Runtime - PyTorch {worst:.1e}", flush=True)
    assert worst < case.tolerance, case.name
    source = models.SOURCES.get(case.source.split("/")[-1], dict(heads=3, text_heads=2))
    return {
        "file": f"{case.name}.onnx", "about": case.about, "source": case.source,
        "exporter": case.exporter, "opset": opset, "activation": case.activation,
        "mode": case.mode, "heads": source["heads"], "textHeads": source["text_heads"],
        "weights": case.weights, "tolerance": case.tolerance, "operators": used,
        "inputs": [describe_input(n, case.inputs[n]) for n in names],
        "outputs": [describe_output(n, a) for n, a in zip(case.outputs, found)],
    }


def dump(entries):
    """JSON with one line for each list of numbers."""
    lines = []
    for entry in entries:
        rows = []
        for key, value in entry.items():
            if key in ("inputs", "outputs"):
                inner = ",\n    ".join(json.dumps(v) for v in value)
                rows.append(f'  "{key}": [\n    {inner}]')
            else:
                rows.append(f'  "{key}": {json.dumps(value)}')
        lines.append("{\n" + ",\n".join(rows) + "\n}")
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="names of cases; the rest stays as it is")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    # The legacy exporter knows no symbol for the fused kernel of MultiheadAttention.
    torch.backends.mha.set_fastpath_enabled(False)
    record = HERE / "onnx.json"
    known = {}
    if arguments.only:
        known = {e["file"]: e for e in json.loads(record.read_text())} if record.exists() else {}
    models.write_sources()
    for case in CASES:
        if not arguments.only or case.name in arguments.only:
            known[f"{case.name}.onnx"] = make(case)
    entries = [known[f"{c.name}.onnx"] for c in CASES if f"{c.name}.onnx" in known]
    record.write_text(dump(entries))
    print("operators:", " ".join(sorted({o for e in entries for o in e["operators"]})))
    print("total:", sum(f.stat().st_size for f in HERE.glob("*.onnx*")), "bytes")


if __name__ == "__main__":
    main()
