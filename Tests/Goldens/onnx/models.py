"""Small CLIP and EVA02 models as PyTorch modules, all from two sources of random parameters.

`SOURCES` holds their sizes; `write_sources` stores them as checkpoints that the safetensors
importer reads, so that what it finds there can be compared with what an exported graph holds.
"""
import json
import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import layouts  # noqa: E402
import random_models  # noqa: E402
from reference import rope_tables  # noqa: E402

# Numbers differ wherever they can: 26 tokens, heads of 16, text heads of 8, 14 positions of text.
SOURCES = {
    "clip": dict(
        seed=31, width=32, heads=2, layers=2, hidden=56, patch=8, side=5, embedding=20,
        text_width=24, text_heads=3, text_layers=2, text_hidden=40, vocabulary=100, context=14),
    "eva02": dict(
        seed=32, width=32, heads=2, layers=2, hidden=42, patch=8, side=5, embedding=20,
        text_width=24, text_heads=3, text_layers=1, text_hidden=40, vocabulary=100, context=14),
}
ACTIVATIONS = {"gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_tanh": "gelu_pytorch_tanh"}


def random_parameters(name):
    c = SOURCES[name]
    random = random_models.Random(c["seed"])
    eva = name == "eva02"
    vision = random_models.eva_vision if eva else random_models.clip_vision
    p = vision(random, *[c[k] for k in (
        "width", "heads", "layers", "hidden", "patch", "side", "embedding")])
    p |= random_models.text_tower(random, "text." if eva else "", *[c[k] for k in (
        "text_width", "text_layers", "text_hidden", "vocabulary", "context", "embedding")])
    # exp(2.5): logits stay small enough to compare.
    p["logit_scale"] = torch.tensor(2.5)
    return {k: v.float().contiguous() for k, v in p.items()}


def configuration(name):
    """`open_clip_config.json`: what the shapes do not say, above all the heads."""
    c = SOURCES[name]
    return {"model_cfg": {
        "embed_dim": c["embedding"], "quick_gelu": False,
        "vision_cfg": {
            "image_size": c["side"] * c["patch"], "patch_size": c["patch"], "width": c["width"],
            "layers": c["layers"], "head_width": c["width"] // c["heads"],
            "mlp_ratio": c["hidden"] / c["width"]},
        "text_cfg": {
            "context_length": c["context"], "vocab_size": c["vocabulary"],
            "width": c["text_width"], "heads": c["text_heads"], "layers": c["text_layers"],
            "mlp_ratio": c["text_hidden"] / c["text_width"]}}}


def write_sources():
    for name in SOURCES:
        folder = HERE / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        save_file(random_parameters(name), folder / "model.safetensors",
                  metadata={"format": "pt"})
        (folder / "open_clip_config.json").write_text(
            json.dumps(configuration(name), indent=2) + "\n")


def parameters(name):
    return load_file(HERE / "models" / name / "model.safetensors")


def under(prefix, p):
    return {k[len(prefix):]: v for k, v in p.items() if k.startswith(prefix)}


def open_clip(activation="gelu"):
    """`open_clip.CLIP`."""
    from open_clip.model import CLIP
    c = configuration("clip")["model_cfg"]
    model = CLIP(embed_dim=c["embed_dim"], vision_cfg=c["vision_cfg"], text_cfg=c["text_cfg"],
                 quick_gelu=activation == "quick_gelu")
    model.load_state_dict(parameters("clip"))
    return model.eval()


def hugging_face(activation="quick_gelu", attention="eager", end_of_text=None, golden=False):
    """`transformers.CLIPModel`; `end_of_text` 2 is what OpenAI's configurations say (and mean the
    largest id). `golden` loads `hf-clip` instead of the small source."""
    from transformers import CLIPConfig, CLIPModel
    if golden:
        return CLIPModel.from_pretrained(
            HERE.parent / "hf-clip", dtype=torch.float32, attn_implementation=attention).eval()
    c = SOURCES["clip"]
    end = c["vocabulary"] - 1 if end_of_text is None else end_of_text
    side = lambda prefix: dict(
        hidden_size=c[prefix + "width"], intermediate_size=c[prefix + "hidden"],
        num_attention_heads=c[prefix + "heads"], num_hidden_layers=c[prefix + "layers"],
        hidden_act=ACTIVATIONS[activation], layer_norm_eps=1e-5, projection_dim=c["embedding"])
    config = CLIPConfig(
        projection_dim=c["embedding"],
        text_config=side("text_") | dict(
            vocab_size=c["vocabulary"], max_position_embeddings=c["context"],
            bos_token_id=c["vocabulary"] - 2, eos_token_id=end, pad_token_id=1),
        vision_config=side("") | dict(
            image_size=c["side"] * c["patch"], patch_size=c["patch"]))
    config._attn_implementation = attention
    model = CLIPModel._from_config(config, attn_implementation=attention)
    state = layouts.to_hugging_face(parameters("clip"))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("position_ids" in k for k in missing), (missing, unexpected)
    return model.eval()


