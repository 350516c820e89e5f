"""Writes mistraced.onnx: a small EVA02 as TorchScript's exporter gets it wrong.

    python make_mistraced.py

The demo model's code computes its rotary tables for the size of the picture. Traced as it stands,
the tables are scrambled and channels paired across heads, without a warning; ONNX Runtime runs the
graph and computes something else than PyTorch. An importer must not take it for a model without
rotary positions.
"""
import pathlib
import sys
import warnings

import onnx
import onnxruntime
import torch

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parents[2] / "fixtures"
sys.path[:0] = [str(FIXTURES / "shapes" / "train"), str(FIXTURES / "large")]
import export_demo  # noqa: E402
import model as demo  # noqa: E402

# Of these sizes an importer that compares but three pairs of tokens takes the graph for unrotated.
CONFIG = dict(width=48, heads=2, layers=2, hidden=42, patch=8, image=48, embed=20)


def main(config=CONFIG, file=HERE / "mistraced.onnx"):
    warnings.filterwarnings("ignore")
    torch.set_grad_enabled(False)
    torch.manual_seed(1)
    vision = demo.Vision(config).eval()
    vision.forward = lambda image: vision.vanilla(vision.trunk(image))[:, 0]
    image = torch.randn(1, 3, config["image"], config["image"])
    expected = vision(image).numpy()
    # Tables that are known already would not be traced.
    vision._rope.clear()
    # Without these two the export stops; with them it goes through and is wrong.
    torch.Tensor.flatten, torch.Tensor.unflatten = export_demo.flatten, export_demo.unflatten
    torch.onnx.export(vision, (image,), file, dynamo=False, opset_version=17,
                      input_names=["pixels"], output_names=["image"])
    graph = onnx.load(file)
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.save(graph, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": image.numpy()})[0]
    difference = abs(found - expected).max() / abs(expected).max()
    print(f"{file.name}: {file.stat().st_size} bytes, ONNX Runtime - PyTorch {difference:.1e}")
    assert difference > 1e-3, "traced rightly: this exporter has been mended"


if __name__ == "__main__":
    main()
