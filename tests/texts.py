"""What is said in the recordings, and how far a text is from it."""

from __future__ import annotations

import jiwer

from asr_core.transcript import Segment, Transcript, Word, normalised

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

_NORMALISED = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


def word_error_rate(said: str, heard: str) -> float:
    """Of ``heard`` against ``said``, without case, punctuation and line breaks."""
    return float(
        jiwer.wer(
            " ".join(said.split()),
            " ".join(heard.split()),
            reference_transform=_NORMALISED,
            hypothesis_transform=_NORMALISED,
        )
    )


def words_of(text: str) -> list[str]:
    """Without case and punctuation."""
    return [word for word in map(normalised, text.split()) if word]


def transcript(lines: list[list[tuple[str, float]]]) -> Transcript:
    """Words with their durations, one after the other, a segment a line."""
    now, segments = 0.0, []
    for line in lines:
        words = []
        for text, duration in line:
            words.append(Word(f" {text}", now, now + duration, 0.9))
            now += duration
        segments.append(Segment.of(words))
    return Transcript(tuple(segments), now)
