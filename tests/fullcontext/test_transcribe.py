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
from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.errors import AudioError, Cancelled
from asr_core.fullcontext import FileProgress, transcribe
from tests.texts import TWO_CITIES, word_error_rate


def flac(samples: np.ndarray) -> io.BytesIO:
    return io.BytesIO(to_flac((samples * 32767).astype(np.int16)))


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
    assert seen[-1].segments == transcript.segments


def test_silence_gives_an_empty_transcript(tiny_engine: Engine) -> None:
    transcript = transcribe(flac(np.zeros(160_000, np.float32)), tiny_engine)
    assert transcript.segments == ()
    assert transcript.language is None
    assert transcript.duration == pytest.approx(10)


def test_cancel_is_heard(tiny_engine: Engine, two_cities: np.ndarray) -> None:
    answers = itertools.chain([False] * 3, itertools.repeat(True))
    with pytest.raises(Cancelled):
        transcribe(flac(np.tile(two_cities, 3)), tiny_engine, is_cancelled=lambda: next(answers))


def test_an_empty_file_gets_a_sentence(tiny_engine: Engine) -> None:
    with pytest.raises(AudioError, match=r"notes\.mp3 holds no sound"):
        transcribe(io.BytesIO(b""), tiny_engine, name="notes.mp3")


def test_names_and_terms_reach_the_model(tiny_engine: Engine, beckett: np.ndarray) -> None:
    heard: list[Window] = []

    class Listening:
        def __getattr__(self, name: str) -> object:
            return getattr(tiny_engine, name)

        def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
            heard.extend(windows)
            return tiny_engine.transcribe(windows, **options)

    transcribe(flac(beckett), Listening(), prompt="Nagg and Nell")  # type: ignore[arg-type]
    assert {window.prompt for window in heard} == {"Nagg and Nell"}
