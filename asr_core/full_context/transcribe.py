"""A whole recording → its transcript: decode, find speech, batch, recognise."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr_core.audio.decode import AudioFile
from asr_core.audio.file_messages import display_name
from asr_core.audio.samples import AudioSamples
from asr_core.decoding.fallback import FINAL_BEAM_SIZE, decode_with_fallback
from asr_core.decoding.hallucination import is_silence
from asr_core.engines.base import Engine, Hypothesis, Task, Window
from asr_core.errors import Cancelled
from asr_core.full_context.channels import Speakers
from asr_core.full_context.chunks import SpeechChunk, speech_chunks
from asr_core.full_context.pipeline import map_ordered, run_cancellable
from asr_core.full_context.skipped_speech import find_skipped_speech, insert_words
from asr_core.full_context.time_range import WHOLE_FILE, RangeReader, TimeRange
from asr_core.ops.malloc import trim_heap
from asr_core.text.segmentation import rejoin_segments, split_into_segments
from asr_core.transcript import Segment, Transcript, Word

__all__ = ["FileOptions", "FileProgress", "transcribe"]

_N_WINDOWS_FOR_LANGUAGE = 5

_TELLING_S = 3.0
"""Of less speech the language is guessed badly; then it is that of the whole file."""

_ROUNDS_UNTIL_GIVEN_BACK = 16
"""After so many rounds of windows what was freed is given back: it lies in pieces, and three
hours (base) take 25 MB less so, and no more time."""

Listen = Callable[[Sequence[Window]], list[Hypothesis]]


@dataclass(frozen=True)
class _Heard:
    """What a window says: words on the clock of the file, and their language."""

    words: tuple[Word, ...] = ()
    language: str | None = None


@dataclass(frozen=True)
class FileProgress:
    """How far a file is.

    Attributes:
        done_s, total_s: seconds of the stretch; the total is None where the file
            does not tell it.
        transcript: what is recognised so far.
        n_settled: how many of its segments come first in any case; where channels are heard
            one by one, others may still come between the rest.
    """

    done_s: float
    total_s: float | None
    transcript: Transcript
    n_final_segments: int


@dataclass(frozen=True)
class FileOptions:
    """What is wanted of a file.

    Attributes:
        language: code; None has it detected from the first minutes of speech.
        is_mixed: the language changes within the file: where none is given, that of
            each passage is detected.
        prompt: names and terms that may come up; the model leans towards them.
        stretch: what of the file to transcribe; times stay those of the file.
        beam_size: how many texts are followed side by side; 1 is greedy and quicker.
        most_s: no more than so many seconds are heard; a note says if there was more.
        track: which of the sound tracks, from 1; None for the one that the file prefers or, if
            nobody speaks in that, one in which somebody does.
        split_channels: each channel is a speaker: they are heard one by one, and segments have
            their names.
    """

    language: str | None = None
    is_mixed: bool = False
    task: Task = "transcribe"
    prompt: str = ""
    time_range: TimeRange = WHOLE_FILE
    beam_size: int = FINAL_BEAM_SIZE
    max_s: float | None = None
    track: int | None = None
    split_channels: bool = False

    def window(self, spoken: SpeechChunk, language: str | None) -> Window:
        """``spoken`` as the engine wants it; ``language`` is that of the file."""
        if self.language is None and self.is_mixed and spoken.speech_s >= _TELLING_S:
            language = None
        return Window(spoken.samples, language, self.task, self.prompt, beam_size=self.beam_size)


def transcribe(
    source: str | Path | BinaryIO | NDArray[np.float32],
    engine: Engine,
    options: FileOptions | None = None,
    *,
    name: str | None = None,
    on_progress: Callable[[FileProgress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Transcribe one file; runs in the caller's thread, in bounded memory.

    Args:
        source: a path, an open binary file, or (n_samples,) float32 samples at 16 kHz; these
            are one track of one channel, whatever ``options`` asks for.
        name: what to call the file in messages.
        on_progress: called after each round of windows, in this thread.
        is_cancelled: asked several times a second, from any thread.

    Raises:
        AudioError: the file holds no sound that can be read.
        EngineError: the model failed.
        Cancelled: ``is_cancelled`` said so.
    """
    options = options or FileOptions()

    def stop_if_cancelled() -> None:
        if is_cancelled():
            called = display_name(source, name)
            raise Cancelled(f"{called} was cancelled; run it again to transcribe it.")

    def listen(windows: Sequence[Window]) -> list[Hypothesis]:
        return engine.transcribe(windows, background=True, check_cancelled=stop_if_cancelled)

    audio = _opened(source, name, options, stop_if_cancelled)
    pieces = RangeReader(audio, options.time_range, options.max_s)
    speakers = Speakers(audio.channels, audio.name) if audio.channels else None
    heard_by = speakers.alone(pieces) if speakers else pieces
    windows = speech_chunks(heard_by, options.time_range.start_s)
    first, language, probability = _language(windows, engine, options, stop_if_cancelled)
    segments: list[Segment] = []
    n_windows, until_s = 0, 0.0
    n_workers, most = engine.n_parallel, engine.background_batch_size
    rounds = _rounds(itertools.chain(first, windows), n_workers * most)

    tracks = tuple(track.name for track in audio.tracks) if len(audio.tracks) > 1 else ()

    def so_far(until_s: float) -> Transcript:
        found = (language, probability) if n_windows else (None, 0.0)
        return Transcript(tuple(segments), until_s, *found, tuple(audio.notes), tracks)

    def hear(share: Sequence[SpeechChunk]) -> list[_Heard]:
        return _with_missed(share, lambda some: _hear(some, options, language, listen))

    results = map_ordered(
        rounds, hear, n_workers=n_workers, most=most, stop_if_cancelled=stop_if_cancelled
    )
    for n_rounds, heard in enumerate(results, 1):
        n_windows += len(heard)
        segments += _lines_in(heard, speakers, with_language=options.is_mixed)
        segments.sort(key=_begin)
        until_s = max(until_s, heard[-1][0].end_s)
        if on_progress is not None:
            total_s = options.time_range.at_most(options.max_s).length_in(audio.duration_s)
            done_s = until_s - options.time_range.start_s
            n_final_segments = _n_begun(segments, heard[-1][0]) if speakers else len(segments)
            on_progress(FileProgress(done_s, total_s, so_far(until_s), n_final_segments))
        if n_rounds % _ROUNDS_UNTIL_GIVEN_BACK == 0:
            trim_heap()
    segments = list(rejoin_segments(segments, language))
    whole = so_far(pieces.seconds)
    return speakers.settled(whole) if speakers else whole


