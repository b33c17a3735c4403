"""Repetition: loops and spurious repeats of a decoder that has lost its place."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from asr_core.transcript import Word, comparison_key

__all__ = [
    "collapse_loop",
    "has_instant_repeat",
    "instant_repeats",
    "is_runaway",
    "is_too_fast",
    "loop_length",
    "spurious_repeats",
    "without_unspoken_tail",
]

MIN_LOOP_REPEATS = 3
"""Repetitions that make a loop: people say things twice; three times at the very end is suspect."""

MIN_SPURIOUS_WORDS = 3
"""Words of a spurious repeat; one or two may be spoken again in next to no time."""

MIN_MEAN_WORD_S = 0.08  # shortest mean duration of several spoken words (docs/tuning.md)

ONE_FRAME_S = 0.02  # a frame of the alignment: a word below it has no time at all

MAX_CHARACTERS_PER_S = 30.0  # without spaces; speech is slower (docs/tuning.md)

_CHARACTERS_PER_DIGIT = 4  # the length of most words for one

_RUNAWAY_ITEMS, _RUNAWAY_REPEATS = 32, 12  # more than anybody says in one breath

MAX_END_ERROR_S = 0.15  # of the detector or the alignment at the end of speech (docs/tuning.md)

_N_FAST_WORDS = 5  # judged together: alignment gives single words too little or too much


def is_too_fast(words: Sequence[Word]) -> bool:
    """Return True if the words take less time than anybody needs to say them."""
    n_characters = sum(map(_n_characters, words))
    return n_characters > MAX_CHARACTERS_PER_S * _seconds(words)


def has_instant_repeat(words: Sequence[Word], known: Sequence[str] = ()) -> bool:
    """Return True if a run of words is there twice, and once had no time to be spoken.

    Args:
        words: with their times.
        known: words before them, which were spoken.
    """
    return bool(instant_repeats(words, known))


def instant_repeats(words: Sequence[Word], known: Sequence[str] = ()) -> set[int]:
    """Return the indices of words in runs that stand elsewhere too and had no time to be spoken.

    A run of ``_N_FAST_WORDS`` is too fast, a shorter one of ``MIN_SPURIOUS_WORDS`` has no time
    at all. Each text keeps one of its runs, the longest in time.

    Args:
        words: with their times.
        known: words before them, which were spoken.
    """
    words = [*(Word(text, 0.0, math.inf, 1.0) for text in known), *words]
    texts = [comparison_key(word.text) for word in words]
    gone: set[int] = set()
    for size in (_N_FAST_WORDS, MIN_SPURIOUS_WORDS):
        begins: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for at in range(len(texts) - size + 1):
            begins[tuple(texts[at : at + size])].append(at)
        for same in begins.values():
            timed = sorted(same, key=lambda at: _seconds(words[at : at + size]))
            for at in timed[:-1]:
                run = words[at : at + size]
                is_instant = _seconds(run) < size * ONE_FRAME_S
                if is_instant or (size == _N_FAST_WORDS and is_too_fast(run)):
                    gone.update(range(at - len(known), at - len(known) + size))
    return gone


def without_unspoken_tail(
    words: Sequence[Word], speech_end_s: float, n_bursts: int
) -> tuple[Word, ...]:
    """Return ``words`` without those at the end that were written again after the speech.

    A decoder that misses the end of the speech repeats words; the alignment puts them where
    nobody speaks any more. Near the end of the speech they must have no time as well, all but
    the last, which gets the rest of the audio.

    Args:
        words: in order.
        speech_end_s: end of the speech, on the clock of the words.
        n_bursts: stretches of speech between pauses: so many words were spoken at least,
            wherever the alignment puts them.
    """
    for after_s in (MAX_END_ERROR_S, -MAX_END_ERROR_S):
        begin = len(words)
        while begin > n_bursts and words[begin - 1].start >= speech_end_s + after_s:
            begin -= 1
        is_untimed = all(word.end - word.start < ONE_FRAME_S for word in words[begin:-1])
        texts = [comparison_key(word.text) for word in words]
        if (is_untimed or after_s > 0) and _repeats(texts, len(words) - begin):
            words = words[:begin]
    return tuple(words)


def _repeats(texts: Sequence[str], n_tail: int) -> bool:
    """Return True if the last ``n_tail`` are there before; a few only if they stand beside that."""
    if n_tail >= MIN_SPURIOUS_WORDS:
        return set(texts[-n_tail:]) <= set(texts[:-n_tail])
    return any(_n_periodic(texts, period) >= n_tail for period in range(1, n_tail + 1))


def _seconds(words: Sequence[Word]) -> float:
    return sum(word.end - word.start for word in words)


def _n_characters(word: Word) -> int:
    """Return the number of characters, as long as they take to say in Latin letters."""
    return sum(map(_length, comparison_key(word.text)))


def _length(character: str) -> int:
    if character.isdecimal():
        return _CHARACTERS_PER_DIGIT
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1  # a syllable


def loop_length(items: Sequence[object]) -> int:
    """Return how many items at the end only repeat what came before them.

    Zero unless a phrase of any length is there ``MIN_LOOP_REPEATS`` times at the end; the last
    repetition may be cut short.
    """
    n = len(items)
    for period in range(1, n // MIN_LOOP_REPEATS + 1):
        n_same = _n_periodic(items, period)
        if n_same >= (MIN_LOOP_REPEATS - 1) * period:
            return n_same
    return 0


def is_runaway(items: Sequence[object]) -> bool:
    """Return True if the items go round without end: a short phrase, over and over."""
    last = items[-_RUNAWAY_ITEMS:]
    periods = range(1, _RUNAWAY_ITEMS // _RUNAWAY_REPEATS + 1)
    return len(last) == _RUNAWAY_ITEMS and any(last[p:] == last[:-p] for p in periods)


def collapse_loop(items: list[int]) -> list[int]:
    """Return ``items`` with the loop at their end cut to one repetition."""
    return items[: len(items) - loop_length(items)]


def spurious_repeats(texts: Sequence[str], seconds: Sequence[float]) -> list[int]:
    """Return the words that repeat what stands before them without having been spoken.

    Where the audio ends with a sentence, a decoder may miss the end and write it once more, or
    four repetitions of what was spoken three times; the alignment then finds no time for one of them.
    A sentence begun anew and broken off is kept: people do that.

    Args:
        texts: (n_words,) comparison keys.
        seconds: (n_words,) duration of each word.

    Returns:
        Indices of the words to remove, in ascending order.
    """
    n_timed = _n_before_untimed_loop(texts, seconds)
    untimed = list(range(n_timed, len(texts)))
    texts, seconds = texts[:n_timed], seconds[:n_timed]
    n_same, period = _longest_repeat(texts)
    at_the_end = _untimed_repeats(seconds, n_same, period) if n_same >= MIN_SPURIOUS_WORDS else []
    return [*(at_the_end or _untimed_run(texts, seconds)), *untimed]


def _n_before_untimed_loop(texts: Sequence[str], seconds: Sequence[float]) -> int:
    """Return the number of words before those at the end that had no time at all.

    All words count unless each of these stands before them: a decoder in a loop writes them
    where the audio has ended.
    """
    begin = len(texts)
    while begin and seconds[begin - 1] < ONE_FRAME_S:
        begin -= 1
    is_loop = len(texts) - begin >= MIN_SPURIOUS_WORDS and set(texts[begin:]) <= set(texts[:begin])
    return begin if is_loop else len(texts)


def _untimed_repeats(seconds: Sequence[float], n_same: int, period: int) -> list[int]:
    """Return the indices of all repetitions at the end but one, if they had no time."""
    n_cut_short = n_same % period
    n_whole = n_same - n_cut_short
    whole_end = len(seconds) - n_cut_short
    # Whichever repetitions are removed, the same text is left, so remove the shortest.
    begins = range(whole_end - n_whole - period, whole_end - n_whole + 1)
    begin = min(begins, key=lambda at: sum(seconds[at : at + n_whole]))
    indices = [*range(begin, begin + n_whole), *range(whole_end, len(seconds))]
    is_spoken = sum(seconds[at] for at in indices) >= n_same * MIN_MEAN_WORD_S
    return [] if is_spoken else indices


def _untimed_run(texts: Sequence[str], seconds: Sequence[float]) -> list[int]:
    """Return the longest run that had no time and stands again beside itself.

    The text says the same without it: one repetition of several, as where three were spoken and four
    are written.
    """
    until_s = [0.0, *accumulate(seconds)]
    for size in range(len(texts) // 2, MIN_SPURIOUS_WORDS - 1, -1):
        n_same = 0  # words in a row up to here that are there again, ``size`` words later
        for at in range(len(texts) - size + 1):
            for begin in range(at - n_same, at + 1) if n_same >= size else ():
                if until_s[begin + size] - until_s[begin] < size * MIN_MEAN_WORD_S:
                    return list(range(begin, begin + size))
            is_same = at + size < len(texts) and texts[at] == texts[at + size]
            n_same = n_same + 1 if is_same else 0
    return []


def _longest_repeat(items: Sequence[object]) -> tuple[int, int]:
    """Return how many items at the end repeat those one period before, and the period.

    At least one whole period repeats; both are 0 if none does.
    """
    longest = (0, 0)
    for period in range(1, len(items) // 2 + 1):
        n_same = _n_periodic(items, period)
        if n_same >= max(period, longest[0] + 1):
            longest = (n_same, period)
    return longest


def _n_periodic(items: Sequence[object], period: int) -> int:
    """Return how many items at the end equal those one period before them."""
    n, n_same = len(items), 0
    while n_same < n - period and items[n - 1 - n_same] == items[n - 1 - n_same - period]:
        n_same += 1
    return n_same
