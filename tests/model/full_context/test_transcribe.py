from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16
from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.errors import AudioError, Cancelled
from asr_core.full_context import FileOptions, FileProgress, TimeRange, transcribe
from tests.support.recordings import recorded
from tests.support.texts import TWO_CITIES, word_error_rate


def flac(samples: np.ndarray) -> io.BytesIO:
    return io.BytesIO(to_flac(clip_to_int16(samples)))


def test_base_makes_few_errors(base_engine: Engine, speech_files: Path) -> None:
    seen: list[FileProgress] = []
    transcript = transcribe(speech_files / "two_cities.wav", base_engine, on_progress=seen.append)
    assert word_error_rate(TWO_CITIES, transcript.text) < 0.05
    assert transcript.language == "en"
    assert transcript.language_probability > 0.8
    assert transcript.duration == pytest.approx(44.37, abs=0.1)
    assert transcript.notes == ()
    assert all(a.start <= b.start for a, b in pairwise(transcript.words))
    assert [p.done_s for p in seen] == sorted(p.done_s for p in seen)
    assert seen[-1].transcript.segments == transcript.segments
    assert seen[-1].transcript.language == "en"


def test_silence_gives_an_empty_transcript(tiny_engine: Engine) -> None:
    transcript = transcribe(flac(np.zeros(160_000, np.float32)), tiny_engine)
    assert transcript.segments == ()
    assert transcript.language is None
    assert transcript.duration == pytest.approx(10)


def test_transcription_can_be_cancelled(tiny_engine: Engine, two_cities: np.ndarray) -> None:
    answers = itertools.chain([False] * 3, itertools.repeat(True))
    with pytest.raises(Cancelled):
        transcribe(flac(np.tile(two_cities, 3)), tiny_engine, is_cancelled=lambda: next(answers))


def test_an_empty_file_gets_a_sentence(tiny_engine: Engine) -> None:
    with pytest.raises(AudioError, match=r"notes\.mp3 holds no sound"):
        transcribe(io.BytesIO(b""), tiny_engine, name="notes.mp3")


def test_a_range_keeps_the_times_of_the_file(tiny_engine: Engine, two_cities: np.ndarray) -> None:
    seen: list[FileProgress] = []
    options = FileOptions(time_range=TimeRange(10.0, 20.0))
    transcript = transcribe(flac(two_cities), tiny_engine, options, on_progress=seen.append)
    whole = transcribe(flac(two_cities), tiny_engine)
    assert 10 <= transcript.words[0].start < 11
    assert 19 < transcript.words[-1].end < 20.5
    inside = [w.text.lower() for w in whole.words if w.start > 10.5 and w.end < 19.5]
    missed = [word for word in inside if word not in transcript.text.lower()]
    assert len(missed) <= 2
    assert transcript.duration == pytest.approx(20.0)
    assert seen[-1].done_s <= 10.1
    assert seen[-1].total_s == pytest.approx(10.0)


def test_words_lie_on_the_clock_of_the_file(tiny_engine: Engine, beckett: np.ndarray) -> None:
    """The audio starts late and has a gap; a range is on the same clock."""
    data = recorded("matroska", "flac", [(10.0, beckett), (60.0, beckett)], rate=16_000)
    words = transcribe(io.BytesIO(data), tiny_engine).words
    there = transcribe(flac(beckett), tiny_engine).words
    assert words[0].start - 10 == pytest.approx(there[0].start, abs=0.1)
    assert words[-1].end - 60 == pytest.approx(there[-1].end, abs=0.1)
    assert not [word for word in words if 20.5 < word.start < 59.5]
    options = FileOptions(time_range=TimeRange(30.0, 90.0))
    late = transcribe(io.BytesIO(data), tiny_engine, options)
    assert late.words[0].start - 60 == pytest.approx(there[0].start, abs=0.1)
    assert late.duration == pytest.approx(70, abs=0.2)


def test_a_range_after_the_end_gets_a_sentence(tiny_engine: Engine, beckett: np.ndarray) -> None:
    with pytest.raises(AudioError, match="lasts 10 s only"):
        transcribe(flac(beckett), tiny_engine, FileOptions(time_range=TimeRange(60.0)))
    with pytest.raises(AudioError, match="ends before it begins"):
        TimeRange(5.0, 4.0)


class Listening:
    """A real engine that keeps its windows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.windows_seen: list[Window] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        self.windows_seen.extend(windows)
        return self._engine.transcribe(windows, **options)


def test_names_and_terms_reach_the_model(tiny_engine: Engine, beckett: np.ndarray) -> None:
    engine = Listening(tiny_engine)
    transcribe(flac(beckett), engine, FileOptions(prompt="Nagg and Nell"))  # type: ignore[arg-type]
    assert {window.prompt for window in engine.windows_seen} == {"Nagg and Nell"}


@pytest.mark.parametrize("model", ["tiny_engine", "base_engine"])
def test_a_sentence_spoken_three_times_is_written_three_times(
    model: str, request: pytest.FixtureRequest, two_cities: np.ndarray
) -> None:
    """The text compresses as well as a decoder's loop."""
    spoken = np.tile(two_cities[: 8 * 16_000], 3)
    found = transcribe(flac(spoken), request.getfixturevalue(model), FileOptions("en"))
    assert found.text.lower().count("best of times") == 3
    assert found.text.lower().count("worst of times") == 3


def test_mixed_languages_are_detected_passage_by_passage(
    base_engine: Engine, two_cities: np.ndarray
) -> None:
    engine = Listening(base_engine)
    quiet = np.zeros(64_000, np.float32)
    speech = np.concatenate([two_cities[: 16_000 * 16], quiet, two_cities[: 16_000 * 2]])
    found = transcribe(flac(speech), engine, FileOptions(is_mixed=True))  # type: ignore[arg-type]
    # The last passage is too short for detection by itself; both may be decoded at once.
    long, short = sorted(engine.windows_seen[-2:], key=lambda window: -len(window.samples))
    assert [long.language, short.language] == [None, "en"]
    assert {segment.language for segment in found.segments} == {"en"}
    plain = transcribe(flac(speech), base_engine)
    assert {segment.language for segment in plain.segments} == {None}


def test_a_file_is_transcribed_up_to_the_limit(speech_files: Path, tiny_engine: Engine) -> None:
    file = speech_files / "two_cities.wav"
    transcript = transcribe(file, tiny_engine, FileOptions("en", max_s=12.0))
    assert 10 < transcript.duration <= 12
    assert "the rest was left out" in transcript.notes[0]
    whole = FileOptions("en", time_range=TimeRange(0, 8), max_s=12.0)
    assert transcribe(file, tiny_engine, whole).notes == ()
