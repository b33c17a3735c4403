"""Zeros that are counted as one word, as they are said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asr_core.testbench.normalise.lexemes import Lexeme

__all__ = ["in_millions"]

_NAMES = {12: "trillion", 9: "billion", 6: "million"}


def in_millions(words: Iterable[Lexeme]) -> Iterator[Lexeme]:
    """Yield ``words`` with the last six, nine or twelve zeros of a run of digits as one."""
    run: list[Lexeme] = []
    for word in words:
        if not word.text[0].isdecimal():
            yield from _shortened(run)
            yield word
            run = []
        elif word.text.isdecimal():
            run.append(word)
        else:  # the last digit of an ordinal
            yield from _shortened([*run, word])
            run = []
    yield from _shortened(run)


def _shortened(run: list[Lexeme]) -> list[Lexeme]:
    digits = "".join(word.text[0] for word in run)
    n_zeros = len(digits) - len(digits.rstrip("0"))
    power = next((power for power in _NAMES if power <= n_zeros < len(digits)), 0)
    if not power:
        return run
    name = _NAMES[power] + run[-1].text[1:]
    return [*run[:-power], Lexeme(name, run[-power].start, run[-1].end)]
