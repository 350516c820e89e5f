"""Writes the golden models and the numbers expected of them.

    python make_models.py [--released-source DIR] [--only NAME]

Every expected number comes from reference.py in float64 on the stored (rounded) parameters. The
script stops where an attention is too flat or too sharp to be a test, or where open_clip,
transformers or timm disagree with the reference.
"""
import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import cross_checks
import layouts
import random_models
from picture import picture
from reference import (CLIP_MODES, EVA_MODES, ClipTower, EvaTower, resize_positions, rope_tables,
                       text_embedding)

HERE = pathlib.Path(__file__).parent
CONTEXT = 16

# Sizes are height x width; the first is the native one. Embedding sizes, widths and hidden sizes
# differ on purpose and are not all multiples of 16.
CONFIGURATIONS = {
    "openai-clip": dict(
        seed=11, dtype=torch.float16, activation="quick_gelu", width=128, heads=2, layers=2,
        hidden=512, patch=8, side=6, embedding=32, text_width=64, text_heads=1, text_layers=2,
        text_hidden=256, vocabulary=300, sizes=[(48, 48), (80, 80), (48, 72), (64, 40)]),
    "openclip-gelu": dict(
        seed=12, dtype=torch.bfloat16, activation="gelu", width=128, heads=2, layers=2,
        hidden=200, patch=14, side=5, embedding=24, text_width=128, text_heads=2, text_layers=1,
        text_hidden=256, vocabulary=160, sizes=[(70, 70), (112, 112), (70, 126), (98, 42)]),
    "hf-clip": dict(
        seed=13, dtype=torch.float32, activation="quick_gelu", width=96, heads=3, layers=2,
        hidden=144, patch=8, side=4, embedding=20, text_width=64, text_heads=2, text_layers=2,
        text_hidden=128, vocabulary=128, end_of_text=120,
        sizes=[(32, 32), (64, 64), (32, 56), (48, 24)]),
    "eva02": dict(
        seed=14, dtype=torch.float16, activation="gelu", width=128, heads=2, layers=3,
        hidden=138, patch=8, side=6, embedding=40, text_width=64, text_heads=1, text_layers=1,
        text_hidden=256, vocabulary=256, sizes=[(48, 48), (80, 80), (48, 72), (64, 40)]),
}


def token_ids(config, seed):
    """Six rows of ids: start, words, end, padding; the shortest, a full one, and four between."""
    generator = torch.Generator().manual_seed(seed)
    end = config.get("end_of_text", config["vocabulary"] - 1)
    start = end - 1
    rows = []
    for words in (0, 1, 3, 6, 9, CONTEXT - 2):
        body = torch.randint(1, start, (words,), generator=generator).tolist()
        row = [start, *body, end]
        # Hugging Face pads OpenAI's models with the end-of-text id, OpenCLIP with 0.
        padding = end if "end_of_text" in config else 0
        rows.append(row + [padding] * (CONTEXT - len(row)))
    if "end_of_text" in config:
        # An id above the end-of-text id: the largest id of this row is not where to pool.
        rows[3][2] = config["vocabulary"] - 2
    return torch.tensor(rows)


def random_parameters(config):
    random = random_models.Random(config["seed"])
    eva = config is CONFIGURATIONS["eva02"]
    vision = random_models.eva_vision if eva else random_models.clip_vision
    p = vision(random, *[config[k] for k in (
        "width", "heads", "layers", "hidden", "patch", "side", "embedding")])
    p |= random_models.text_tower(random, "text." if eva else "", *[config[k] for k in (
        "text_width", "text_layers", "text_hidden", "vocabulary")], CONTEXT, config["embedding"])
    return p


def stored(parameters, dtype):
    """As written to the file: rounded, except the scalar logit_scale, which stays float32."""
    return {k: v.to(dtype if v.dim() else torch.float32).contiguous()
            for k, v in parameters.items()}


def configuration_file(config):
    """config.json of `transformers.CLIPModel`, only what the model needs."""
    side = lambda prefix: dict(
        hidden_size=config[prefix + "width"], intermediate_size=config[prefix + "hidden"],
        num_attention_heads=config[prefix + "heads"], num_hidden_layers=config[prefix + "layers"],
        hidden_act=config["activation"], layer_norm_eps=1e-5,
        projection_dim=config["embedding"])
    return dict(
        architectures=["CLIPModel"], model_type="clip", projection_dim=config["embedding"],
        text_config=side("text_") | dict(
            model_type="clip_text_model", vocab_size=config["vocabulary"],
            max_position_embeddings=CONTEXT, bos_token_id=config["end_of_text"] - 1,
            eos_token_id=config["end_of_text"], pad_token_id=config["end_of_text"]),
        vision_config=side("") | dict(
            model_type="clip_vision_model", image_size=config["side"] * config["patch"],
            patch_size=config["patch"], num_channels=3))


def expected_numbers(config, tower, p, prefix, modes, entropy_rows):
    """All expected tensors in the dtype of the parameters; appends rows to the entropy table."""
    unit = lambda x: F.normalize(x, dim=-1)
    out, pictures = {}, {}
    for i, (height, width) in enumerate(config["sizes"]):
        size = f"{height}x{width}"
        image = torch.from_numpy(picture(height, width, seed=i + 1)).to(p["logit_scale"].dtype)
        pictures[height, width] = image
        entropies = {}
        for mode in modes:
            dense, content, context = tower.dense(image, mode, entropies)
            out[f"dense.{mode}.{size}"] = unit(dense)
            if i == 0:
                out[f"raw.{mode}.{size}"] = dense
            if i == 2 and mode == "qq":
                out[f"content.{size}"], out[f"context.{size}"] = content, context
        out[f"image.{size}"] = unit(tower.image_embedding(image))
        entropy_rows.append((size, dense.shape[0] + 1, entropies))
    ids = token_ids(config, config["seed"])
    text = text_embedding(p, prefix, ids, config["text_heads"], config["activation"],
                          config.get("end_of_text"))
    out["text.ids"] = ids.to(torch.int32)
    out["text.embedding"] = unit(text)
    return out, pictures, ids, text


