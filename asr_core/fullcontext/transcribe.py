"""A whole recording → its transcript: decode, find speech, batch, recognise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from asr_core.quality import FALLBACKS, fallback, is_doubtful, is_silence, settled
from asr_core.transcript import Segment, Transcript

__all__ = ["FileProgress", "transcribe"]

_N_WINDOWS_FOR_LANGUAGE = 3

Listen = Callable[[Sequence[Window]], list[Hypothesis]]


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
    prompt: str = "",
    on_progress: Callable[[FileProgress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Transcribe one file; runs in the caller's thread, in bounded memory.

    Args:
        source: a path or an open binary file.
        name: what to call the file in messages.
        language: code; None has it detected from the first minutes of speech.
        prompt: names and terms that may come up; the model leans towards them.
        on_progress: called after each round of windows, in this thread.
        is_cancelled: asked several times a second, from any thread.

    Raises:
        AudioError: the file holds no sound that can be read.
        EngineError: the model failed.
        Cancelled: ``is_cancelled`` said so.
    """

    def stop_if_cancelled() -> None:
        if is_cancelled():
            raise Cancelled(f"{audio.name} was cancelled; run it again to transcribe it.")

    def listen(windows: Sequence[Window]) -> list[Hypothesis]:
        return engine.transcribe(windows, patient=True, between_steps=stop_if_cancelled)

    audio = AudioFile(source, name)
    clock = _Clock(audio)
    windows = spoken_windows(clock)
    first = list(itertools.islice(windows, _N_WINDOWS_FOR_LANGUAGE))
    probability = 1.0
    if language is None and first:
        language, probability = engine.detect_language([Window(w.samples) for w in first])
    segments: list[Segment] = []
    most = engine.n_parallel * engine.patient_batch_size
    for batch in _rounds(itertools.chain(first, windows), most):
        heard = [Window(spoken.samples, language, task, prompt) for spoken in batch]
        segments += _lines_in(batch, _tries(heard, listen))
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


def _rounds(windows: Iterable[SpokenWindow], most: int) -> Iterator[list[SpokenWindow]]:
    """First a single window, so that there is something to read; then more and more."""
    iterator, size = iter(windows), 1
    while batch := list(itertools.islice(iterator, size)):
        yield batch
        size = min(2 * size, most)


def _lines_in(
    batch: Sequence[SpokenWindow], tries: Sequence[Sequence[Hypothesis]]
) -> list[Segment]:
    """The lines of windows that follow one another."""
    segments: list[Segment] = []
    for spoken, tried in zip(batch, tries, strict=True):
        if not is_silence(tried, spoken.speech_s):
            segments += lines(word.shifted(spoken.start_s) for word in settled(tried).words)
    return segments


def _tries(windows: Sequence[Window], listen: Listen) -> list[list[Hypothesis]]:
    """Hypotheses of each window: one, or where it is doubtful more until one convinces."""
    tries = [[hypothesis] for hypothesis in _by_length(windows, listen)]
    for attempt in range(len(FALLBACKS)):
        again = [i for i, tried in enumerate(tries) if is_doubtful(tried[-1])]
        retries = [fallback(windows[i], attempt) for i in again]
        for i, hypothesis in zip(again, listen(retries) if retries else (), strict=True):
            tries[i].append(hypothesis)
    return tries


def _by_length(windows: Sequence[Window], listen: Listen) -> list[Hypothesis]:
    """Windows of about one length share a batch: the longest sets its cost."""
    order = sorted(range(len(windows)), key=lambda i: len(windows[i].samples))
    hypotheses = listen([windows[i] for i in order])
    found = dict(zip(order, hypotheses, strict=True))
    return [found[i] for i in range(len(windows))]
