"""Random parameters for the golden models, shaped so that no attention is flat or one-hot.

A plain Gaussian initialisation cannot do that for every mode at once: the last block serves
`softmax(s q q^T)` and `softmax(q k^T / sqrt(d))`, and EVA02 has s = 1. See `last_attention`.
"""
import math

import torch


class Random:
    """Seeded Gaussian tensors, in float64 unless told."""

    def __init__(self, seed, dtype=torch.float64, self_logit=3.5):
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = dtype
        self.self_logit = self_logit

    def normal(self, *shape, std=1.0, mean=0.0):
        return torch.randn(*shape, generator=self.generator, dtype=self.dtype) * std + mean

    def matrix(self, outputs, inputs, gain=1.0):
        """Maps inputs of unit variance to outputs of standard deviation `gain`."""
        return self.normal(outputs, inputs, std=gain * inputs ** -0.5)

    def norm(self, key, width):
        """Gains and biases away from 1 and 0, so that a forgotten one shows."""
        return {key + ".weight": self.normal(width, std=0.2, mean=1.0),
                key + ".bias": self.normal(width, std=0.2)}

    def linear(self, key, outputs, inputs, gain=1.0, bias=0.2):
        return {key + ".weight": self.matrix(outputs, inputs, gain),
                key + ".bias": self.normal(outputs, std=bias)}


def ordinary_attention(random, width):
    """(weight, bias) of q, k and v with logits q k^T / sqrt(d) of standard deviation 1.3."""
    return [(random.matrix(width, width, gain), random.normal(width, std=0.3))
            for gain in (1.15, 1.15, 1.0)]


def last_attention(random, width, heads, scale):
    """(weight, bias) of q, k and v of the block that is decoupled with factor `scale`.

    Every self logit s |q|^2 has to stay moderate (`random.self_logit`, larger for more tokens),
    which for EVA02's s = 1 would leave q k^T / 8 flat. So each head has a direction e that the q
    weights avoid but the q bias follows: q q^T gains only a constant, while q k^T gains a term of
    spread 1.5 from the k weights along e.
    """
    d = width // heads
    spread = math.sqrt(random.self_logit / (scale * d))
    along = math.sqrt(2 / scale)
    offset = 1.5 * math.sqrt(d) / along
    e = random.normal(heads, d, 1)
    e = e / e.norm(dim=1, keepdim=True)
    wq = random.matrix(width, width, spread).reshape(heads, d, width)
    wq = (wq - e @ (e.transpose(1, 2) @ wq)).flatten(0, 1)
    bq = (offset * e).flatten() + random.normal(width, std=0.3 * spread)
    wk = random.matrix(width, width, 0.8 * spread).reshape(heads, d, width)
    wk = (wk + along * e @ random.matrix(heads, width)[:, None]).flatten(0, 1)
    bk = random.normal(width, std=0.5 * spread)
    wv, bv = random.matrix(width, width, spread), random.normal(width, std=0.5 * spread)
    return [(wq, bq), (wk, bk), (wv, bv)]


def clip_blocks(random, prefix, width, layers, hidden, decoupled_heads=None):
    """Residual blocks of the OpenCLIP layout; the last one decoupled where heads are given."""
    p = {}
    for i in range(layers):
        key = f"{prefix}transformer.resblocks.{i}."
        if decoupled_heads and i == layers - 1:
            scale = (width // decoupled_heads) ** -0.5
            parts = last_attention(random, width, decoupled_heads, scale)
        else:
            parts = ordinary_attention(random, width)
        p[key + "attn.in_proj_weight"] = torch.cat([w for w, _ in parts])
        p[key + "attn.in_proj_bias"] = torch.cat([b for _, b in parts])
        p |= random.linear(key + "attn.out_proj", width, width, gain=0.7)
        p |= random.norm(key + "ln_1", width) | random.norm(key + "ln_2", width)
        p |= random.linear(key + "mlp.c_fc", hidden, width, gain=1.2)
        p |= random.linear(key + "mlp.c_proj", width, hidden, gain=1.2)
    return p


def clip_vision(random, width, heads, layers, hidden, patch, side, embedding):
    # As in the published models, what ln_pre sees is small: there its epsilon counts.
    small = 0.03
    conv_std = small * 2 / (patch * 3 ** 0.5)
    p = {
        "visual.class_embedding": random.normal(width, std=small),
        "visual.positional_embedding": random.normal(1 + side * side, width, std=0.5 * small),
        "visual.conv1.weight": random.normal(width, 3, patch, patch, std=conv_std),
        "visual.proj": random.normal(width, embedding, std=width ** -0.5),
    }
    p |= random.norm("visual.ln_pre", width) | random.norm("visual.ln_post", width)
    return p | clip_blocks(random, "visual.", width, layers, hidden, decoupled_heads=heads)


def text_tower(random, prefix, width, layers, hidden, vocabulary, context, embedding):
    p = {
        # Small as in the published models: the first ln_1 shows a wrong epsilon.
        prefix + "token_embedding.weight": random.normal(vocabulary, width, std=0.04),
        prefix + "positional_embedding": random.normal(context, width, std=0.02),
        prefix + "text_projection": random.normal(width, embedding, std=width ** -0.5),
        "logit_scale": torch.tensor(4.5, dtype=random.dtype),
    }
    p |= random.norm(prefix + "ln_final", width)
    return p | clip_blocks(random, prefix, width, layers, hidden)


def eva_vision(random, width, heads, layers, hidden, patch, side, embedding):
    p = {
        "visual.cls_token": random.normal(1, 1, width),
        "visual.pos_embed": random.normal(1, 1 + side * side, width, std=0.5),
        "visual.patch_embed.proj.weight":
            random.normal(width, 3, patch, patch, std=2 / (patch * 3 ** 0.5)),
        "visual.patch_embed.proj.bias": random.normal(width, std=0.2),
    }
    for i in range(layers):
        key = f"visual.blocks.{i}."
        parts = ordinary_attention(random, width) if i < layers - 1 else last_attention(
            random, width, heads, scale=1.0)
        (wq, bq), (wk, _), (wv, bv) = parts
        p |= {key + "attn.q_proj.weight": wq, key + "attn.q_bias": bq,
              key + "attn.k_proj.weight": wk,
              key + "attn.v_proj.weight": wv, key + "attn.v_bias": bv}
        p |= random.norm(key + "norm1", width) | random.norm(key + "norm2", width)
        p |= random.norm(key + "attn.inner_attn_ln", width)
        p |= random.linear(key + "attn.proj", width, width, gain=0.7)
        # A small product, so that the epsilon of ffn_ln counts.
        p |= random.linear(key + "mlp.w1", hidden, width, gain=0.2, bias=0.04)
        p |= random.linear(key + "mlp.w2", hidden, width, gain=0.2, bias=0.04)
        p |= random.norm(key + "mlp.ffn_ln", hidden)
        p |= random.linear(key + "mlp.w3", width, hidden, gain=0.7)
    return p | random.norm("visual.norm", width) | random.linear(
        "visual.head", embedding, width)
