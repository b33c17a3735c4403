"""Tools for hostile cases: an attack's random source, odd texts and damaged bytes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.raw.client import Client
from tests.raw.cuts import Where
from tests.support.damage import damage

__all__ = ["NUMBERS", "TEXTS", "Attack", "Case", "damaged", "odd_json"]

TEXTS = (
    "", " ", "0", "-1", "nan", "../../../etc/passwd", "/etc/passwd", "C:\\nul", "\x00", "a\nb",
    "%00%0a", "%n%s%x", "{0.__class__}", "${HOME}", "<script>alert(1)</script>", "'; DROP TABLE x;",
    "\u202e\u200b\ufeff", "\U0010ffff", "é" * 300, "[" * 5000, "x" * 100_000, "$$ID-x-None",
    "owner/../../name", "http://127.0.0.1:1/x", "base", "Other…", "None", "true", "=1+1", "🎙️" * 99,
)  # fmt: skip
NUMBERS = (0, 1, -1, 7, 255, 2**31 - 1, -(2**31), 2**53, 2**62, -(2**62))


@dataclass(frozen=True)
class Attack:
    """One case: its target, its random source, and an observer of the answers.

    Attributes:
        watch: called with everything that comes back, as bytes.
    """

    where: Where
    rng: random.Random
    watch: Callable[[bytes], None]

    @contextlib.asynccontextmanager
    async def visitor(self, path: str = "/", *, model: str = "") -> AsyncIterator[Client]:
        """Open a page as a visitor whose messages are all observed."""
        client = Client(self.where.address, watch=self.watch)
        try:
            await client.open(path, query=self.where.query)
            if model:
                await client.choose("Model", model)
            yield client
        finally:
            await client.close()

    def text(self) -> str:
        """Return an odd text."""
        rng = self.rng
        some = rng.choice(TEXTS)
        return (
            some
            if rng.random() < 0.8
            else some + "".join(chr(rng.randrange(1, 0xD800)) for _ in range(9))
        )

    def with_seed(self, seed: str) -> Attack:
        return replace(self, rng=random.Random(seed))


Case = Callable[[Attack], Awaitable[None]]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with some of them changed, cut out or doubled."""
    mutable = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 32))):
        at = rng.randrange(max(1, len(mutable)))
        damage(mutable, at, rng)
    return bytes(mutable)


def odd_json(rng: random.Random, depth: int = 3) -> Any:
    """Return a JSON value of any shape."""
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return rng.choice(TEXTS)[:2000]
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind < 5:
        return rng.choice((None, True, False, 1.5, -0.0, 1e308))
    if kind == 5:
        return [odd_json(rng, depth - 1) for _ in range(rng.randrange(5))]
    keys = ("playing", "sdpOffer", "iceCandidates", "sdp", "type", "texts", "0", "", "id", "x")
    return {rng.choice(keys): odd_json(rng, depth - 1) for _ in range(rng.randrange(5))}
