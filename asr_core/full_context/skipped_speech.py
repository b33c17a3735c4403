"""Speech that a hypothesis skipped, transcribed again by itself until all of it has words.

If the speaker or the loudness changes within a window, Whisper may leave out all that one
of the speakers says, or everything after the first. Decoded alone, it is transcribed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.vad import FRAME_SAMPLES, mask_runs
from asr_core.full_context.chunks import SpeechChunk
from asr_core.full_context.config import FULL_CONTEXT_DEFAULTS, FullContextConfig
from asr_core.text.repetition import is_too_fast
from asr_core.transcript import Word, comparison_key

__all__ = ["SkippedSpeech", "find_skipped_speech", "insert_words"]


class SkippedSpeech:
    """Search for the speech of a chunk that has no words yet, part by part.

    What is found in a part narrows the gap; a part in which nothing is found is split at its
    longest pause, since it may be its first voice that silences the others. Each part is
    returned once, so the search ends.

    Args:
        chunk: the audio.
        config: thresholds.
    """

    def __init__(
        self, chunk: SpeechChunk, config: FullContextConfig = FULL_CONTEXT_DEFAULTS
    ) -> None:
        self._chunk, self._config = chunk, config
        self._tried = {_range_ms(chunk)}

    def next_parts(self, words: Sequence[Word]) -> list[SpeechChunk]:
        """Return the parts to transcribe next; none once the search is over.

        Args:
            words: of the chunk so far, in order, on the clock of the recording.
        """
        local = [word.shifted(-self._chunk.start_s) for word in words]
        gaps = find_skipped_speech(self._chunk, local, self._config)
        return [part for gap in gaps for part in self._untried(gap)]

    def _untried(self, part: SpeechChunk) -> list[SpeechChunk]:
        """Return ``part`` unless it was returned before, else the untried of its halves."""
        if _range_ms(part) not in self._tried:
            self._tried.add(_range_ms(part))
            return [part]
        halves = _split_at_pause(part, self._config)
        return [untried for half in halves for untried in self._untried(half)]


def _range_ms(part: SpeechChunk) -> tuple[int, int]:
    return round(1000 * part.start_s), round(1000 * part.end_s)


def _split_at_pause(part: SpeechChunk, config: FullContextConfig) -> list[SpeechChunk]:
    """Return what lies before and after the longest pause, where each has enough speech."""
    frame_s = FRAME_SAMPLES / SAMPLE_RATE_HZ
    best_s, cut_s = config.min_split_pause_s, 0.0
    for is_speech, begin, end in mask_runs(part.speech_mask):
        is_inner = begin > 0 and end < len(part.speech_mask)
        if not is_speech and is_inner and (end - begin) * frame_s >= best_s:
            best_s, cut_s = (end - begin) * frame_s, (begin + end) / 2 * frame_s
    halves = [part.part(0.0, cut_s), part.part(cut_s, part.duration_s)] if cut_s else []
    return [half for half in halves if half.speech_s >= config.min_split_speech_s]


def find_skipped_speech(
    chunk: SpeechChunk, words: Sequence[Word], config: FullContextConfig = FULL_CONTEXT_DEFAULTS
) -> list[SpeechChunk]:
    """Return the parts of ``chunk`` with speech and without words.

    Args:
        chunk: the audio.
        words: in order, in seconds from the chunk's first sample.
        config: thresholds.
    """
    edges = [0.0, *(t for word in words for t in (word.start, word.end)), chunk.duration_s]
    gaps = [(a, b) for i, (a, b) in enumerate(pairwise(edges)) if i % 2 == 0]
    pad_s = config.skipped_pad_s
    return [
        chunk.part(max(0.0, a - pad_s), min(chunk.duration_s, b + pad_s))
        for a, b in gaps
        if b > a and chunk.part(a, b).speech_s >= config.min_skipped_s
    ]


def insert_words(words: Sequence[Word], found: Sequence[Word]) -> tuple[Word, ...]:
    """Return ``words`` with the ``found`` ones inserted, in order of time.

    Both are in order and on one clock. Words that are there already are not inserted: beside a
    gap in which the alignment failed, the same words stand squeezed together. If those beside
    it had their time, they were spoken twice.
    """
    if not found:
        return tuple(words)
    at, n = _widest_place(words, found), len(found)
    neighbours = words[max(0, at - n) : at + n]
    if _are_present(found, neighbours):
        return tuple(words)
    low = words[at - 1].end if at else found[0].start
    high = words[at].start if at < len(words) else found[-1].end
    fitted = (_clamped(word, low, max(low, high)) for word in found)
    return (*words[:at], *fitted, *words[at:])


def _widest_place(words: Sequence[Word], found: Sequence[Word]) -> int:
    """Return the index in ``words`` at which most of the time of ``found`` is free.

    Not that of the first one's start, which is before the end of the word in front of the gap if
    that was in the padding.
    """
    start, end = found[0].start, found[-1].end
    after = [-math.inf, *(word.end for word in words)]
    before = [*(word.start for word in words), math.inf]
    free_s = [min(b, end) - max(a, start) for a, b in zip(after, before, strict=True)]
    return free_s.index(max(free_s))


def _are_present(found: Sequence[Word], neighbours: Sequence[Word]) -> bool:
    texts = {comparison_key(word.text) for word in found}
    same = [word for word in neighbours if comparison_key(word.text) in texts]
    known = {comparison_key(word.text) for word in same}
    n_known = sum(comparison_key(word.text) in known for word in found)
    return n_known > len(found) / 2 and is_too_fast(same)


def _clamped(word: Word, low: float, high: float) -> Word:
    start, end = (min(max(t, low), high) for t in (word.start, word.end))
    return replace(word, start=start, end=end)
