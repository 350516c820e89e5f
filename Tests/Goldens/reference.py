"""CLIP and EVA02 towers with every dense mode, written for reading: one image, no batching.

Parameters are a dictionary with the key names of the OpenCLIP layout (CLIP) or of the original
EVA02 layout. All arithmetic runs in the dtype of the parameters; the goldens use float64 so that
they carry no rounding of their own. `N` = patch tokens, `D` = width, `E` = embedding size.
"""
import torch
import torch.nn.functional as F

CLIP_MODES = ["qq", "kk", "vv", "csa", "maskclip", "vanilla"]
EVA_MODES = CLIP_MODES + ["all"]


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": F.gelu}


def resize_positions(table, native, grid):
    """[1 + native rows * columns, D] to another grid; the class-token row is kept as it is."""
    if native == grid:
        return table
    patches = table[1:].T.reshape(1, -1, *native)
    patches = F.interpolate(
        patches, grid, mode="bicubic", align_corners=False, antialias=False)
    return torch.cat([table[:1], patches.flatten(2)[0].T])


def split_heads(x, heads):
    """[N, D] to [heads, N, D / heads]."""
    return x.reshape(x.shape[0], heads, -1).transpose(0, 1)


def join_heads(x):
    return x.transpose(0, 1).flatten(1)


def softmax_rows(logits, name, entropies):
    """Softmax; notes the mean row entropy (nats) in the dictionary `entropies` where given."""
    rows = torch.softmax(logits, -1)
    if entropies is not None:
        entropies[name] = -(rows * rows.clamp_min(1e-30).log()).sum(-1).mean().item()
    return rows


def decoupled_attention(mode, q, k, v, scale, entropies):
    """The attention matrix [heads, 1 + N, 1 + N] of a decoupled mode; heads already split."""
    product = lambda t: scale * t @ t.transpose(-1, -2)
    if mode == "all":
        return softmax_rows((product(q) + product(k) + product(v)) / 3, "all", entropies)
    if mode == "csa":
        # A sum, not a mean: rows add up to 2.
        return softmax_rows(product(q), "csa.q", entropies) + softmax_rows(
            product(k), "csa.k", entropies)
    return softmax_rows(product({"qq": q, "kk": k, "vv": v}[mode]), mode, entropies)


