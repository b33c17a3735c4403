"""Public interface of the library: load a model, transcribe a recording, stream live audio.

Everything here is also to be had from ``asr_core`` itself, which imports this module only when
one of its names is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.pcm import to_float32
from asr_core.audio.resample import RateConverter
from asr_core.engines import load_engine
from asr_core.engines.base import Engine, EngineName, Task
from asr_core.errors import ModelError
from asr_core.full_context import FileOptions, FileProgress, TimeRange, transcribe
from asr_core.languages import LANGUAGES
from asr_core.models import check_request, resolve
from asr_core.output.atomic_files import write_atomically
from asr_core.output.formats import FORMATS, to_bytes
from asr_core.streaming import LiveOptions, LiveSession, Scheduler, Snapshot, scheduler_for
from asr_core.streaming.replay import LIVE_FRAME_SAMPLES
from asr_core.text.terms import check_number
from asr_core.transcript import Segment, Transcript, Word, join_words

__all__ = [
    "Model",
    "Segment",
    "Stream",
    "StreamEvent",
    "TranscriptionResult",
    "Word",
    "load_model",
]

Samples = NDArray[np.float32] | NDArray[np.int16]

_CLOSE_POLL_S = 0.02  # between checks for events while a stream is being closed


def load_model(
    model: str | os.PathLike[str] = "base",
    *,
    engine: EngineName | Literal["auto"] = "auto",
    n_threads: int | None = None,
    batch_size: int | None = None,
) -> Model:
    """Return a model, fetched if it is not on this machine yet.

    A process loads each model once, however often it is asked for. Any thread may call.

    Args:
        model: a name from ``speak-and-read models list``, a hub id (``owner/name``), or a
            directory in CTranslate2 or transformers format.
        engine: ``"auto"`` chooses the fastest for this hardware.
        n_threads: CPU cores to use; all by default.
        batch_size: windows of a file decoded together; the engine's own choice by default.

    Raises:
        ModelError: the model is unknown, damaged, or cannot be fetched.
        EngineError: the engine is not installed.
        LimitError: there is too little memory for one more model.
    """
    name = os.fspath(model)
    loaded = load_engine(resolve(name), engine, n_threads=n_threads, batch_size=batch_size)
    return Model(name, loaded)


class Model:
    """Loaded model; any thread may call its methods, several at once.

    Made by `load_model`.

    Attributes:
        name: as given to `load_model`.
        engine: the engine that runs it.
    """

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that the model knows."""
        return self.engine.languages

    def transcribe(
        self,
        audio: str | os.PathLike[str] | BinaryIO | Samples,
        *,
        language: str | None = None,
        task: Task = "transcribe",
        prompt: str = "",
        terms: Sequence[str] = (),
        mixed_languages: bool = False,
        split_channels: bool = False,
        start_s: float = 0.0,
        end_s: float | None = None,
        sample_rate_hz: int = SAMPLE_RATE_HZ,
        on_progress: Callable[[FileProgress], None] | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> TranscriptionResult:
        """Return the transcript of a whole recording.

        Runs in the caller's thread and in bounded memory, however long the recording is.

        Args:
            audio: path of an audio or video file, an open binary file that can seek, or mono
                samples (n_samples,), int16 or floating point with full scale at ±1.
            language: code such as ``"en"``; None detects it.
            task: ``"translate"`` writes English, whatever is spoken.
            prompt: text that might have come before, for spelling and style.
            terms: names and terms that become likelier, at most 300.
            mixed_languages: detect the language of each passage.
            split_channels: each channel of the file is a speaker.
            start_s: where to begin, in seconds.
            end_s: where to end; None for the end of the recording.
            sample_rate_hz: of ``audio`` if it is samples.
            on_progress: called now and then with the transcript so far.
            is_cancelled: asked several times a second; True ends the call with `Cancelled`.

        Raises:
            AudioError: the recording cannot be read.
            ModelError: the model does not know the language or the task.
            EngineError: the model failed.
            Cancelled: ``is_cancelled`` returned True.
            ValueError: there are too many terms.
        """
        self._check(language, task, mixed_languages=mixed_languages)
        options = FileOptions(
            language,
            mixed_languages,
            task,
            prompt,
            check_number(terms),
            TimeRange(start_s, end_s),
            split_channels=split_channels,
        )
        source: Any = audio
        if isinstance(audio, np.ndarray):
            resampler = _BlockConverter(sample_rate_hz)
            source = np.concatenate([resampler.push(audio), resampler.flush()])
        elif isinstance(audio, os.PathLike):
            source = Path(audio)
        found = transcribe(
            source, self.engine, options, on_progress=on_progress, is_cancelled=is_cancelled
        )
        return _result(found)

    def stream(
        self,
        *,
        language: str | None = None,
        task: Task = "transcribe",
        terms: Sequence[str] = (),
        update_period_s: float = 0.4,
        sample_rate_hz: int = SAMPLE_RATE_HZ,
        realtime: bool = True,
    ) -> Stream:
        """Return a stream that turns blocks of samples into words while they are spoken.

        Args:
            language: code such as ``"en"``; None detects it.
            task: ``"translate"`` writes English, whatever is spoken.
            terms: names and terms that become likelier, at most 300.
            update_period_s: desired time between two updates; under load it grows.
            sample_rate_hz: of the blocks.
            realtime: blocks arrive as they are spoken, and the model runs in threads of its
                own. False is for recordings: the model runs in the caller's thread, the audio
                waits for it, and the same audio gives the same events.

        Raises:
            ModelError: the model does not know the language or the task.
            ValueError: there are too many terms.
        """
        self._check(language, task)
        options = LiveOptions(
            language=language, task=task, update_period_s=update_period_s, terms=check_number(terms)
        )
        return Stream(self.engine, options, sample_rate_hz, realtime=realtime)

    def _check(self, language: str | None, task: Task, *, mixed_languages: bool = False) -> None:
        if language is not None and language not in self.languages:
            raise ModelError(
                f"The model {self.name} does not know {LANGUAGES.get(language, language)}; "
                "choose a multilingual model such as base."
            )
        check_request(self.name, language, translate=task == "translate", is_mixed=mixed_languages)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Change of what a stream shows.

    Attributes:
        final: words that have become final; they follow those of earlier events and never change.
        partial: the words after them, which may still change; they replace those of the event
            before.
        audio_s: seconds of audio received.
        lag_s: how far the words are behind the audio, in seconds.
        error: a sentence if the model failed on the last seconds, else None.
    """

    final: tuple[Word, ...]
    partial: tuple[Word, ...]
    audio_s: float
    lag_s: float
    error: str | None = None

    @property
    def final_text(self) -> str:
        """Text of the words that have become final."""
        return join_words(self.final)

    @property
    def partial_text(self) -> str:
        """Text that may still change."""
        return join_words(self.partial)


class Stream:
    """Recognition of audio as it arrives, one block of samples after another.

    Made by `Model.stream`; use it in a ``with`` block, or call `close` at the end. One thread
    at a time may call its methods; `result` any thread.
    """

    def __init__(
        self, engine: Engine, options: LiveOptions, sample_rate_hz: int, *, realtime: bool
    ) -> None:
        self._session = LiveSession(options)
        self._resampler = _BlockConverter(sample_rate_hz)
        self._now_s = 0.0  # the simulated clock
        self._simulated: Scheduler | None = None
        self._changes = _Changes()
        self._is_closed = False
        if realtime:
            scheduler_for(engine).add(self._session)
        else:
            self._simulated = Scheduler(engine, clock=lambda: self._now_s, start=False)
            self._simulated.add(self._session)

    def feed(self, block: Samples) -> list[StreamEvent]:
        """Append a block and return the events since the last call.

        With ``realtime``, returns at once. No block is ever dropped: if the model is slower
        than the speech, words come later.

        Args:
            block: (n_samples,) mono, int16 or floating point with full scale at ±1.

        Raises:
            ValueError: the stream is closed.
            TypeError: the block has another shape or type.
        """
        if self._is_closed:
            raise ValueError("the stream is closed")
        return list(self._append(self._resampler.push(block)))

    def close(self) -> list[StreamEvent]:
        """End the audio, wait until all of it is transcribed, and return the last events.

        After that all words are final. A second call returns no events.
        """
        if self._is_closed:
            return []
        self._is_closed = True
        events = list(self._append(self._resampler.flush()))
        self._session.finish()
        while not self._session.wait(0.0 if self._simulated else _CLOSE_POLL_S):
            if self._simulated:
                self._simulated.step(self._now_s)
            events += self._changes.since_last(self._session.snapshot)
        return events + self._changes.since_last(self._session.snapshot)

    @property
    def result(self) -> TranscriptionResult:
        """Final words so far."""
        return _result(self._session.snapshot.transcript())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif not self._is_closed:  # do not keep the caller's exception waiting
            self._is_closed = True
            self._session.finish()

    def _append(self, samples: NDArray[np.float32]) -> Iterator[StreamEvent]:
        if self._simulated is None:
            self._session.append(samples)
            yield from self._changes.since_last(self._session.snapshot)
            return
        for at in range(0, len(samples), LIVE_FRAME_SAMPLES):
            frame = samples[at : at + LIVE_FRAME_SAMPLES]
            self._session.append(frame)
            self._now_s += len(frame) / SAMPLE_RATE_HZ
            while self._simulated.step(self._now_s):
                yield from self._changes.since_last(self._session.snapshot)


class _Changes:
    """Differences between successive snapshots, at a cost that does not grow with the text."""

    def __init__(self) -> None:
        self._n_segments = 0  # finished ones that were seen
        self._n_words = 0  # final words after these that were seen
        self._shown: tuple[tuple[Word, ...], str | None] = ((), None)

    def since_last(self, snapshot: Snapshot) -> list[StreamEvent]:
        """Return the event that leads to ``snapshot``, or none if it shows nothing new."""
        finished = snapshot.segments[self._n_segments :]
        words = tuple(word for segment in finished for word in segment.words)
        final = (words + snapshot.committed)[self._n_words :]
        self._n_segments = len(snapshot.segments)
        self._n_words = len(snapshot.committed)
        shown = snapshot.tentative, snapshot.error
        if not final and shown == self._shown:
            return []
        self._shown = shown
        return [
            StreamEvent(final, snapshot.tentative, snapshot.audio_s, snapshot.lag_s, snapshot.error)
        ]


@dataclass(frozen=True, slots=True)
class TranscriptionResult(Transcript):
    """Transcript that can be written in every format: txt, srt, vtt, tsv, json, docx."""

    def to(self, extension: str) -> str | bytes:
        """Return the transcript in a format: text, or bytes for ``"docx"``.

        Args:
            extension: ``"txt"``, ``"srt"``, ``"vtt"``, ``"tsv"``, ``"json"`` or ``"docx"``.

        Raises:
            ValueError: there is no such format.
        """
        return FORMATS[_known(extension)](self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the transcript in the format that the file's name ends with; return the path.

        The file is written whole or not at all, text as UTF-8.

        Raises:
            ValueError: the name ends with no known format.
            OSError: the file cannot be written.
        """
        target = Path(path)
        write_atomically(target, to_bytes(self, _known(target.suffix.removeprefix("."))))
        return target


def _known(extension: str) -> str:
    if extension.lower() not in FORMATS:
        raise ValueError(f"{extension!r} is no format; choose one of {', '.join(FORMATS)}")
    return extension.lower()


def _result(transcript: Transcript) -> TranscriptionResult:
    return TranscriptionResult(*(getattr(transcript, field.name) for field in fields(Transcript)))


class _BlockConverter:
    """Conversion of mono blocks of any rate and type to 16 kHz float32."""

    def __init__(self, sample_rate_hz: int) -> None:
        if sample_rate_hz <= 0:
            raise ValueError(f"a sample rate is above 0 Hz, not {sample_rate_hz}")
        self._rate_hz = sample_rate_hz
        self._converter = RateConverter()

    def push(self, block: Samples) -> NDArray[np.float32]:
        if block.ndim != 1 or not (block.dtype == np.int16 or block.dtype.kind == "f"):
            raise TypeError(
                "audio is (n_samples,) mono, int16 or floating point, not "
                f"{block.shape} {block.dtype}"
            )
        samples = to_float32(block)
        if self._rate_hz == SAMPLE_RATE_HZ:
            return samples
        return self._converter.push(samples, self._rate_hz)

    def flush(self) -> NDArray[np.float32]:
        if self._rate_hz == SAMPLE_RATE_HZ:
            return np.zeros(0, np.float32)
        return self._converter.flush()
