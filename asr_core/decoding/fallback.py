"""Fallback decoding: further attempts at a window whose hypothesis is not to be trusted.

One :class:`Attempts` per window serves both modes: streaming adds a hypothesis at a time,
:func:`decode_with_fallback` drives a batch of windows to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from asr_core.engines.base import Hypothesis, Window, without_words
from asr_core.text.repetition import has_instant_repeat, instant_repeats, is_too_fast, loop_length
from asr_core.transcript import comparison_key

__all__ = [
    "FALLBACK_SCHEDULE",
    "FINAL_BEAM_SIZE",
    "Attempts",
    "decode_with_fallback",
    "is_repetitive",
    "needs_fallback",
    "select_hypothesis",
]

FINAL_BEAM_SIZE = 5  # beams of a window that is decoded for good (docs/tuning.md)

FALLBACK_SCHEDULE = ((1.0, 30.0), (1.15, 30.0), (1.3, 30.0))
"""Repetition penalty and encoder context (seconds) of each further attempt.

The first widens the context to what Whisper was trained on, the others also penalise
repetition. Nothing is sampled at random, unlike openai-whisper's temperature fallback, so
that a recording always gives the same words.
"""

# Radford et al. 2022, section 4.5, and the defaults of openai-whisper.
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0

# Repetition that the model believes this much was spoken (docs/tuning.md).
MIN_AVG_LOGPROB_IF_REPETITIVE = -0.5


@dataclass(frozen=True)
class Attempts:
    """Hypotheses of one window so far: the plain one first, then the fallbacks."""

    hypotheses: tuple[Hypothesis, ...] = ()

    @property
    def is_done(self) -> bool:
        """True once the last hypothesis is trusted or a further one would change nothing."""
        if not self.hypotheses:
            return False
        is_exhausted = len(self.hypotheses) > len(FALLBACK_SCHEDULE)
        return is_exhausted or self._is_settled or not needs_fallback(self.hypotheses[-1])

    @property
    def _is_settled(self) -> bool:
        """True for a text without repetition that further attempts do not mend.

        A word alone is such a text, and one that two attempts agree on (docs/tuning.md).
        """
        last = self.hypotheses[-1]
        if is_repetitive(last):
            return False
        agrees = len(self.hypotheses) > 1 and last.text == self.hypotheses[-2].text
        return agrees or len(last.words) == 1

    @property
    def selected(self) -> Hypothesis:
        """Hypothesis to use; see :func:`select_hypothesis`."""
        return select_hypothesis(self.hypotheses)

    def adding(self, hypothesis: Hypothesis) -> Attempts:
        """Return these attempts and one more."""
        return Attempts((*self.hypotheses, hypothesis))

    def next_window(self, window: Window) -> Window:
        """Return ``window`` as the next attempt decodes it.

        From the second fallback on the prompt is left out: it may be what the text repeats.
        """
        if not self.hypotheses:
            return window
        n_fallbacks = len(self.hypotheses) - 1
        penalty, context_s = FALLBACK_SCHEDULE[n_fallbacks]
        prompt = "" if n_fallbacks else window.prompt
        return replace(window, prompt=prompt, repetition_penalty=penalty, context_s=context_s)


def decode_with_fallback(
    windows: Sequence[Window], transcribe: Callable[[Sequence[Window]], list[Hypothesis]]
) -> list[Attempts]:
    """Decode windows together, and those that need it again; return the attempts at each."""
    attempts = [Attempts() for _ in windows]
    while pending := [i for i, attempt in enumerate(attempts) if not attempt.is_done]:
        batch = [attempts[i].next_window(windows[i]) for i in pending]
        for i, hypothesis in zip(pending, transcribe(batch), strict=True):
            attempts[i] = attempts[i].adding(hypothesis)
    return attempts


def needs_fallback(hypothesis: Hypothesis) -> bool:
    """Return True if the text is a loop or the model hardly believes it."""
    return bool(hypothesis.words) and (
        is_repetitive(hypothesis) or hypothesis.avg_logprob < MIN_AVG_LOGPROB
    )


def is_repetitive(hypothesis: Hypothesis) -> bool:
    """Return True if words repeat that were not spoken again.

    Such repeats had no time, or go round at a low probability; repetition that the model
    believes and that had its time was spoken.
    """
    if has_instant_repeat(hypothesis.words, hypothesis.known):
        return True
    words = [comparison_key(word.text) for word in hypothesis.words]
    repeats = hypothesis.compression_ratio > MAX_COMPRESSION_RATIO or loop_length(words) > 0
    is_believed = hypothesis.avg_logprob >= MIN_AVG_LOGPROB_IF_REPETITIVE
    return repeats and (not is_believed or is_too_fast(hypothesis.words))


def select_hypothesis(attempts: Sequence[Hypothesis]) -> Hypothesis:
    """Return the last attempt if it is trusted, else the least bad one.

    A text that two attempts agree on is preferred: a phrase that both repeat equally often
    was spoken that often. Passages that are there twice, once in no time, are written once.
    """
    best = _least_bad(attempts)
    return without_words(best, instant_repeats(best.words, best.known))


def _least_bad(attempts: Sequence[Hypothesis]) -> Hypothesis:
    if not needs_fallback(attempts[-1]):
        return attempts[-1]
    texts = [[comparison_key(word.text) for word in attempt.words] for attempt in attempts]
    for i, text in enumerate(texts):
        if text in texts[:i]:
            return attempts[i]
    return min(attempts, key=lambda attempt: (is_repetitive(attempt), -attempt.avg_logprob))
