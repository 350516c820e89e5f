"""How far common mistakes move the expected numbers: what a tolerance has to stay below.

    python sensitivity.py

Prints the largest absolute change of the normalised dense features for one mistake at a time.
"""
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import reference
from make_models import CONFIGURATIONS, HERE
from picture import picture
from reference import ClipTower, EvaTower, decoupled_attention


def load(name):
    p = load_file(HERE / name / "model.safetensors")
    return {k: v.double() for k, v in p.items() if "rope" not in k}


def features(tower, size, mode):
    image = torch.from_numpy(picture(*size, seed=1)).double()
    return F.normalize(tower.dense(image, mode)[0], dim=-1)


def patched(owner, name, replacement, run):
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        return run()
    finally:
        setattr(owner, name, original)


def rope_with(change):
    tables = reference.rope_tables

    def changed(grid, head_dim, dtype):
        return change(tables, grid, head_dim, dtype)
    return changed


def unscaled_rope(tables, grid, head_dim, dtype):
    cos, sin = tables((16, 16), head_dim, dtype)
    pick = lambda t: t.reshape(16, 16, -1)[:grid[0], :grid[1]].flatten(0, 1)
    return pick(cos), pick(sin)


def swapped_rope(tables, grid, head_dim, dtype):
    return [t.roll(head_dim // 2, -1) for t in tables(grid, head_dim, dtype)]


def rotate_by_halves(x, cos, sin):
    patches = x[:, 1:]
    a, b = patches.chunk(2, -1)
    return torch.cat([x[:, :1], patches * cos + torch.cat([-b, a], -1) * sin], 1)


def rotate_all(x, cos, sin):
    """The class token rotated as if it were at the last patch's place."""
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * torch.cat([cos[-1:], cos]) + turned * torch.cat([sin[-1:], sin])


def antialiased(table, native, grid):
    patches = F.interpolate(
        table[1:].T.reshape(1, -1, *native), grid, mode="bicubic", antialias=True)
    return torch.cat([table[:1], patches.flatten(2)[0].T])


def without(key):
    """The parameters with every bias or gain of that name neutral."""
    def change(p):
        neutral = torch.ones_like if key.endswith("weight") else torch.zeros_like
        return {k: neutral(v) if k.endswith(key) else v for k, v in p.items()}
    return change


def swapped_gate(p):
    swap = {".mlp.w1.": ".mlp.w2.", ".mlp.w2.": ".mlp.w1."}
    return {next((k.replace(a, b) for a, b in swap.items() if a in k), k): v for k, v in p.items()}


def report(name, mistake, size, mode, right, wrong):
    change = (right - wrong).abs().max().item()
    print(f"| {name} | {mistake} | {mode} {size[0]}x{size[1]} | {change:.1e} |")


def main():
    torch.set_grad_enabled(False)
    print("| model | mistake | where | change |\n|---|---|---|---|")
    p = load("eva02")
    native, wide = (48, 48), (48, 72)
    tower = EvaTower(p, 2)
    for mistake, size, mode, owner, attribute, value in [
        ("layer norm eps 1e-5", wide, "qq", EvaTower, "eps", 1e-5),
        ("layer norm eps 1e-5", wide, "maskclip", EvaTower, "eps", 1e-5),
        ("decoupled scale 1/sqrt(d)", wide, "qq", EvaTower, "decoupled_scale", 0.125),
        ("RoPE positions not scaled to 16", wide, "qq", reference, "rope_tables",
         rope_with(unscaled_rope)),
        ("RoPE rows and columns swapped", wide, "qq", reference, "rope_tables",
         rope_with(swapped_rope)),
        ("RoPE pairs i and i + d/2", native, "qq", reference, "rotate_patches", rotate_by_halves),
        ("RoPE on the class token", native, "qq", reference, "rotate_patches", rotate_all),
        ("no RoPE", native, "qq", reference, "rotate_patches", lambda x, cos, sin: x),
        ("positions resized with antialiasing", (80, 80), "qq", reference, "resize_positions",
         antialiased),
    ]:
        wrong = patched(owner, attribute, value, lambda: features(tower, size, mode))
        report("eva02", mistake, size, mode, features(tower, size, mode), wrong)
    # Nearly invisible by nature: inner_attn_ln removes the factor but for its epsilon.
    report("eva02", "csa as a mean of its halves", wide, "csa", *mean_or_sum(tower, wide))
    for mistake, change in [
        ("no q bias", without("attn.q_bias")), ("no v bias", without("attn.v_bias")),
        ("inner LN gain forgotten", without("attn.inner_attn_ln.weight")),
        ("ffn LN bias forgotten", without("mlp.ffn_ln.bias")),
        ("w1 and w2 swapped", swapped_gate), ("head bias forgotten", without("visual.head.bias")),
    ]:
        wrong = features(EvaTower(change(p), 2), native, "qq")
        report("eva02", mistake, native, "qq", features(tower, native, "qq"), wrong)
    for name, other in (("openai-clip", "gelu"), ("openclip-gelu", "quick_gelu")):
        p, config = load(name), CONFIGURATIONS[name]
        size = config["sizes"][2]
        right = features(ClipTower(p, 2, config["activation"]), size, "qq")
        report(name, f"{other} for {config['activation']}", size, "qq", right,
               features(ClipTower(p, 2, other), size, "qq"))
        report(name, "layer norm eps 1e-6", size, "qq", right, patched(
            ClipTower, "eps", 1e-6,
            lambda: features(ClipTower(p, 2, config["activation"]), size, "qq")))
        report(name, "twice the heads", size, "qq", right,
               features(ClipTower(p, 4, config["activation"]), size, "qq"))
        report(name, "csa as a mean of its halves", size, "csa",
               *mean_or_sum(ClipTower(p, 2, config["activation"]), size))
        report(name, "k bias forgotten", size, "kk",
               features(ClipTower(p, 2, config["activation"]), size, "kk"),
               features(ClipTower(no_key_bias(p), 2, config["activation"]), size, "kk"))


def mean_or_sum(tower, size):
    halved = lambda *arguments: decoupled_attention(*arguments) / 2
    return features(tower, size, "csa"), patched(
        reference, "decoupled_attention", halved, lambda: features(tower, size, "csa"))


def no_key_bias(p):
    def clear(v):
        q, k, v = v.chunk(3)
        return torch.cat([q, torch.zeros_like(k), v])
    return {k: clear(v) if k.endswith("in_proj_bias") else v for k, v in p.items()}


if __name__ == "__main__":
    main()
