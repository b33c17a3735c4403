"""Transcription of a whole recording: decode, find speech, batch, recognise."""

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
from asr_core.full_context.config import FULL_CONTEXT_DEFAULTS
from asr_core.full_context.pauses import shorten_pauses
from asr_core.full_context.pipeline import map_ordered, run_cancellable
from asr_core.full_context.skipped_speech import SkippedSpeech, insert_words
from asr_core.full_context.time_range import WHOLE_FILE, RangeReader, TimeRange
from asr_core.ops.malloc import trim_heap
from asr_core.text.repetition import without_unspoken_tail
from asr_core.text.segmentation import rejoin_segments, split_into_segments
from asr_core.transcript import Segment, Transcript, Word

__all__ = ["FileOptions", "FileProgress", "transcribe"]

AudioSource = str | Path | BinaryIO | NDArray[np.float32] | NDArray[np.int16]

Decode = Callable[[Sequence[Window]], list[Hypothesis]]


@dataclass(frozen=True)
class _ChunkText:
    """Words of a chunk, on the clock of the file, and their language."""

    words: tuple[Word, ...] = ()
    language: str | None = None


@dataclass(frozen=True)
class FileProgress:
    """Progress of a file.

    Attributes:
        done_s: seconds of the range that are done.
        total_s: seconds of the range; None if the file does not tell its duration.
        transcript: what is recognised so far.
        n_final_segments: how many of its segments stay the first ones; if channels are
            transcribed one by one, later segments may come between the others.
    """

    done_s: float
    total_s: float | None
    transcript: Transcript
    n_final_segments: int


@dataclass(frozen=True)
class FileOptions:
    """Choices of the user for a file; thresholds are in ``FullContextConfig``.

    Attributes:
        language: code; None detects it from the first minutes of speech.
        is_mixed: the language changes within the file: unless one is given, the language of
            each passage is detected.
        task: translate writes English, whatever is spoken.
        prompt: text that might have come before, for spelling and style.
        terms: names and terms that become likelier.
        time_range: part of the file to transcribe; times stay those of the file.
        beam_size: number of hypotheses followed side by side; 1 is greedy and faster.
        max_s: longest duration transcribed, seconds; a note says if there was more.
        track: number of the sound track, from 1; None for the one that the file prefers or, if
            nobody speaks in that, one in which somebody does.
        split_channels: each channel is a speaker: channels are transcribed one by one, and
            segments have their names.
    """

    language: str | None = None
    is_mixed: bool = False
    task: Task = "transcribe"
    prompt: str = ""
    terms: tuple[str, ...] = ()
    time_range: TimeRange = WHOLE_FILE
    beam_size: int = FINAL_BEAM_SIZE
    max_s: float | None = None
    track: int | None = None
    split_channels: bool = False

    def window(
        self, chunk: SpeechChunk, samples: NDArray[np.float32], language: str | None
    ) -> Window:
        """Return the window of ``chunk`` with these samples; ``language`` is the file's."""
        can_tell = chunk.speech_s >= FULL_CONTEXT_DEFAULTS.min_language_speech_s
        if self.language is None and self.is_mixed and can_tell:
            language = None
        return Window(
            samples, language, self.task, self.prompt, self.terms, beam_size=self.beam_size
        )


