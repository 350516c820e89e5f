"""The test pictures: integer hashes only, so that any language repeats them bit for bit."""
import numpy as np

MASK = 0xFFFFFFFF


def mix(channel, row, column, seed):
    """32-bit hash of four non-negative integers; all arithmetic wraps modulo 2**32."""
    h = (channel * 0x9E3779B1 + row * 0x85EBCA77 + column * 0xC2B2AE3D + seed * 0x27D4EB2F) & MASK
    h ^= h >> 15
    h = (h * 0x2C1B3C6D) & MASK
    h ^= h >> 12
    h = (h * 0x297A2D39) & MASK
    h ^= h >> 15
    return h


def picture(height, width, seed):
    """A normalised model input [3, height, width] with values in [-2, 2), blocky at three scales.

    Large blocks make distant patches differ, small ones give each patch its texture. The final
    value is an integer divided by 128, which a float32 holds exactly.
    """
    c = np.arange(3, dtype=np.uint64)[:, None, None]
    y = np.arange(height, dtype=np.uint64)[None, :, None]
    x = np.arange(width, dtype=np.uint64)[None, None, :]
    s = np.uint64(seed)
    large = mix(c, y // 20, x // 20, 3 * s) & 255
    small = mix(c, y // 3, x // 3, 3 * s + 1) & 127
    fine = mix(c, y, x, 3 * s + 2) & 127
    level = (large + small + fine).astype(np.int64) - 256
    return level.astype(np.float32) / np.float32(128)