def entropy_table(name, rows):
    """Lines of the table; stops at an attention that is nearly one-hot or nearly flat."""
    names = list(rows[0][2])
    lines = ["| model | size | log(1+N) | " + " | ".join(names) + " |",
             "|---" * (3 + len(names)) + "|"]
    for size, tokens, entropies in rows:
        limit = math.log(tokens)
        lines.append(f"| {name} | {size} | {limit:.2f} | " + " | ".join(
            f"{entropies[n]:.2f}" for n in names) + " |")
        for key, nats in entropies.items():
            assert 1 < nats < min(5, limit - 0.15), (name, size, key, nats, limit)
    return lines


def write(folder, tensors, filename):
    folder.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / filename,
              metadata={"format": "pt"})
    print(f"  {folder.name}/{filename}: {(folder / filename).stat().st_size} bytes")


def make(name, released_source):
    config = CONFIGURATIONS[name]
    eva = name == "eva02"
    file = stored(random_parameters(config), config["dtype"])
    folder = HERE / name
    prefix = "text." if eva else ""

    def tower_and_parameters(dtype):
        p = {k: v.to(dtype) for k, v in file.items()}
        if eva:
            return EvaTower(p, config["heads"]), p
        return ClipTower(p, config["heads"], config["activation"]), p

    tower, p = tower_and_parameters(torch.float64)
    modes = EVA_MODES if eva else CLIP_MODES
    rows = []
    out, pictures, ids, text = expected_numbers(config, tower, p, prefix, modes, rows)
    print("\n".join([name] + entropy_table(name, rows)))

    # How far float32 alone moves the numbers: the floor of any tolerance.
    single, _, _, _ = expected_numbers(
        config, *tower_and_parameters(torch.float32), prefix, modes, [])
    drift = {}
    for k, v in single.items():
        kind = k.split(".")[0]
        drift[kind] = max(drift.get(kind, 0), (v - out[k]).abs().max().item())
    print("  float32 drift:", ", ".join(f"{k} {v:.1e}" for k, v in drift.items()))

    write(folder, {k: v if v.dtype == torch.int32 else v.float() for k, v in out.items()},
          "expected.safetensors")
    if name == "hf-clip":
        positions = {f"{side}_model.embeddings.position_ids": torch.arange(n)[None] for side, n in (
            ("vision", config["side"] ** 2 + 1), ("text", CONTEXT))}
        # Index buffers such as older files carry; importers have to skip them.
        write(folder, layouts.to_hugging_face(file) | positions, "model.safetensors")
        (folder / "config.json").write_text(json.dumps(configuration_file(config), indent=2) + "\n")
        checks = {
            "transformers": cross_checks.check_hugging_face(folder, tower, ids, text, pictures)}
    elif eva:
        cos, sin = rope_tables(tower.native, config["width"] // config["heads"], torch.float32)
        owners = ["", *(f"blocks.{i}.attn." for i in range(config["layers"]))]
        # The released files carry these derived tables, in the file once per owner.
        buffers = {f"visual.{owner}rope.freqs_{f}": table.clone()
                   for f, table in (("cos", cos), ("sin", sin)) for owner in owners}
        write(folder, file | buffers, "model.safetensors")
        write(HERE / "eva02-timm", layouts.to_timm(file), "model.safetensors")
        checks = {
            "open_clip": cross_checks.check_open_clip_text(p, config, ids, text),
            "timm": cross_checks.check_timm(p, tower, config, pictures)}
        if released_source:
            checks["released"] = cross_checks.check_released_eva(
                released_source, p, tower, config, pictures, modes)
    else:
        write(folder, file, "model.safetensors")
        checks = {"open_clip": cross_checks.check_open_clip(p, tower, config, ids, text, pictures)}
        if released_source:
            checks["released"] = cross_checks.check_released_clip(
                released_source, p, tower, config, pictures)
    for library, found in checks.items():
        print(f"  {library}:", ", ".join(f"{k} {v:.1e}" for k, v in found.items()))
        assert max(found.values()) < 1e-6, library


def make_positions():
    """Position tables of various grids, resized by PyTorch's bicubic in float64."""
    random = random_models.Random(15)
    out = {}
    for native, grids in {
        (7, 7): [(7, 7), (14, 14), (5, 5), (10, 3), (1, 1), (21, 13)],
        (4, 6): [(8, 12), (6, 4), (3, 11)],
        (2, 2): [(5, 7)],
    }.items():
        table = random.normal(1 + native[0] * native[1], 5).float()
        name = "x".join(map(str, native))
        out[f"table.{name}"] = table
        for grid in grids:
            resized = resize_positions(table.double(), native, grid).float()
            out[f"resized.{name}.{grid[0]}x{grid[1]}"] = resized
    write(HERE, out, "positions.safetensors")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=list(CONFIGURATIONS), help="make one model only")
    parser.add_argument("--released-source", help="a checkout of DeCLIP, for one more comparison")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    for name in [arguments.only] if arguments.only else CONFIGURATIONS:
        make(name, arguments.released_source)
    make_positions()


if __name__ == "__main__":
    main()
