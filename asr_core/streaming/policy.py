"""Commit policy: where a word becomes final, as pure functions of hypotheses.

- `local_agreement` decides which words become final and never change again;
- `stabilize_partial` decides which of the words after them are shown meanwhile;
- `words_after` keeps of an older hypothesis what follows the words that became final;
- `trim_point` decides after which final word a long window is cut.

Times and audio lengths come in as arguments; thresholds are in `StreamingConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

from asr_core.streaming.config import STREAMING_DEFAULTS, StreamingConfig, value_at
from asr_core.text.numbers import digit_key
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Word, comparison_key

__all__ = [
    "drop_unfinished_tail",
    "local_agreement",
    "stabilize_partial",
    "trim_point",
    "words_after",
]


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


def words_after(words: Sequence[Word], current: Sequence[Word], n_final: int) -> tuple[Word, ...]:
    """Return the ``words`` that stand for ``current`` after its first ``n_final`` words.

    Args:
        words: an older hypothesis of the same speech; the same words may be spelled differently.
        current: the newer one.
        n_final: how many of its words became final.
    """
    matcher = SequenceMatcher(None, _texts(words), _texts(current), autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        if d >= n_final:
            return tuple(words[min(b, a + n_final - c) if d > n_final else b :])
    return ()


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
