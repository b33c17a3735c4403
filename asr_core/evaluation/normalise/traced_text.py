"""Text whose characters know their positions in the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

__all__ = ["TracedText"]


@dataclass(frozen=True)
class TracedText:
    """Rewritten text.

    Attributes:
        origins: for each character of ``text``, its index in the source; never decreasing.
    """

    text: str
    origins: Sequence[int]

    def sub(self, pattern: re.Pattern[str], by: str) -> TracedText:
        """Return the text with each match of ``pattern`` replaced.

        The common prefix and suffix of match and replacement keep their origins; the characters in
        between get the origin where the differing part of the match ends.
        """
        pieces: list[str] = []
        origins: list[int] = []
        end = 0
        for match in pattern.finditer(self.text):
            start = match.start()
            pieces += self.text[end:start], by
            origins += self.origins[end:start]
            end = match.end()
            origins += _carried(match[0], by, self.origins[start:end])
        if not pieces:
            return self
        origins += self.origins[end:]
        return TracedText("".join([*pieces, self.text[end:]]), origins)


def _carried(old: str, new: str, origins: Sequence[int]) -> list[int]:
    n_before = _n_alike(old, new)
    n_after = _n_alike(old[n_before:][::-1], new[n_before:][::-1])
    n_middle = len(new) - n_before - n_after
    middle = [origins[max(0, len(old) - n_after - 1)]] * n_middle
    return [*origins[:n_before], *middle, *origins[len(old) - n_after :]]


def _n_alike(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
