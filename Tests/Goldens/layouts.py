"""Renames parameters of the reference layouts to the layouts of other libraries."""
import re

TIMM_NAMES = [
    (r"\.attn\.q_bias$", ".attn.q_proj.bias"),
    (r"\.attn\.v_bias$", ".attn.v_proj.bias"),
    (r"\.attn\.inner_attn_ln\.", ".attn.norm."),
    (r"\.mlp\.w1\.", ".mlp.fc1_g."),
    (r"\.mlp\.w2\.", ".mlp.fc1_x."),
    (r"\.mlp\.ffn_ln\.", ".mlp.norm."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
    (r"^visual\.", "visual.trunk."),
]

HF_BLOCK_NAMES = [
    (r"\.ln_1\.", ".layer_norm1."),
    (r"\.ln_2\.", ".layer_norm2."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"^visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
]

HF_NAMES = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}


def rename(key, rules):
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def to_timm(parameters):
    """Original EVA02-CLIP layout to OpenCLIP's timm layout; the text tower keeps its names."""
    return {k if not k.startswith("visual.") else rename(k, TIMM_NAMES): v
            for k, v in parameters.items()}


def to_hugging_face(parameters):
    """OpenCLIP layout to `transformers.CLIPModel`: q, k, v apart and projections transposed."""
    out = {}
    for key, value in parameters.items():
        if key in HF_NAMES:
            out[HF_NAMES[key]] = value
        elif key == "visual.proj":
            out["visual_projection.weight"] = value.T
        elif key == "text_projection":
            out["text_projection.weight"] = value.T
        elif ".attn.in_proj_" in key:
            for name, part in zip("qkv", value.chunk(3)):
                out[rename(re.sub(r"attn\.in_proj_", f"self_attn.{name}_proj.", key),
                           HF_BLOCK_NAMES)] = part
        else:
            out[rename(key, HF_BLOCK_NAMES)] = value
    return out
