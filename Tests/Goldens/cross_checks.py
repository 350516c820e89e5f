"""Runs the golden models in open_clip, transformers and timm and compares with the reference.

Each function returns {what: largest absolute difference}, in float64 on both sides, so that
anything above about 1e-6 (libraries that build their RoPE tables in float32) is a real difference.
"""
import importlib
import sys
import types

import torch
import torch.nn.functional as F

from layouts import to_timm
from reference import resize_positions


def unit(x):
    return F.normalize(x, dim=-1)


def difference(a, b):
    return (a - b).abs().max().item()


def check_open_clip(parameters, tower, config, text_ids, text, pictures):
    """`open_clip.CLIP` (the plain layout), also at other sizes by giving it a resized table."""
    from open_clip.model import CLIP
    found = {}
    for size, picture in pictures.items():
        model = CLIP(
            embed_dim=config["embedding"],
            vision_cfg=dict(
                image_size=size, patch_size=tower.patch, width=tower.width, layers=tower.layers,
                mlp_ratio=config["hidden"] / tower.width, output_tokens=True),
            text_cfg=dict(
                context_length=text_ids.shape[1], vocab_size=config["vocabulary"],
                width=config["text_width"], heads=config["text_width"] // 64,
                layers=config["text_layers"],
                mlp_ratio=config["text_hidden"] / config["text_width"]),
            quick_gelu=config["activation"] == "quick_gelu").double().eval()
        grid = (size[0] // tower.patch, size[1] // tower.patch)
        table = resize_positions(parameters["visual.positional_embedding"], tower.native, grid)
        model.load_state_dict(parameters | {"visual.positional_embedding": table})
        with torch.no_grad():
            pooled, tokens = model.visual(picture[None])
            vanilla = tokens[0] @ model.visual.proj
            name = "x".join(map(str, size))
            found[f"image {name}"] = difference(
                unit(pooled[0]), unit(tower.image_embedding(picture)))
            found[f"vanilla {name}"] = difference(
                unit(vanilla), unit(tower.dense(picture, "vanilla")[0]))
            found["text"] = difference(unit(model.encode_text(text_ids)), unit(text))
    return found


def check_open_clip_text(parameters, config, text_ids, text):
    """The text tower of `open_clip.CustomTextCLIP`, whose keys EVA02-CLIP shares."""
    from open_clip.transformer import TextTransformer
    model = TextTransformer(
        context_length=text_ids.shape[1], vocab_size=config["vocabulary"],
        width=config["text_width"], heads=config["text_width"] // 64,
        layers=config["text_layers"], mlp_ratio=config["text_hidden"] / config["text_width"],
        output_dim=config["embedding"]).double().eval()
    model.load_state_dict(
        {k[len("text."):]: v for k, v in parameters.items() if k.startswith("text.")})
    with torch.no_grad():
        return {"text": difference(unit(model(text_ids)), unit(text))}


def check_hugging_face(folder, tower, text_ids, text, pictures):
    """`transformers.CLIPModel` loaded from the files as written, positions interpolated by it."""
    from transformers import CLIPModel
    model = CLIPModel.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager").eval()
    found = {}
    with torch.no_grad():
        features = model.get_text_features(input_ids=text_ids)
        found["text"] = difference(unit(features.pooler_output), unit(text))
        for size, picture in pictures.items():
            name = "x".join(map(str, size))
            output = model.get_image_features(picture[None], interpolate_pos_encoding=True)
            found[f"image {name}"] = difference(
                unit(output.pooler_output[0]), unit(tower.image_embedding(picture)))
            tokens = model.vision_model.post_layernorm(output.last_hidden_state[0, 1:])
            found[f"vanilla {name}"] = difference(
                unit(model.visual_projection(tokens)), unit(tower.dense(picture, "vanilla")[0]))
    return found


def check_timm(parameters, tower, config, pictures):
    """`timm.models.eva.Eva` with the options of eva02_base_patch16_clip_224, dimensions aside.

    timm would resize positions with antialiasing (another cubic); it is given the resized table,
    so that blocks and RoPE are compared at every size.
    """
    from timm.models.eva import Eva
    found = {}
    state = {k[len("visual.trunk."):]: v for k, v in to_timm(parameters).items()
             if k.startswith("visual.trunk.") and "rope" not in k}
    for size, picture in pictures.items():
        model = Eva(
            img_size=size, patch_size=tower.patch, embed_dim=tower.width, depth=tower.layers,
            num_heads=tower.heads, num_classes=config["embedding"],
            mlp_ratio=(config["hidden"] + 0.5) / tower.width,
            qkv_fused=False, swiglu_mlp=True, scale_mlp=True, scale_attn_inner=True,
            use_rot_pos_emb=True, ref_feat_shape=(16, 16), global_pool="token").double().eval()
        grid = (size[0] // tower.patch, size[1] // tower.patch)
        table = resize_positions(parameters["visual.pos_embed"][0], tower.native, grid)
        model.load_state_dict(state | {"pos_embed": table[None]})
        with torch.no_grad():
            tokens = model.forward_features(picture[None])
            name = "x".join(map(str, size))
            found[f"image {name}"] = difference(
                unit(model.forward_head(tokens)[0]), unit(tower.image_embedding(picture)))
            found[f"vanilla {name}"] = difference(
                unit(model.head(tokens[0, 1:])), unit(tower.dense(picture, "vanilla")[0]))
    return found


def released_module(source, package, module):
    """A module of a DeCLIP checkout, without running its packages' own __init__ (heavy imports)."""
    name = "released_" + package.replace("/", "_")
    if name not in sys.modules:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [f"{source}/src/{package}"]
    return importlib.import_module(f"{name}.{module}")


def visual(parameters):
    return {k[len("visual."):]: v for k, v in parameters.items() if k.startswith("visual.")}


def check_released_eva(source, parameters, tower, config, pictures, modes):
    """DeCLIP's own EVA02 tower in every dense mode; it handles square grids only."""
    model = released_module(source, "open_clip/eva_clip", "eva_vit_model").EVAVisionTransformer(
        img_size=tower.native[0] * tower.patch, patch_size=tower.patch, embed_dim=tower.width,
        depth=tower.layers, num_heads=tower.heads, num_classes=config["embedding"],
        mlp_ratio=(config["hidden"] + 0.5) / tower.width, qkv_bias=True, use_mean_pooling=False,
        rope=True, pt_hw_seq_len=16, intp_freq=True, naiveswiglu=True, subln=True,
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6)).double().eval()
    missing, unexpected = model.load_state_dict(visual(parameters), strict=False)
    assert not unexpected and all("rope" in k for k in missing), (missing, unexpected)
    return compare_released(model, tower, modes, {
        size: p for size, p in pictures.items() if size[0] == size[1]})


def check_released_clip(source, parameters, tower, config, pictures):
    """DeCLIP's own CLIP tower in the modes that it has."""
    module = released_module(source, "open_clip", "transformer")
    quick = config["activation"] == "quick_gelu"
    activation = module.QuickGELU if quick else torch.nn.GELU
    model = module.VisionTransformer(
        image_size=tower.native[0] * tower.patch, patch_size=tower.patch, width=tower.width,
        layers=tower.layers, heads=tower.heads, mlp_ratio=config["hidden"] / tower.width,
        output_dim=config["embedding"], act_layer=activation).double().eval()
    model.load_state_dict(visual(parameters))
    return compare_released(model, tower, ["qq", "kk", "csa", "maskclip"], pictures)


def compare_released(model, tower, modes, pictures):
    found = {}
    with torch.no_grad():
        for size, picture in pictures.items():
            for mode in modes:
                dense = model.encode_dense(picture[None], keep_shape=False, mode=mode)[0]
                found[f"{mode} {size[0]}x{size[1]}"] = difference(
                    unit(dense), unit(tower.dense(picture, mode)[0]))
    return found
