"""Phrases over and over: how a decoder fails that has lost its place."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from asr_core.transcript import Word, normalised

__all__ = ["first_turn", "is_crammed", "is_written_again", "length_of_cycle", "unspoken"]

MIN_TURNS = 3
"""People say things twice; three times at the very end is suspect."""

MIN_UNSPOKEN = 3
"""Words; one or two may be said again in next to no time."""

SHORTEST_WORD_S = 0.08
"""In the mean of several. Of 15 phrases that tiny.en wrote twice in 2204 looks at 942 s of
speech 13 had less for the words of one of the two times."""


NO_TIME_S = 0.02  # a frame of the alignment

MAX_CHARACTERS_PER_S = 30.0
"""Without spaces. In sentences that were said again five words had at most 23; in a turn that was
not said the alignment finds no time at all (tiny.en)."""

_N_AT_ONCE = 5  # words; the alignment gives single ones too little or too much


def is_crammed(words: Sequence[Word]) -> bool:
    """Return whether the words take less time than anybody needs to say them."""
    n_characters = sum(map(_length, words))
    return n_characters > MAX_CHARACTERS_PER_S * sum(word.end - word.start for word in words)


def is_written_again(words: Sequence[Word]) -> bool:
    """Return whether ``_N_AT_ONCE`` in a row stand elsewhere too and had no time to be said."""
    texts = [normalised(word.text) for word in words]
    runs = [tuple(texts[at : at + _N_AT_ONCE]) for at in range(len(texts) - _N_AT_ONCE + 1)]
    n_times = Counter(runs)
    return any(
        n_times[run] > 1 and is_crammed(words[at : at + _N_AT_ONCE]) for at, run in enumerate(runs)
    )


def _length(word: Word) -> int:
    """Return the characters; one of Chinese or Japanese is a syllable, and counts as two."""
    text = normalised(word.text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def length_of_cycle(items: Sequence[object]) -> int:
    """How many items at the end only repeat what came before them.

    Zero unless a phrase of any length takes at least ``MIN_TURNS`` turns at the
    end, the last of which may be cut short.
    """
    n = len(items)
    for period in range(1, n // MIN_TURNS + 1):
        n_same = _n_same(items, period)
        if n_same >= (MIN_TURNS - 1) * period:
            return n_same
    return 0


def first_turn(items: list[int]) -> list[int]:
    """``items`` with the cycle at its end cut to one turn."""
    return items[: len(items) - length_of_cycle(items)]


def unspoken(texts: Sequence[str], seconds: Sequence[float]) -> list[int]:
    """Which words only repeat what stands before them, without having been said.

    Where the audio ends with a sentence, a decoder may miss the end and write all of it
    once more, and of what was said three times four turns; the alignment then finds no time
    for one of them. What is begun anew and
    not said to its end is left: people do that.

    Args:
        texts: (n_words,), normalised.
        seconds: (n_words,), how long each lasts.

    Returns:
        Their places, ascending; the others say the same once.
    """
    n_said = _n_with_time(texts, seconds)
    behind = list(range(n_said, len(texts)))
    texts, seconds = texts[:n_said], seconds[:n_said]
    n_same, period = _longest_repeat(texts)
    at_the_end = _all_turns(seconds, n_same, period) if n_same >= MIN_UNSPOKEN else []
    return [*(at_the_end or _one_run(texts, seconds)), *behind]


def _n_with_time(texts: Sequence[str], seconds: Sequence[float]) -> int:
    """Return how many words are left without those at the end that took no time at all, if each
    of these stands before them: a decoder that goes round and round writes them where the audio
    has ended."""
    begin = len(texts)
    while begin and seconds[begin - 1] < NO_TIME_S:
        begin -= 1
    is_loop = len(texts) - begin >= MIN_UNSPOKEN and set(texts[begin:]) <= set(texts[:begin])
    return begin if is_loop else len(texts)


def _all_turns(seconds: Sequence[float], n_same: int, period: int) -> list[int]:
    """Return the places of all turns at the end but one, if they took no time."""
    n_cut_short = n_same % period
    n_whole = n_same - n_cut_short
    whole_end = len(seconds) - n_cut_short
    # Whichever of the turns go, the same text is left: those go that took least.
    begins = range(whole_end - n_whole - period, whole_end - n_whole + 1)
    begin = min(begins, key=lambda at: sum(seconds[at : at + n_whole]))
    places = [*range(begin, begin + n_whole), *range(whole_end, len(seconds))]
    is_said = sum(seconds[at] for at in places) >= n_same * SHORTEST_WORD_S
    return [] if is_said else places


def _one_run(texts: Sequence[str], seconds: Sequence[float]) -> list[int]:
    """Return the longest run, wherever, that took no time and without which the text says the
    same: one turn or more of several, as where three were said and four are written."""
    until_s = [0.0, *accumulate(seconds)]
    for size in range(len(texts) // 2, MIN_UNSPOKEN - 1, -1):
        n_same = 0  # words in a row up to here that stand there again, so many later
        for at in range(len(texts) - size + 1):
            for begin in range(at - n_same, at + 1) if n_same >= size else ():
                if until_s[begin + size] - until_s[begin] < size * SHORTEST_WORD_S:
                    return list(range(begin, begin + size))
            is_same = at + size < len(texts) and texts[at] == texts[at + size]
            n_same = n_same + 1 if is_same else 0
    return []


def _longest_repeat(items: Sequence[object]) -> tuple[int, int]:
    """How many items at the end repeat those one period before them, a whole one at
    least, and the period; two zeros if none do."""
    longest = (0, 0)
    for period in range(1, len(items) // 2 + 1):
        n_same = _n_same(items, period)
        if n_same >= max(period, longest[0] + 1):
            longest = (n_same, period)
    return longest


def _n_same(items: Sequence[object], period: int) -> int:
    n, n_same = len(items), 0
    while n_same < n - period and items[n - 1 - n_same] == items[n - 1 - n_same - period]:
        n_same += 1
    return n_same