def transcribe(
    source: AudioSource,
    engine: Engine,
    options: FileOptions | None = None,
    *,
    name: str | None = None,
    on_progress: Callable[[FileProgress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Return the transcript of one file; runs in the caller's thread, in bounded memory.

    Args:
        source: a path, an open binary file, or (n_samples,) float32 or int16 samples at 16 kHz;
            these are one track of one channel, whatever ``options`` asks for.
        engine: recognises the speech.
        options: the user's choices.
        name: the file's name in messages.
        on_progress: called after each round of chunks, in this thread.
        is_cancelled: called several times a second, from any thread.

    Raises:
        AudioError: the file holds no sound that can be read.
        EngineError: the model failed.
        Cancelled: ``is_cancelled`` returned True.
    """
    options = options or FileOptions()

    def check_cancelled() -> None:
        if is_cancelled():
            called = display_name(source, name)
            raise Cancelled(f"{called} was cancelled; run it again to transcribe it.")

    def decode(windows: Sequence[Window]) -> list[Hypothesis]:
        return engine.transcribe(windows, background=True, check_cancelled=check_cancelled)

    audio = _open(source, name, options, check_cancelled)
    pieces = RangeReader(audio, options.time_range, options.max_s)
    speakers = Speakers(audio.channels, audio.name) if audio.channels else None
    separated = speakers.without_crosstalk(pieces) if speakers else pieces
    chunks = speech_chunks(separated, options.time_range.start_s)
    first, language, probability = _detect_language(chunks, engine, options, check_cancelled)

    def recognize(batch: Sequence[SpeechChunk]) -> list[_ChunkText]:
        return _recognize_all(batch, lambda some: _recognize(some, options, language, decode))

    n_workers, max_batch = engine.n_parallel, engine.background_batch_size
    results = map_ordered(
        _rounds(itertools.chain(first, chunks), n_workers * max_batch),
        recognize,
        n_workers=n_workers,
        max_batch=max_batch,
        check_cancelled=check_cancelled,
    )
    draft = _Draft(audio, options, speakers, language, probability)
    for n_rounds, round_ in enumerate(results, 1):
        draft.add(round_)
        if on_progress is not None:
            on_progress(draft.progress())
        if n_rounds % FULL_CONTEXT_DEFAULTS.trim_heap_rounds == 0:
            trim_heap()
    return draft.finish(pieces.position_s)


class _Draft:
    """Transcript of a file while it grows.

    Args:
        audio: the file.
        options: the user's choices.
        speakers: of its channels; None if they are mixed down.
        language: code, as given or detected.
        probability: of the language.
    """

    def __init__(
        self,
        audio: AudioFile | AudioSamples,
        options: FileOptions,
        speakers: Speakers | None,
        language: str | None,
        probability: float,
    ) -> None:
        self._audio, self._options, self._speakers = audio, options, speakers
        self._language, self._probability = language, probability
        self._segments: list[Segment] = []
        self._end_s = 0.0
        self._last_start_s: float | None = None  # of the chunk added last

    def add(self, texts: Sequence[tuple[SpeechChunk, _ChunkText]]) -> None:
        """Add a round of consecutive chunks; at least one."""
        for chunk, text in texts:
            own_language = text.language if self._options.is_mixed else None
            for plain in split_into_segments(text.words, text.language):
                segment = replace(plain, language=own_language)
                if self._speakers is not None and chunk.channel is not None:
                    segment = self._speakers.label(segment, chunk.channel)
                self._segments.append(segment)
        self._segments.sort(key=_start_of)
        last = texts[-1][0]
        self._end_s, self._last_start_s = max(self._end_s, last.end_s), last.start_s

    def progress(self) -> FileProgress:
        """Return how far the file is."""
        time_range = self._options.time_range
        total_s = time_range.at_most(self._options.max_s).length_in(self._audio.duration_s)
        n_final = len(self._segments)
        if self._speakers and self._last_start_s is not None:
            # Later chunks of another channel may begin as early as this one.
            n_final = bisect.bisect_left(self._segments, self._last_start_s, key=_start_of)
        done_s = self._end_s - time_range.start_s
        return FileProgress(done_s, total_s, self._transcript(self._end_s), n_final)

    def finish(self, duration_s: float) -> Transcript:
        """Return the whole transcript; ``duration_s`` is how much of the file was read."""
        self._segments = list(rejoin_segments(self._segments, self._language))
        whole = self._transcript(duration_s)
        return self._speakers.finalize(whole) if self._speakers else whole

    def _transcript(self, duration_s: float) -> Transcript:
        has_speech = self._last_start_s is not None
        tracks = self._audio.tracks
        return Transcript(
            tuple(self._segments),
            duration_s,
            self._language if has_speech else None,
            self._probability if has_speech else 0.0,
            tuple(self._audio.notes),
            tuple(track.name for track in tracks) if len(tracks) > 1 else (),
        )


def _start_of(segment: Segment) -> float:
    return segment.start


def _open(
    source: AudioSource,
    name: str | None,
    options: FileOptions,
    check_cancelled: Callable[[], None],
) -> AudioFile | AudioSamples:
    """Return ``source`` as an iterable of pieces."""
    if isinstance(source, np.ndarray):
        return AudioSamples(source, name, check_cancelled=check_cancelled)
    return AudioFile(
        source,
        name,
        track=options.track,
        split_channels=options.split_channels,
        check_cancelled=check_cancelled,
    )


def _detect_language(
    chunks: Iterator[SpeechChunk],
    engine: Engine,
    options: FileOptions,
    check_cancelled: Callable[[], None],
) -> tuple[list[SpeechChunk], str | None, float]:
    """Return the chunks read for it, the code of the file's language and its probability."""
    if options.language is not None:
        return [], options.language, 1.0
    first = list(itertools.islice(chunks, FULL_CONTEXT_DEFAULTS.n_language_chunks))
    if not first:
        return [], None, 0.0
    windows = [Window(chunk.samples) for chunk in first]
    return first, *run_cancellable(lambda: engine.detect_language(windows), check_cancelled)


def _rounds(chunks: Iterable[SpeechChunk], max_size: int) -> Iterator[list[SpeechChunk]]:
    """Yield rounds of chunks: one first, so that text appears early, then twice as many each."""
    iterator, size = iter(chunks), 1
    while batch := list(itertools.islice(iterator, size)):
        yield batch
        size = min(2 * size, max_size)


def _recognize_all(
    chunks: Sequence[SpeechChunk], recognize: Callable[[Sequence[SpeechChunk]], list[_ChunkText]]
) -> list[_ChunkText]:
    """Return the text of each chunk, speech that was skipped at first included."""
    texts = recognize(chunks)
    searches = [SkippedSpeech(chunk) for chunk in chunks]
    while skipped := [
        (i, part)
        for i, (search, text) in enumerate(zip(searches, texts, strict=True))
        for part in search.next_parts(text.words)
    ]:
        found = recognize([part for _, part in skipped])
        for (i, _), extra in zip(skipped, found, strict=True):
            words = insert_words(texts[i].words, extra.words)
            texts[i] = _ChunkText(words, texts[i].language or extra.language)
    return texts


def _recognize(
    chunks: Sequence[SpeechChunk], options: FileOptions, language: str | None, decode: Decode
) -> list[_ChunkText]:
    """Return the text of each chunk; empty for silence."""
    audios = [shorten_pauses(chunk, FULL_CONTEXT_DEFAULTS.max_pause_s) for chunk in chunks]
    windows = [
        options.window(chunk, audio.samples, language)
        for chunk, audio in zip(chunks, audios, strict=True)
    ]
    texts = []
    attempts_by_chunk = decode_with_fallback(windows, decode)
    for chunk, audio, attempts in zip(chunks, audios, attempts_by_chunk, strict=True):
        best = attempts.selected
        # Whoever keeps a moment of speech and nothing around it means the word in it.
        is_word_alone = chunk.is_cut_close and len(best.words) == 1
        if is_silence(attempts.hypotheses, chunk.speech_s) and not is_word_alone:
            texts.append(_ChunkText())
        else:
            timed = tuple(map(audio.original, best.words))
            spoken = without_unspoken_tail(timed, chunk.speech_end_s, chunk.n_bursts)
            words = tuple(word.shifted(chunk.start_s) for word in spoken)
            texts.append(_ChunkText(words, best.language))
    return texts
