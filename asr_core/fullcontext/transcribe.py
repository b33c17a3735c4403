"""A whole recording → its transcript: decode, find speech, batch, recognise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile
from asr_core.engines.base import Engine, Hypothesis, Task, Window
from asr_core.errors import Cancelled
from asr_core.fullcontext.segment import SpokenWindow, spoken_windows
from asr_core.lines import lines
from asr_core.quality import FALLBACKS, best_of, fallback, is_doubtful, is_silence
from asr_core.transcript import Segment, Transcript

__all__ = ["FileProgress", "transcribe"]

_N_WINDOWS_FOR_LANGUAGE = 3


@dataclass(frozen=True)
class FileProgress:
    """How far a file is.

    Attributes:
        done_s, total_s: seconds of audio; the total is None where the file does
            not tell it.
        segments: what is recognised so far.
    """

    done_s: float
    total_s: float | None
    segments: tuple[Segment, ...]


def transcribe(
    source: str | Path | BinaryIO,
    engine: Engine,
    *,
    name: str | None = None,
    language: str | None = None,
    task: Task = "transcribe",
    on_progress: Callable[[FileProgress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Transcribe one file; runs in the caller's thread, in bounded memory.

    Args:
        source: a path or an open binary file.
        name: what to call the file in messages.
        language: code; None has it detected from the first minutes of speech.
        on_progress: called after each batch, in this thread.
        is_cancelled: asked before each batch.

    Raises:
        AudioError: the file holds no sound that can be read.
        EngineError: the model failed.
        Cancelled: ``is_cancelled`` said so.
    """
    audio = AudioFile(source, name)
    clock = _Clock(audio)
    windows = spoken_windows(clock)
    first = list(itertools.islice(windows, _N_WINDOWS_FOR_LANGUAGE))
    probability = 1.0
    if language is None and first:
        language, probability = engine.detect_language([Window(w.samples) for w in first])
    segments: list[Segment] = []
    # As many as the engine serves at once: more would only make live sessions wait.
    size = engine.n_parallel * engine.batch_size
    for batch in _batches(itertools.chain(first, windows), size):
        if is_cancelled():
            raise Cancelled(f"{audio.name} was cancelled; run it again to transcribe it.")
        segments += _recognise(batch, engine, language, task)
        if on_progress is not None:
            done_s = batch[-1].start_s + len(batch[-1].samples) / SAMPLE_RATE_HZ
            on_progress(FileProgress(done_s, audio.duration_s, tuple(segments)))
    return Transcript(
        segments=tuple(segments),
        duration=clock.seconds,
        language=language if first else None,
        language_probability=probability if first else 0.0,
        notes=tuple(audio.notes),
    )


class _Clock:
    """Passes an audio file through and counts its seconds."""

    def __init__(self, audio: AudioFile) -> None:
        self._audio = audio
        self.seconds = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for piece in self._audio:
            self.seconds += len(piece) / SAMPLE_RATE_HZ
            yield piece


def _batches(windows: Iterable[SpokenWindow], size: int) -> Iterator[list[SpokenWindow]]:
    iterator = iter(windows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _recognise(
    batch: list[SpokenWindow], engine: Engine, language: str | None, task: Task
) -> list[Segment]:
    windows = [Window(window.samples, language, task) for window in batch]
    segments: list[Segment] = []
    for spoken, window, hypothesis in zip(batch, windows, engine.transcribe(windows), strict=True):
        best = _second_thoughts(engine, window, hypothesis)
        if not is_silence(best, spoken.speech_s):
            segments += lines(word.shifted(spoken.start_s) for word in best.words)
    return segments


def _second_thoughts(engine: Engine, window: Window, first: Hypothesis) -> Hypothesis:
    """Decode a doubtful window again until a hypothesis convinces, else take the best."""
    if not is_doubtful(first):
        return first
    tried = [first]
    for attempt in range(len(FALLBACKS)):
        [hypothesis] = engine.transcribe([fallback(window, attempt)])
        if not is_doubtful(hypothesis):
            return hypothesis
        tried.append(hypothesis)
    return best_of(tried)
