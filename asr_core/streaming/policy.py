"""Commit policy: where a word becomes final, as pure functions of hypotheses.

- `local_agreement` decides which words become final and never change again;
- `stabilize_partial` decides which of the words after them are shown meanwhile;
- `after_committed` finds where a new hypothesis goes on after the final words;
- `trim_point` decides after which final word a long window is cut.

Times and audio lengths come in as arguments; thresholds are in `StreamingConfig`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence, Set
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import accumulate

from rapidfuzz.distance import Levenshtein

from asr_core.streaming.config import STREAMING_DEFAULTS, StreamingConfig, value_at
from asr_core.text.numbers import digit_key
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Word, comparison_key

__all__ = [
    "after_committed",
    "drop_unfinished_tail",
    "local_agreement",
    "stabilize_partial",
    "trim_point",
]

_DIGIT = re.compile(r"(?:^\D*)?\d\D*")


def local_agreement(
    previous: Sequence[Word],
    current: Sequence[Word],
    audio_end_s: float,
    config: StreamingConfig = STREAMING_DEFAULTS,
) -> int:
    """Return how many words at the start of ``current`` become final: LocalAgreement-2.

    Two consecutive hypotheses over growing audio must begin with the same words (Liu et al.
    2020; for Whisper, Macháček et al. 2023), and enough audio must follow each word
    (``commit_delay_s``).

    Args:
        previous: words of the last hypothesis after those that are final already.
        current: the same of this hypothesis.
        audio_end_s: end of the audio on the words' clock, seconds.
        config: thresholds.
    """
    following = (*current[1:], *current[-1:])
    n = 0
    for before, now, after in zip(previous, current, following, strict=False):
        same = digit_key(before.text) == digit_key(now.text)
        delay_s = commit_delay_s(agreement_confidence(before, now, after), config)
        if not same or now.end > audio_end_s - delay_s:
            break
        n += 1
    return n


def agreement_confidence(before: Word, now: Word, following: Word) -> float:
    """Return the confidence in a word that two hypotheses share, 0 to 1.

    The geometric mean of its lower probability and the next word's: a misrecognised word
    makes what follows it improbable.
    """
    return math.sqrt(min(before.probability, now.probability) * following.probability)


def commit_delay_s(confidence: float, config: StreamingConfig = STREAMING_DEFAULTS) -> float:
    """Return how many seconds of audio must follow a word of this confidence."""
    return value_at(config.commit_delay_s, confidence)


def drop_unfinished_tail(
    tentative: Sequence[Word], audio_end_s: float, config: StreamingConfig = STREAMING_DEFAULTS
) -> tuple[Word, ...]:
    """Return the words before the first that the end of the audio may have cut in two."""
    is_cut = (
        word.end > audio_end_s - value_at(config.tail_margin_s, word.probability)
        for word in tentative
    )
    n = next((i for i, cut in enumerate(is_cut) if cut), len(tentative))
    return tuple(tentative[:n])


def stabilize_partial(
    shown: Sequence[Word],
    previous: Sequence[Word],
    current: Sequence[Word],
    audio_end_s: float,
    config: StreamingConfig = STREAMING_DEFAULTS,
) -> tuple[Word, ...]:
    """Return the words to show for ``current`` in place of ``shown``.

    New words are shown as soon as they are complete. Words that are shown are replaced at once
    if the replacement has ``switch_margin_words`` more expected correct words (the sum of
    their probabilities), otherwise only by what two consecutive hypotheses agree on: most
    changes of a partial result are taken back by the next one (on the stability of partials:
    Shangguan et al. 2020).

    Args:
        shown: what is shown now.
        previous: words of the last hypothesis.
        current: words of this hypothesis; all three start after the final words.
        audio_end_s: end of the audio on the words' clock, seconds.
        config: thresholds.
    """
    shown_texts, texts, previous_texts = (_texts(words) for words in (shown, current, previous))
    n_complete = len(drop_unfinished_tail(current, audio_end_s, config))
    result: list[Word] = []
    matcher = SequenceMatcher(None, shown_texts, texts, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        old, new = shown[a:b], current[c : d if kind == "equal" else min(d, n_complete)]
        is_replaced = (
            kind in ("equal", "insert")
            or _n_expected(new) > _n_expected(old) + config.switch_margin_words
            or (
                (new or kind == "delete")
                and _contains_in_place(previous_texts, texts, c, c + len(new))
            )
        )
        result += new if is_replaced else old
    return tuple(result)


def _n_expected(words: Sequence[Word]) -> float:
    """Return the expected number of correct words."""
    return sum(word.probability for word in words)


def _contains_in_place(
    previous: Sequence[str], current: Sequence[str], start: int, stop: int
) -> bool:
    """Return True if ``current[start:stop]`` is in ``previous`` between the same two words."""
    end = "\n"  # no word contains it
    part = [*current, end][max(0, start - 1) : stop + 1]
    texts = [*previous, end]
    return any(texts[at : at + len(part)] == part for at in range(len(texts)))


def _texts(words: Sequence[Word]) -> list[str]:
    return [comparison_key(word.text) for word in words]


def after_committed(
    committed: Sequence[Word],
    hypothesis: Sequence[Word],
    config: StreamingConfig = STREAMING_DEFAULTS,
) -> tuple[Word, ...]:
    """Return the words of ``hypothesis`` after those that are final already.

    Another pass over the same audio may spell the committed words differently, so they are
    matched with the most similar prefix of the hypothesis: the one with the fewest character
    edits (numbers in any spelling are equal) and the least speech on the wrong side of the end
    of the last committed word. A number of which only the first digits are final is split.

    Args:
        committed: the final words of the window.
        hypothesis: all words of the window, on the same clock.
        config: thresholds.
    """
    if not committed:
        return tuple(hypothesis)
    parts = [_split_digits(word) for word in hypothesis]
    pieces = [piece for word in parts for piece in word]
    word_ends = {0, *accumulate(map(len, parts))}  # numbers of pieces that split no word
    n = _n_committed_pieces(committed, pieces, word_ends, config)
    n_next = min(end for end in word_ends if end >= n)
    return (*_join_digits(pieces[n:n_next]), *hypothesis[sum(e < n_next for e in word_ends) :])


def _n_committed_pieces(
    committed: Sequence[Word], pieces: Sequence[Word], word_ends: Set[int], config: StreamingConfig
) -> int:
    """Return how many of the pieces match the committed words best."""
    target, end_s = _match_key(committed, config), committed[-1].end
    # A pause may lie within the first word's time: what of it comes after the end is not counted.
    after_s = (0.0, *accumulate((_overlap_s(p, end_s, math.inf) for p in pieces[1:]), initial=0.0))
    before_s = (0.0, *accumulate(_overlap_s(piece, 0.0, end_s) for piece in pieces))
    lengths = (0, *accumulate(len(_match_key([piece], config)) for piece in pieces))

    def time_cost(n: int) -> float:
        wrong_side_s = after_s[n] + before_s[-1] - before_s[n]
        return min(config.max_time_edits, config.edits_per_s * wrong_side_s)

    def lower_bound(n: int) -> float:
        """Return a bound of the cost that needs no comparison of the texts."""
        edits = max(0, abs(lengths[n] - len(target)) - config.number_slack_chars)
        return edits + time_cost(n) - config.same_end_edits

    def cost(n: int) -> float:
        edits = Levenshtein.distance(target, _match_key(pieces[:n], config))
        has_same_end = n > 0 and target.endswith(_match_key(pieces[n - 1 : n], config))
        split = config.number_split_edits * (n not in word_ends)
        return edits + time_cost(n) + split - config.same_end_edits * has_same_end

    best = (math.inf, 0)
    for n in sorted(range(len(pieces) + 1), key=lower_bound):
        if lower_bound(n) > best[0]:
            break
        best = min(best, (cost(n), n))
    return best[1]


def _match_key(words: Sequence[Word], config: StreamingConfig) -> str:
    """Return the text to compare: numbers as digits, each as long as a word."""
    text = digit_key(" ".join(word.text for word in words))
    return "".join(c * config.edits_per_digit if c.isdecimal() else c for c in text)


def _overlap_s(word: Word, start_s: float, end_s: float) -> float:
    return max(0.0, min(word.end, end_s) - max(word.start, start_s))


def _split_digits(word: Word) -> list[Word]:
    """Return a piece for each digit of a number, which share its time; other words whole."""
    texts = _DIGIT.findall(word.text)
    each_s = (word.end - word.start) / max(1, len(texts))
    starts = [word.start + i * each_s for i in range(len(texts))]
    return [
        replace(word, text=text, start=start, end=start + each_s)
        for text, start in zip(texts, starts, strict=True)
    ] or [word]


def _join_digits(pieces: Sequence[Word]) -> tuple[Word, ...]:
    """Return the word that the last digits of a number make; empty for no pieces."""
    if not pieces:
        return ()
    text = "".join(piece.text for piece in pieces)
    return (Word(f" {text}", pieces[0].start, pieces[-1].end, pieces[0].probability),)


def trim_point(committed: Sequence[Word], language: str | None = None) -> int:
    """Return after how many of the committed words a long window is best cut.

    After the last sentence if one ends there, else in the widest gap of the later half; at
    least 1, so that the window shrinks.
    """
    for n in range(len(committed), 0, -1):
        following = committed[n] if n < len(committed) else None
        if ends_sentence(committed[:n], following, language):
            return n
    later = range(max(1, len(committed) // 2), len(committed))
    gaps = {n: committed[n].start - committed[n - 1].end for n in later}
    return max(gaps, key=lambda n: gaps[n]) if gaps else len(committed)