class Tower:
    """What the two families share: walking the blocks, decoupling the last one."""

    def __init__(self, parameters):
        self.p = parameters

    def layer_norm(self, x, key, eps=None):
        p = self.p
        return F.layer_norm(
            x, x.shape[-1:], p[key + ".weight"], p[key + ".bias"], eps or self.eps)

    def linear(self, x, key):
        return F.linear(x, self.p[key + ".weight"], self.p.get(key + ".bias"))

    def embed_patches(self, image, weight, bias=None):
        size = self.patch
        grid = (image.shape[1] // size, image.shape[2] // size)
        return F.conv2d(image[None], weight, bias, stride=size).flatten(2)[0].T, grid

    def dense(self, image, mode="qq", entropies=None):
        """Features before normalisation [N, E] and the last block's v and q [N, D]."""
        tokens, grid = self.tokens(image)
        for i in range(self.layers - 1):
            tokens = self.block(tokens, i, grid, entropies)
        last = self.layers - 1
        q, k, v = self.projections(tokens, last)
        if mode == "vanilla":
            tokens = self.block(tokens, last, grid, entropies)
        elif mode == "maskclip":
            # Every token attends to itself only; residual and feed-forward stay.
            tokens = tokens + self.attention_output(v, last)
            tokens = tokens + self.feed_forward(tokens, last)
        else:
            heads = [split_heads(t, self.heads) for t in (q, k, v)]
            weights = decoupled_attention(mode, *heads, self.decoupled_scale, entropies)
            tokens = self.attention_output(join_heads(weights @ heads[2]), last)
        return self.project(tokens[1:]), v[1:], q[1:]

    def image_embedding(self, image):
        """The ordinary (classification) embedding [E], not normalised."""
        tokens, grid = self.tokens(image)
        for i in range(self.layers):
            tokens = self.block(tokens, i, grid)
        return self.project(tokens[:1])[0]


class ClipTower(Tower):
    """`visual.*` of the OpenCLIP layout: pre-LN ViT with ln_pre and a fused in_proj."""

    eps = 1e-5

    def __init__(self, parameters, heads, activation):
        super().__init__(parameters)
        p = parameters
        self.heads = heads
        self.activation = ACTIVATIONS[activation]
        self.patch = p["visual.conv1.weight"].shape[-1]
        self.layers = 1 + max(
            int(k.split(".")[3]) for k in p if k.startswith("visual.transformer.resblocks."))
        self.width = p["visual.conv1.weight"].shape[0]
        side = round((p["visual.positional_embedding"].shape[0] - 1) ** 0.5)
        self.native = (side, side)
        self.decoupled_scale = (self.width // heads) ** -0.5

    def tokens(self, image):
        p = self.p
        patches, grid = self.embed_patches(image, p["visual.conv1.weight"])
        x = torch.cat([p["visual.class_embedding"][None], patches])
        x = x + resize_positions(p["visual.positional_embedding"], self.native, grid)
        return self.layer_norm(x, "visual.ln_pre"), grid

    def projections(self, tokens, i):
        key = f"visual.transformer.resblocks.{i}."
        x = self.layer_norm(tokens, key + "ln_1")
        return F.linear(
            x, self.p[key + "attn.in_proj_weight"], self.p[key + "attn.in_proj_bias"]).chunk(3, -1)

    def attention_output(self, x, i):
        return self.linear(x, f"visual.transformer.resblocks.{i}.attn.out_proj")

    def feed_forward(self, x, i):
        key = f"visual.transformer.resblocks.{i}."
        hidden = self.activation(self.linear(self.layer_norm(x, key + "ln_2"), key + "mlp.c_fc"))
        return self.linear(hidden, key + "mlp.c_proj")

    def block(self, tokens, i, grid, entropies=None):
        q, k, v = [split_heads(t, self.heads) for t in self.projections(tokens, i)]
        scale = (self.width // self.heads) ** -0.5
        weights = softmax_rows(scale * q @ k.transpose(-1, -2), f"block{i}", entropies)
        tokens = tokens + self.attention_output(join_heads(weights @ v), i)
        return tokens + self.feed_forward(tokens, i)

    def project(self, tokens):
        return self.layer_norm(tokens, "visual.ln_post") @ self.p["visual.proj"]


class EvaTower(Tower):
    """`visual.*` of the original EVA02-CLIP layout: sub-LN, SwiGLU, RoPE, no k bias."""

    eps = 1e-6
    decoupled_scale = 1.0  # the released implementation does not divide by sqrt(d) here

    def __init__(self, parameters, heads):
        super().__init__(parameters)
        p = parameters
        self.heads = heads
        self.patch = p["visual.patch_embed.proj.weight"].shape[-1]
        self.layers = 1 + max(int(k.split(".")[2]) for k in p if k.startswith("visual.blocks."))
        self.width = p["visual.cls_token"].shape[-1]
        side = round((p["visual.pos_embed"].shape[1] - 1) ** 0.5)
        self.native = (side, side)

    def tokens(self, image):
        p = self.p
        patches, grid = self.embed_patches(
            image, p["visual.patch_embed.proj.weight"], p["visual.patch_embed.proj.bias"])
        x = torch.cat([p["visual.cls_token"][0], patches])
        return x + resize_positions(p["visual.pos_embed"][0], self.native, grid), grid

    def projections(self, tokens, i):
        key, p = f"visual.blocks.{i}.", self.p
        x = self.layer_norm(tokens, key + "norm1")
        q = F.linear(x, p[key + "attn.q_proj.weight"], p[key + "attn.q_bias"])
        k = F.linear(x, p[key + "attn.k_proj.weight"])
        v = F.linear(x, p[key + "attn.v_proj.weight"], p[key + "attn.v_bias"])
        return q, k, v

    def attention_output(self, x, i):
        key = f"visual.blocks.{i}.attn."
        return self.linear(self.layer_norm(x, key + "inner_attn_ln"), key + "proj")

    def feed_forward(self, x, i):
        key = f"visual.blocks.{i}."
        x = self.layer_norm(x, key + "norm2")
        hidden = F.silu(self.linear(x, key + "mlp.w1")) * self.linear(x, key + "mlp.w2")
        return self.linear(self.layer_norm(hidden, key + "mlp.ffn_ln"), key + "mlp.w3")

    def block(self, tokens, i, grid, entropies=None):
        q, k, v = [split_heads(t, self.heads) for t in self.projections(tokens, i)]
        cos, sin = rope_tables(grid, q.shape[-1], q.dtype)
        q, k = rotate_patches(q, cos, sin), rotate_patches(k, cos, sin)
        scale = q.shape[-1] ** -0.5
        weights = softmax_rows(scale * q @ k.transpose(-1, -2), f"block{i}", entropies)
        tokens = tokens + self.attention_output(join_heads(weights @ v), i)
        return tokens + self.feed_forward(tokens, i)

    def project(self, tokens):
        return self.linear(self.layer_norm(tokens, "visual.norm"), "visual.head")


def rope_tables(grid, head_dim, dtype):
    """cos and sin [N, head_dim]: first half of a head encodes the row, second half the column.

    Position j of an axis with n patches is 16 * j / n (16 = the pre-training grid), for each axis
    on its own; each frequency serves a pair of neighbouring channels.
    """
    half = head_dim // 2
    frequencies = 10000.0 ** (-torch.arange(0, half, 2, dtype=dtype) / half)

    def axis(n):
        angles = (16 * torch.arange(n, dtype=dtype) / n)[:, None] * frequencies
        return angles.repeat_interleave(2, -1)

    rows, columns = grid
    angles = torch.cat([
        axis(rows)[:, None].expand(rows, columns, half),
        axis(columns)[None].expand(rows, columns, half)], -1).flatten(0, 1)
    return angles.cos(), angles.sin()


def rotate_patches(x, cos, sin):
    """Rotates channel pairs (2i, 2i+1) of the patch tokens; the class token is left alone."""
    patches = x[:, 1:]
    turned = torch.stack([-patches[..., 1::2], patches[..., ::2]], -1).flatten(-2)
    return torch.cat([x[:, :1], patches * cos + turned * sin], 1)


def text_embedding(parameters, prefix, ids, heads, activation, end_of_text=None):
    """Text embeddings [n, E] of token ids [n, context], not normalised.

    Pooled at the largest id of a row, or at the first `end_of_text` where that is given (Hugging
    Face configurations with an end-of-text id other than 2).
    """
    p, act = parameters, ACTIVATIONS[activation]
    layers = 1 + max(int(k[len(prefix):].split(".")[2])
                     for k in p if k.startswith(prefix + "transformer.resblocks."))
    norm = lambda x, k: F.layer_norm(x, x.shape[-1:], p[k + ".weight"], p[k + ".bias"], 1e-5)
    linear = lambda x, k: F.linear(x, p[k + ".weight"], p[k + ".bias"])
    causal = torch.full((ids.shape[1],) * 2, float("-inf")).triu(1).to(p[prefix + "ln_final.bias"])
    pooled = []
    for row in ids:
        x = p[prefix + "token_embedding.weight"][row] + p[prefix + "positional_embedding"]
        for i in range(layers):
            key = f"{prefix}transformer.resblocks.{i}."
            qkv = F.linear(norm(x, key + "ln_1"),
                           p[key + "attn.in_proj_weight"], p[key + "attn.in_proj_bias"])
            q, k, v = [split_heads(t, heads) for t in qkv.chunk(3, -1)]
            weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + causal, -1)
            x = x + linear(join_heads(weights @ v), key + "attn.out_proj")
            x = x + linear(act(linear(norm(x, key + "ln_2"), key + "mlp.c_fc")),
                           key + "mlp.c_proj")
        end = row.argmax() if end_of_text is None else (row == end_of_text).int().argmax()
        pooled.append(norm(x, prefix + "ln_final")[end] @ p[prefix + "text_projection"])
    return torch.stack(pooled)
