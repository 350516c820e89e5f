"""Packs the node tests of the ONNX project, for the operators below, into backend.vectors.z.

    python make_backend.py

The file: u64 length of what follows once decompressed, then one zlib stream of records, each a u32
length and that many bytes (all integers little-endian). A case is the records

    name (UTF-8), ModelProto, count of inputs (4 bytes, u32), a TensorProto for each input,
    count of outputs (4 bytes, u32), a TensorProto for each output

Inputs are in the order of the graph's inputs. Case follows case until the end.
"""
import collections
import pathlib
import struct
import warnings
import zlib

import numpy
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

HERE = pathlib.Path(__file__).resolve().parent
OPERATORS = set("""
    Abs Add And ArgMax Attention Cast CastLike Ceil Clip Concat Constant ConstantOfShape Conv Cos
    CumSum Div Dropout Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND
    Gelu Gemm Greater GreaterOrEqual HardSigmoid Identity IsNaN LayerNormalization LeakyRelu Less
    LessOrEqual Log MatMul Max Mean Min Mod Mul Neg Not OneHot Or Pad Pow RMSNormalization Range
    Reciprocal ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Resize RotaryEmbedding ScatterND
    Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Tile
    TopK Transpose Trilu Unsqueeze Where Xor
""".split())
TYPES = {getattr(TensorProto, t) for t in (
    "FLOAT", "DOUBLE", "FLOAT16", "BOOL", "INT8", "INT16", "INT32", "INT64",
    "UINT8", "UINT16", "UINT32", "UINT64")}
# A case whose tensors are larger than this is left out, and named.
LARGEST = 64 * 1024


def value_types(graph):
    for value in [*graph.input, *graph.output, *graph.value_info]:
        yield value.type


def reason_to_skip(case, model):
    """Why a case is left out; None where it is kept."""
    used = {(n.domain, n.op_type) for n in model.graph.node}
    if any(d not in ("", "ai.onnx") for d, _ in used):
        return "another domain"
    unknown = {o for _, o in used} - OPERATORS
    if unknown:
        return "operators"
    if any(not t.HasField("tensor_type") for t in value_types(model.graph)):
        return "not tensors"
    if any(t.tensor_type.elem_type not in TYPES | {0} for t in value_types(model.graph)):
        return "element types"
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type not in TYPES:
                return "element types"
            if attribute.HasField("g") or attribute.graphs:
                return "subgraphs"
            if attribute.strings and node.op_type == "Constant":
                return "element types"
    if any(o == "Dropout" for _, o in used) and (
            "train" in case.name or any(n.op_type == "Dropout" and len(n.input) > 2 and n.input[2]
                                        for n in model.graph.node)):
        return "training"
    if len(case.data_sets) != 1:
        return "several data sets"
    return None


def tensor(value, name, kind):
    if isinstance(value, TensorProto):
        return value
    assert isinstance(value, (numpy.ndarray, numpy.generic)), type(value)
    made = numpy_helper.from_array(numpy.asarray(value), name)
    assert made.data_type == kind, (name, made.data_type, kind)
    return made


def pack(case, model):
    inputs, outputs = case.data_sets[0]
    records = [case.name.encode(), model.SerializeToString(deterministic=True)]
    for values, described in ((inputs, model.graph.input), (outputs, model.graph.output)):
        assert len(values) == len(described), case.name
        records.append(struct.pack("<I", len(values)))
        records += [tensor(v, d.name, d.type.tensor_type.elem_type).SerializeToString(
            deterministic=True) for v, d in zip(values, described)]
    return b"".join(struct.pack("<I", len(r)) + r for r in records)


def main():
    warnings.filterwarnings("ignore")
    # The project's cases draw from numpy's global generator.
    numpy.random.seed(0)
    cases = collect_testcases(None)
    packed, large = {}, []
    skipped, counts, expanded = collections.Counter(), collections.Counter(), 0
    for case in sorted(cases, key=lambda c: c.name):
        if not case.name.startswith("test_") or case.model is None or case.name in packed:
            continue
        model = case.model
        reason = reason_to_skip(case, model)
        if reason:
            skipped[reason] += 1
            continue
        data = pack(case, model)
        if len(data) > LARGEST:
            large.append(f"{case.name} ({len(data)} bytes)")
            continue
        packed[case.name] = data
        if "_expanded" in case.name:
            expanded += 1
        else:
            counts.update({n.op_type for n in model.graph.node})
    content = b"".join(packed.values())
    stored = struct.pack("<Q", len(content)) + zlib.compress(content, 9)
    (HERE / "backend.vectors.z").write_bytes(stored)
    print(f"{len(packed)} cases ({expanded} of them expanded functions), {len(content)} bytes, "
          f"{len(stored)} compressed; ONNX {onnx.__version__}")
    print("left out:", ", ".join(f"{k} {v}" for k, v in skipped.most_common()))
    print("too large:", ", ".join(large) or "none")
    print("cases:", " ".join(f"{o} {counts[o]}" for o in sorted(OPERATORS)))


if __name__ == "__main__":
    main()
