"""Round millions, counted as one word as they are spoken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asr_core.evaluation.normalise.lexemes import Lexeme

__all__ = ["collapse_zeros"]

_POWER_NAMES = {12: "trillion", 9: "billion", 6: "million"}


def collapse_zeros(words: Iterable[Lexeme]) -> Iterator[Lexeme]:
    """Yield ``words`` with the last 6, 9 or 12 zeros of a run of digits as one word."""
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
    power = next((power for power in _POWER_NAMES if power <= n_zeros < len(digits)), 0)
    if not power:
        return run
    name = _POWER_NAMES[power] + run[-1].text[1:]
    return [*run[:-power], Lexeme(name, run[-power].start, run[-1].end)]
