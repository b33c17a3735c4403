"""Reference texts of the recordings, and helpers for transcripts."""

from __future__ import annotations

from asr_core.engines.base import Hypothesis
from asr_core.evaluation.metrics import score
from asr_core.evaluation.normalise import normalise_text
from asr_core.transcript import Segment, Transcript, Word

TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of
Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we
had everything before us, we had nothing before us, we were all going direct to Heaven, we were
all going direct the other way - in short, the period was so far like the present period, that
some of its noisiest authorities insisted on its being received, for good or for evil, in the
superlative degree of comparison only.
"""

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Return the word error rate that the test bench would report, of English texts."""
    rate = score(reference, hypothesis, "en").words.rate
    assert rate is not None, "the reference has no words"
    return rate


def words_of(text: str) -> list[str]:
    """Return the words of an English text as they are scored."""
    return list(normalise_text(text, "en").words)


def transcript(lines: list[list[tuple[str, float]]]) -> Transcript:
    """Return a transcript of consecutive words with their durations, a segment for each line."""
    now, segments = 0.0, []
    for line in lines:
        words = []
        for text, duration in line:
            words.append(Word(f" {text}", now, now + duration, 0.9))
            now += duration
        segments.append(Segment.from_words(words))
    return Transcript(tuple(segments), now)


def hypothesis(
    text: str,
    logprob: float = -0.2,
    no_speech: float = 0.1,
    ratio: float = 1.2,
    each_s: float = 1.0,
) -> Hypothesis:
    """Return a hypothesis of consecutive words of ``each_s`` seconds with these probabilities."""
    words = tuple(
        Word(f" {w}", i * each_s, (i + 1) * each_s, 0.9) for i, w in enumerate(text.split())
    )
    n = len(words)
    return Hypothesis(
        words, ((),) * n, "en", 1.0, no_speech, logprob, ratio, word_logprobs=(logprob,) * n
    )