def _opened(
    source: str | Path | BinaryIO | NDArray[np.float32],
    name: str | None,
    options: FileOptions,
    stop_if_cancelled: Callable[[], None],
) -> AudioFile | AudioSamples:
    """Return ``source`` as an iterable of pieces."""
    if isinstance(source, np.ndarray):
        return AudioSamples(source, name, check_cancelled=stop_if_cancelled)
    return AudioFile(
        source,
        name,
        track=options.track,
        split_channels=options.split_channels,
        check_cancelled=stop_if_cancelled,
    )


def _language(
    windows: Iterator[SpeechChunk],
    engine: Engine,
    options: FileOptions,
    stop_if_cancelled: Callable[[], None],
) -> tuple[list[SpeechChunk], str | None, float]:
    """That of the file, as given or as its first windows sound: these, the code and its
    probability."""
    if options.language is not None:
        return [], options.language, 1.0
    first = list(itertools.islice(windows, _N_WINDOWS_FOR_LANGUAGE))
    if not first:
        return [], None, 0.0
    samples = [Window(spoken.samples) for spoken in first]
    return first, *run_cancellable(lambda: engine.detect_language(samples), stop_if_cancelled)


def _rounds(windows: Iterable[SpeechChunk], most: int) -> Iterator[list[SpeechChunk]]:
    """First a single window, so that there is something to read; then more and more."""
    iterator, size = iter(windows), 1
    while batch := list(itertools.islice(iterator, size)):
        yield batch
        size = min(2 * size, most)


def _lines_in(
    heard: Sequence[tuple[SpeechChunk, _Heard]],
    speakers: Speakers | None,
    *,
    with_language: bool,
) -> list[Segment]:
    """The lines of windows that follow one another."""
    segments = []
    for spoken, reading in heard:
        for line in split_into_segments(reading.words, reading.language):
            segment = replace(line, language=reading.language if with_language else None)
            if speakers is not None and spoken.channel is not None:
                segment = speakers.named(segment, spoken.channel)
            segments.append(segment)
    return segments


def _begin(segment: Segment) -> float:
    return segment.start


def _n_begun(segments: Sequence[Segment], latest: SpeechChunk) -> int:
    """How many of ``segments`` begin before all windows that come after ``latest``."""
    return bisect.bisect_left(segments, latest.start_s, key=_begin)


def _with_missed(
    share: Sequence[SpeechChunk], hear: Callable[[Sequence[SpeechChunk]], list[_Heard]]
) -> list[_Heard]:
    """What the windows say, and what was left out at first, heard by itself."""
    heard = hear(share)
    skipped = [
        (i, part)
        for i, (spoken, reading) in enumerate(zip(share, heard, strict=True))
        for part in find_skipped_speech(
            spoken, [word.shifted(-spoken.start_s) for word in reading.words]
        )
    ]
    found = hear([part for _, part in skipped]) if skipped else []
    for (i, _), extra in zip(skipped, found, strict=True):
        heard[i] = replace(heard[i], words=insert_words(heard[i].words, extra.words))
    return heard


def _hear(
    share: Sequence[SpeechChunk], options: FileOptions, language: str | None, listen: Listen
) -> list[_Heard]:
    """What each window says, nothing where nobody speaks."""
    windows = [options.window(spoken, language) for spoken in share]
    heard = []
    for spoken, attempts in zip(share, decode_with_fallback(windows, listen), strict=True):
        if is_silence(attempts.hypotheses, spoken.speech_s):
            heard.append(_Heard())
        else:
            best = attempts.selected
            words = tuple(word.shifted(spoken.start_s) for word in best.words)
            heard.append(_Heard(words, best.language))
    return heard