def eva_text():
    """The text tower of EVA02-CLIP, `open_clip.transformer.TextTransformer`."""
    from open_clip.transformer import TextTransformer
    c = SOURCES["eva02"]
    model = TextTransformer(
        context_length=c["context"], vocab_size=c["vocabulary"], width=c["text_width"],
        heads=c["text_heads"], layers=c["text_layers"],
        mlp_ratio=c["text_hidden"] / c["text_width"], output_dim=c["embedding"])
    model.load_state_dict(under("text.", parameters("eva02")))
    return model.eval()


def timm_eva(fused=True):
    """timm's Eva with the options of eva02_base_patch16_clip_224, dimensions aside. Its fused
    attention cannot pass through the legacy exporter; timm's export mode is `fused` off."""
    from timm.layers import set_fused_attn
    from timm.models.eva import Eva
    set_fused_attn(fused)
    c = SOURCES["eva02"]
    model = Eva(
        img_size=c["side"] * c["patch"], patch_size=c["patch"], embed_dim=c["width"],
        depth=c["layers"], num_heads=c["heads"], num_classes=c["embedding"],
        mlp_ratio=(c["hidden"] + 0.5) / c["width"], qkv_fused=False, swiglu_mlp=True,
        scale_mlp=True, scale_attn_inner=True, use_rot_pos_emb=True, ref_feat_shape=(16, 16),
        global_pool="token")
    model.load_state_dict(under("visual.trunk.", layouts.to_timm(parameters("eva02"))))
    return model.eval()


class Rope(nn.Module):
    """Rotation of neighbouring channels by tables made for one grid."""

    def __init__(self, grid, head_dim):
        super().__init__()
        cos, sin = rope_tables(grid, head_dim, torch.float32)
        self.register_buffer("freqs_cos", cos, persistent=False)
        self.register_buffer("freqs_sin", sin, persistent=False)

    def forward(self, x):
        pairs = x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2)
        first, second = pairs.unbind(-1)
        turned = torch.stack((-second, first), -1).flatten(-2)
        return x * self.freqs_cos + turned * self.freqs_sin


class EvaAttention(nn.Module):
    """Attention as EVA-CLIP's code writes it, without its fused kernels."""

    def __init__(self, width, heads, rope):
        super().__init__()
        self.heads, self.scale, self.rope = heads, (width // heads) ** -0.5, rope
        self.q_proj, self.k_proj, self.v_proj = [
            nn.Linear(width, width, bias=False) for _ in range(3)]
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.inner_attn_ln = nn.LayerNorm(width, eps=1e-6)
        self.proj = nn.Linear(width, width)

    def split(self, x):
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)

    def rotate(self, x, like):
        return torch.cat((x[:, :, :1, :], self.rope(x[:, :, 1:, :])), -2).type_as(like)

    def join(self, x):
        return self.proj(self.inner_attn_ln(x.transpose(1, 2).flatten(2)))

    def forward(self, x):
        q = self.split(F.linear(x, self.q_proj.weight, self.q_bias))
        k = self.split(F.linear(x, self.k_proj.weight, None))
        v = self.split(F.linear(x, self.v_proj.weight, self.v_bias))
        q, k = self.rotate(q, v), self.rotate(k, v)
        weights = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1)
        return self.join(weights @ v)

    def decoupled(self, x, mode):
        """Mode qq, or csa: no RoPE, no scale, no residual."""
        q = self.split(F.linear(x, self.q_proj.weight, self.q_bias))
        v = self.split(F.linear(x, self.v_proj.weight, self.v_bias))
        weights = (q @ q.transpose(-2, -1)).softmax(-1)
        if mode == "csa":
            k = self.split(F.linear(x, self.k_proj.weight, None))
            weights = weights + (k @ k.transpose(-2, -1)).softmax(-1)
        return self.join(weights @ v)


