"""A whole recording → its transcript: decode, find speech, batch, recognise."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from asr_core.audio.decode import AudioFile, called_in_messages
from asr_core.engines.base import Engine, Hypothesis, Task, Window
from asr_core.errors import Cancelled
from asr_core.fullcontext.channels import Speakers
from asr_core.fullcontext.missed import merged, missed
from asr_core.fullcontext.pipeline import beside, side_by_side
from asr_core.fullcontext.segment import SpokenWindow, spoken_windows
from asr_core.fullcontext.stretch import WHOLE, Pieces, Stretch
from asr_core.lines import lines, rejoined
from asr_core.memory import give_back
from asr_core.quality import BEAM_SIZE, FALLBACKS, fallback, is_doubtful, is_silence, settled
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
    n_settled: int


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
    stretch: Stretch = WHOLE
    beam_size: int = BEAM_SIZE
    most_s: float | None = None
    track: int | None = None
    split_channels: bool = False

    def window(self, spoken: SpokenWindow, language: str | None) -> Window:
        """``spoken`` as the engine wants it; ``language`` is that of the file."""
        if self.language is None and self.is_mixed and spoken.speech_s >= _TELLING_S:
            language = None
        return Window(spoken.samples, language, self.task, self.prompt, beam_size=self.beam_size)


def transcribe(
    source: str | Path | BinaryIO,
    engine: Engine,
    options: FileOptions | None = None,
    *,
    name: str | None = None,
    on_progress: Callable[[FileProgress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Transcribe one file; runs in the caller's thread, in bounded memory.

    Args:
        source: a path or an open binary file.
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
            called = called_in_messages(source, name)
            raise Cancelled(f"{called} was cancelled; run it again to transcribe it.")

    def listen(windows: Sequence[Window]) -> list[Hypothesis]:
        return engine.transcribe(windows, patient=True, between_steps=stop_if_cancelled)

    audio = AudioFile(
        source,
        name,
        track=options.track,
        by_channel=options.split_channels,
        between=stop_if_cancelled,
    )
    pieces = Pieces(audio, options.stretch, options.most_s)
    speakers = Speakers(audio.channels, audio.name) if audio.channels else None
    heard_by = speakers.alone(pieces) if speakers else pieces
    windows = spoken_windows(heard_by, options.stretch.start_s)
    first, language, probability = _language(windows, engine, options, stop_if_cancelled)
    segments: list[Segment] = []
    n_windows, until_s = 0, 0.0
    n_workers, most = engine.n_parallel, engine.patient_batch_size
    rounds = _rounds(itertools.chain(first, windows), n_workers * most)

    tracks = tuple(track.name for track in audio.tracks) if len(audio.tracks) > 1 else ()

    def so_far(until_s: float) -> Transcript:
        found = (language, probability) if n_windows else (None, 0.0)
        return Transcript(tuple(segments), until_s, *found, tuple(audio.notes), tracks)

    def hear(share: Sequence[SpokenWindow]) -> list[_Heard]:
        return _with_missed(share, lambda some: _hear(some, options, language, listen))

    results = side_by_side(
        rounds, hear, n_workers=n_workers, most=most, stop_if_cancelled=stop_if_cancelled
    )
    for n_rounds, heard in enumerate(results, 1):
        n_windows += len(heard)
        segments += _lines_in(heard, speakers, with_language=options.is_mixed)
        segments.sort(key=_begin)
        until_s = max(until_s, heard[-1][0].end_s)
        if on_progress is not None:
            total_s = options.stretch.at_most(options.most_s).length_in(audio.duration_s)
            done_s = until_s - options.stretch.start_s
            n_settled = _n_begun(segments, heard[-1][0]) if speakers else len(segments)
            on_progress(FileProgress(done_s, total_s, so_far(until_s), n_settled))
        if n_rounds % _ROUNDS_UNTIL_GIVEN_BACK == 0:
            give_back()
    segments = list(rejoined(segments, language))
    whole = so_far(pieces.seconds)
    return speakers.settled(whole) if speakers else whole


def _language(
    windows: Iterator[SpokenWindow],
    engine: Engine,
    options: FileOptions,
    stop_if_cancelled: Callable[[], None],
) -> tuple[list[SpokenWindow], str | None, float]:
    """That of the file, as given or as its first windows sound: these, the code and its
    probability."""
    if options.language is not None:
        return [], options.language, 1.0
    first = list(itertools.islice(windows, _N_WINDOWS_FOR_LANGUAGE))
    if not first:
        return [], None, 0.0
    samples = [Window(spoken.samples) for spoken in first]
    return first, *beside(lambda: engine.detect_language(samples), stop_if_cancelled)


def _rounds(windows: Iterable[SpokenWindow], most: int) -> Iterator[list[SpokenWindow]]:
    """First a single window, so that there is something to read; then more and more."""
    iterator, size = iter(windows), 1
    while batch := list(itertools.islice(iterator, size)):
        yield batch
        size = min(2 * size, most)


def _lines_in(
    heard: Sequence[tuple[SpokenWindow, _Heard]],
    speakers: Speakers | None,
    *,
    with_language: bool,
) -> list[Segment]:
    """The lines of windows that follow one another."""
    segments = []
    for spoken, reading in heard:
        for line in lines(reading.words, reading.language):
            segment = replace(line, language=reading.language if with_language else None)
            if speakers is not None and spoken.channel is not None:
                segment = speakers.named(segment, spoken.channel)
            segments.append(segment)
    return segments


def _begin(segment: Segment) -> float:
    return segment.start


def _n_begun(segments: Sequence[Segment], latest: SpokenWindow) -> int:
    """How many of ``segments`` begin before all windows that come after ``latest``."""
    return bisect.bisect_left(segments, latest.start_s, key=_begin)


def _with_missed(
    share: Sequence[SpokenWindow], hear: Callable[[Sequence[SpokenWindow]], list[_Heard]]
) -> list[_Heard]:
    """What the windows say, and what was left out at first, heard by itself."""
    heard = hear(share)
    skipped = [
        (i, part)
        for i, (spoken, reading) in enumerate(zip(share, heard, strict=True))
        for part in missed(spoken, [word.shifted(-spoken.start_s) for word in reading.words])
    ]
    found = hear([part for _, part in skipped]) if skipped else []
    for (i, _), extra in zip(skipped, found, strict=True):
        heard[i] = replace(heard[i], words=merged(heard[i].words, extra.words))
    return heard


def _hear(
    share: Sequence[SpokenWindow], options: FileOptions, language: str | None, listen: Listen
) -> list[_Heard]:
    """What each window says, nothing where nobody speaks."""
    tries = _tries([options.window(spoken, language) for spoken in share], listen)
    heard = []
    for spoken, tried in zip(share, tries, strict=True):
        if is_silence(tried, spoken.speech_s):
            heard.append(_Heard())
        else:
            best = settled(tried)
            words = tuple(word.shifted(spoken.start_s) for word in best.words)
            heard.append(_Heard(words, best.language))
    return heard


def _tries(windows: Sequence[Window], listen: Listen) -> list[list[Hypothesis]]:
    """Hypotheses of each window: one, or where it is doubtful more until one convinces."""
    tries = [[hypothesis] for hypothesis in listen(windows)]
    for attempt in range(len(FALLBACKS)):
        again = [i for i, tried in enumerate(tries) if is_doubtful(tried[-1])]
        retries = [fallback(windows[i], attempt) for i in again]
        for i, hypothesis in zip(again, listen(retries) if retries else (), strict=True):
            tries[i].append(hypothesis)
    return tries
