"""Damage to bytes, drawn from a generator so that a seed repeats it."""

from __future__ import annotations

import random

__all__ = ["damage"]


def damage(data: bytearray, at: int, rng: random.Random) -> None:
    """Change, cut out or double some bytes of ``data`` from ``at`` on."""
    kind = rng.randrange(4)
    if kind == 0:
        data[at : at + 1] = bytes([rng.randrange(256)])
    elif kind == 1:
        data[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
    elif kind == 2:
        del data[at : at + rng.randrange(1, 64)]
    else:
        data[at:at] = data[at : at + rng.randrange(1, 64)]