class SwiGLU(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.w1, self.w2 = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.ffn_ln = nn.LayerNorm(hidden, eps=1e-6)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.w3(self.ffn_ln(F.silu(self.w1(x)) * self.w2(x)))


class EvaBlock(nn.Module):
    def __init__(self, width, heads, hidden, rope):
        super().__init__()
        self.norm1, self.norm2 = [nn.LayerNorm(width, eps=1e-6) for _ in range(2)]
        self.attn = EvaAttention(width, heads, rope)
        self.mlp = SwiGLU(width, hidden)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    def __init__(self, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Eva(nn.Module):
    """The EVA02-CLIP vision tower, with the parameter names of its own code."""

    def __init__(self, width, heads, layers, hidden, patch, side, embedding):
        super().__init__()
        self.patch_embed = PatchEmbedding(width, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + side * side, width))
        self.rope = Rope((side, side), width // heads)
        self.blocks = nn.ModuleList(
            EvaBlock(width, heads, hidden, self.rope) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, embedding)

    def tokens(self, image):
        x = self.patch_embed(image)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1)
        return x + self.pos_embed

    def forward(self, image):
        x = self.tokens(image)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])

    def dense(self, image, mode):
        """[batch, patches, embedding], each token of length 1."""
        x = self.tokens(image)
        for block in self.blocks[:-1]:
            x = block(x)
        last = self.blocks[-1]
        x = last.attn.decoupled(last.norm1(x), mode)[:, 1:]
        return F.normalize(self.head(self.norm(x)), dim=-1)


def eva(state=None, **sizes):
    """The own-layout tower; from the small source unless a state and sizes are given."""
    if state is None:
        state, sizes = under("visual.", parameters("eva02")), SOURCES["eva02"]
    model = Eva(*[sizes[k] for k in (
        "width", "heads", "layers", "hidden", "patch", "side", "embedding")])
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing and all("rope" in k for k in unexpected), (missing, unexpected)
    return model.eval()


class FusedClip(nn.Module):
    """The CLIP vision tower with one product for q, k and v, 1/sqrt(d) folded into q's weights
    and the batch-free shortcuts of hand-written exporters."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower
        self.heads = tower.transformer.resblocks[0].attn.num_heads
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for block in tower.transformer.resblocks:
            weight, bias = block.attn.in_proj_weight.clone(), block.attn.in_proj_bias.clone()
            width = weight.shape[1]
            scale = (width // self.heads) ** -0.5
            weight[:width] *= scale
            bias[:width] *= scale
            self.weights.append(nn.Parameter(weight.T.contiguous()))
            self.biases.append(nn.Parameter(bias))

    def forward(self, image):
        t = self.tower
        x = t.conv1(image).flatten(2).transpose(1, 2)
        cls = t.class_embedding.reshape(1, 1, -1).expand(x.shape[0], -1, -1)
        x = t.ln_pre(torch.cat((cls, x), 1) + t.positional_embedding)
        for block, weight, bias in zip(t.transformer.resblocks, self.weights, self.biases):
            y = block.ln_1(x) @ weight + bias
            y = y.reshape(y.shape[0], y.shape[1], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            q, k, v = y[0], y[1], y[2]
            y = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + block.attn.out_proj(y)
            x = x + block.mlp(block.ln_2(x))
        return t.ln_post(x[:, 0]) @ t.proj


class ClipDense(nn.Module):
    """CLIP's dense features, mode qq or csa, with q, k and v cut out of in_proj."""

    def __init__(self, tower, mode):
        super().__init__()
        self.tower, self.mode = tower, mode

    def forward(self, image):
        t = self.tower
        x = t.conv1(image).flatten(2).transpose(1, 2)
        cls = t.class_embedding.reshape(1, 1, -1).expand(x.shape[0], -1, -1)
        x = t.ln_pre(torch.cat((cls, x), 1) + t.positional_embedding)
        for block in t.transformer.resblocks[:-1]:
            x = block(x)
        last = t.transformer.resblocks[-1]
        heads, width = last.attn.num_heads, x.shape[-1]
        q, k, v = F.linear(
            last.ln_1(x), last.attn.in_proj_weight, last.attn.in_proj_bias).chunk(3, -1)
        split = lambda y: y.reshape(y.shape[0], y.shape[1], heads, -1).transpose(1, 2)
        q, k, v = split(q), split(k), split(v)
        scale = (width // heads) ** -0.5
        weights = (q @ q.transpose(-2, -1) * scale).softmax(-1)
        if self.mode == "csa":
            weights = weights + (k @ k.transpose(-2, -1) * scale).softmax(-1)
        y = last.attn.out_proj((weights @ v).transpose(1, 2).flatten(2))[:, 1:]
        return F.normalize(t.ln_post(y) @ t.proj, dim=-1)


class Wrapped(nn.Module):
    """A module whose forward is the given function of (model, inputs)."""

    def __init__(self, model, function):
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *inputs):
        return self.function(self.model, *inputs)


class BothTowers(nn.Module):
    """Two towers of EVA02-CLIP with normalised embeddings, as its CustomTextCLIP has them."""

    def __init__(self, visual, text):
        super().__init__()
        self.visual, self.text = visual, text
        self.logit_scale = nn.Parameter(parameters("eva02")["logit_scale"])

    def forward(self, image, text):
        image = F.normalize(self.visual(image), dim=-1)
        text = F.normalize(self.text(text), dim=-1)
        return image, text, self.logit_scale.exp()
