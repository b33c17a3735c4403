"""When a word is final, and which others are shown: pure functions of hypotheses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

from rapidfuzz.distance import Levenshtein

from asr_core.sentences import ends_sentence
from asr_core.transcript import Word, normalised

__all__ = ["agreed", "best_cut", "continuation", "heard_whole", "steady"]

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
        same = normalised(before.text) == normalised(now.text)
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


def continuation(committed: Sequence[Word], hypothesis: Sequence[Word]) -> int:
    """Where ``hypothesis`` goes on after the words that are final already.

    A fresh look at the same audio may spell the committed words otherwise; they
    stay as they are, and the part of the hypothesis that resembles them most
    (fewest edits of characters; where equal, nearest in time) is skipped.

    Returns:
        The number of words of ``hypothesis`` to skip. Times of both sequences
        are on one clock.
    """
    if not committed:
        return 0
    wanted = normalised("".join(word.text for word in committed))
    end_s = committed[-1].end

    def mismatch(n: int) -> tuple[float, float]:
        text = normalised("".join(word.text for word in hypothesis[:n]))
        reached_s = hypothesis[n - 1].end if n else committed[0].start
        return Levenshtein.distance(wanted, text), abs(reached_s - end_s)

    return min(range(len(hypothesis) + 1), key=mismatch)


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
