"""When a word is final, and which others are shown: pure functions of hypotheses."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence, Set
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import accumulate

from rapidfuzz.distance import Levenshtein

from asr_core.numbers import as_digits
from asr_core.sentences import ends_sentence
from asr_core.transcript import Word, normalised

__all__ = ["agreed", "best_cut", "heard_whole", "remaining", "steady"]

PATIENCE = ((0.8, 0.5), (0.6, 1.2), (0.25, 2.3), (0.0, 4.0))
"""How much has to be said after a word before agreement makes it final: from
which ``trust`` in it on, how many seconds. Less than the first, and the word may
be cut in two; what the model doubts, it often corrects when it hears more."""

EDGES = ((0.8, 0.02), (0.5, 0.25), (0.0, 0.5))
"""Words that end this close to the end of the audio may have been cut in two: from
which probability on, how many seconds. More hides words that are right for longer,
less shows more that are changed again."""

GAIN = 0.6
"""By how many words more a change has to be right, as far as the model believes, for
a reader to see it at once. Less shows more changes that are taken back."""

EDITS_PER_S = 10.0
"""How many edits of characters weigh as much as a second of speech on the wrong side of the
last final word: somewhat less than are said in it (an estimate), since the times of a word
differ between two hypotheses."""

MAX_EDITS_FOR_TIME = 6.0
"""Altogether: now and then an alignment is off by seconds, and the text alone is right."""

EDITS_FOR_END = 3.0
"""For a hypothesis left out up to the last final word itself, however its time differs."""

EDITS_PER_DIGIT = 4
"""As long as most words that say one."""

EDITS_PER_CUT = 2.0
"""Against cutting a number in two where that explains the final words hardly better."""

_SLACK = 8  # characters by which a number may be shorter together than word by word

_DIGIT = re.compile(r"(?:^\D*)?\d\D*")


def agreed(previous: Sequence[Word], current: Sequence[Word], audio_end_s: float) -> int:
    """How many words at the start of ``current`` are final: LocalAgreement-2.

    Two hypotheses in a row over growing audio must begin with the same words
    (Liu et al. 2020; for Whisper, Macháček et al. 2023), and after each word
    enough must have been said (``PATIENCE``).

    Both sequences start after the words that are final already.
    """
    following = (*current[1:], *current[-1:])
    n = 0
    for before, now, after in zip(previous, current, following, strict=False):
        same = as_digits(before.text) == as_digits(now.text)
        if not same or now.end > audio_end_s - patience_s(trust(before, now, after)):
            break
        n += 1
    return n


def trust(before: Word, now: Word, following: Word) -> float:
    """How far a word that two hypotheses share is to be believed, 0 to 1.

    The geometric mean of its own probability, the lower of the two, and of the next
    word's: a word that was misheard makes improbable what follows it.
    """
    return math.sqrt(min(before.probability, now.probability) * following.probability)


def heard_whole(tentative: Sequence[Word], audio_end_s: float) -> tuple[Word, ...]:
    """The words before the first that the end of the audio may have cut in two."""
    cut = (w.end > audio_end_s - _step(EDGES, w.probability) for w in tentative)
    n = next((i for i, is_cut in enumerate(cut) if is_cut), len(tentative))
    return tuple(tentative[:n])


def steady(
    shown: Sequence[Word], previous: Sequence[Word], current: Sequence[Word], audio_end_s: float
) -> tuple[Word, ...]:
    """What to show of the hypothesis ``current`` where ``shown`` stands.

    New words come as soon as they are heard whole, and one that stands there stays
    where the audio ends close behind it. It gives way to others at once where more of
    them are expected to be right (the sum of their probabilities) by ``GAIN``; else
    only to what two hypotheses in a row say, because most changes of a partial result
    are taken back by the next one (on the stability of partials: Shangguan et al. 2020).
    All three sequences start after the words that are final already.
    """
    was, now, before = (_texts(words) for words in (shown, current, previous))
    n_whole = len(heard_whole(current, audio_end_s))
    result: list[Word] = []
    for kind, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        stands, new = shown[a:b], current[c : d if kind == "equal" else min(d, n_whole)]
        gives_way = (
            kind in ("equal", "insert")
            or _expected(new) > _expected(stands) + GAIN
            or ((new or kind == "delete") and _says(before, now, c, c + len(new)))
        )
        result += new if gives_way else stands
    return tuple(result)


def _expected(words: Sequence[Word]) -> float:
    """How many of the words are right, as far as the model believes."""
    return sum(word.probability for word in words)


def _says(before: Sequence[str], now: Sequence[str], start: int, stop: int) -> bool:
    """Whether the words ``now[start:stop]`` stand in ``before`` too, between the same two."""
    end = "\n"  # a word's text is a line at most
    part = [*now, end][max(0, start - 1) : stop + 1]
    texts = [*before, end]
    return any(texts[at : at + len(part)] == part for at in range(len(texts)))


def _texts(words: Sequence[Word]) -> list[str]:
    return [normalised(word.text) for word in words]


def patience_s(trusted: float) -> float:
    """What has to be said after a word that is trusted this far (``trust``), seconds."""
    return _step(PATIENCE, trusted)


def _step(steps: Sequence[tuple[float, float]], probability: float) -> float:
    return next(seconds for least, seconds in steps if probability >= least)


def remaining(committed: Sequence[Word], hypothesis: Sequence[Word]) -> tuple[Word, ...]:
    """Return the words of ``hypothesis`` after those that are final already.

    A fresh look at the same audio may spell the committed words otherwise; they stay as they
    are, and the beginning of the hypothesis that resembles them most is left out: fewest
    edits of characters, numbers in any spelling being one, and least speech on the wrong side
    of where the last of them ends. Both sequences are on one clock. A number of which only
    the first digits are final is cut in two.
    """
    if not committed:
        return tuple(hypothesis)
    parts = [_digit_by_digit(word) for word in hypothesis]
    pieces = [piece for word in parts for piece in word]
    whole = {0, *accumulate(map(len, parts))}  # after how many pieces a word ends
    n = _n_final(committed, pieces, whole)
    n_next = min(at for at in whole if at >= n)
    return (*_number(pieces[n:n_next]), *hypothesis[sum(at < n_next for at in whole) :])


def _n_final(committed: Sequence[Word], pieces: Sequence[Word], whole: Set[int]) -> int:
    """Return how many of the pieces say what is final; ``whole`` are those that cut no word."""
    wanted, end_s = _compared(committed), committed[-1].end
    # A first word may have been said long before its time: a pause after it is taken off.
    passed_s = (0.0, *accumulate((_overlap_s(p, end_s, math.inf) for p in pieces[1:]), initial=0.0))
    until_end_s = (0.0, *accumulate(_overlap_s(piece, 0.0, end_s) for piece in pieces))
    lengths = (0, *accumulate(len(_compared([piece])) for piece in pieces))

    def for_time(n: int) -> float:
        wrong_s = passed_s[n] + until_end_s[-1] - until_end_s[n]
        return min(MAX_EDITS_FOR_TIME, EDITS_PER_S * wrong_s)

    def least(n: int) -> float:
        """Return what the mismatch cannot be below, without comparing the texts."""
        edits = max(0, abs(lengths[n] - len(wanted)) - _SLACK)
        return edits + for_time(n) - EDITS_FOR_END

    def mismatch(n: int) -> float:
        edits = Levenshtein.distance(wanted, _compared(pieces[:n]))
        ends_alike = n > 0 and wanted.endswith(_compared(pieces[n - 1 : n]))
        cut = EDITS_PER_CUT * (n not in whole)
        return edits + for_time(n) + cut - EDITS_FOR_END * ends_alike

    best = (math.inf, 0)
    for n in sorted(range(len(pieces) + 1), key=least):
        if least(n) > best[0]:
            break
        best = min(best, (mismatch(n), n))
    return best[1]


def _compared(words: Sequence[Word]) -> str:
    """Return the text as it is compared: numbers in digits, each as long as a word."""
    text = as_digits(" ".join(word.text for word in words))
    return "".join(c * EDITS_PER_DIGIT if c.isdecimal() else c for c in text)


def _overlap_s(word: Word, start_s: float, end_s: float) -> float:
    return max(0.0, min(word.end, end_s) - max(word.start, start_s))


def _digit_by_digit(word: Word) -> list[Word]:
    """Return a number in digits as a piece for each, its time shared out, else the word."""
    texts = _DIGIT.findall(word.text)
    each_s = (word.end - word.start) / max(1, len(texts))
    starts = [word.start + i * each_s for i in range(len(texts))]
    return [
        replace(word, text=text, start=start, end=start + each_s)
        for text, start in zip(texts, starts, strict=True)
    ] or [word]


def _number(pieces: Sequence[Word]) -> tuple[Word, ...]:
    """Return the word that the last digits of a number make, if there are any."""
    if not pieces:
        return ()
    text = "".join(piece.text for piece in pieces)
    return (Word(f" {text}", pieces[0].start, pieces[-1].end, pieces[0].probability),)


def best_cut(committed: Sequence[Word], language: str | None = None) -> int:
    """After how many of the final words a long window is best cut.

    After the last sentence if one ends there, else in the widest gap of the
    later half; at least one word goes, so that the window shrinks.
    """
    for n in range(len(committed), 0, -1):
        following = committed[n] if n < len(committed) else None
        if ends_sentence(committed[:n], following, language):
            return n
    later = range(max(1, len(committed) // 2), len(committed))
    gaps = {n: committed[n].start - committed[n - 1].end for n in later}
    return max(gaps, key=lambda n: gaps[n]) if gaps else len(committed)
