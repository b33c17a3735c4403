from __future__ import annotations

import io

import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import to_float32, to_int16
from asr_core.engines.base import Engine
from asr_core.errors import AudioError, Cancelled
from asr_core.full_context import FileOptions, TimeRange, transcribe


@pytest.mark.parametrize("options", [FileOptions(), FileOptions(time_range=TimeRange(5.0, 20.0))])
def test_samples_give_the_transcript_of_their_file(
    tiny_engine: Engine, two_cities: np.ndarray, options: FileOptions
) -> None:
    pcm = to_int16(two_cities)
    from_file = transcribe(io.BytesIO(to_flac(pcm)), tiny_engine, options)
    assert transcribe(to_float32(pcm), tiny_engine, options) == from_file
    assert transcribe(pcm, tiny_engine, options) == from_file


def test_an_empty_array_gets_a_sentence(tiny_engine: Engine) -> None:
    with pytest.raises(AudioError, match="the microphone holds no sound"):
        transcribe(np.zeros(0, np.float32), tiny_engine, name="the microphone")


@pytest.mark.parametrize("samples", [np.zeros((2, 9), np.float32), np.zeros(9, np.int32)])
def test_other_arrays_are_refused(tiny_engine: Engine, samples: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"\(n_samples,\) float32"):
        transcribe(samples, tiny_engine)


def test_samples_can_be_cancelled(tiny_engine: Engine, two_cities: np.ndarray) -> None:
    with pytest.raises(Cancelled, match="was cancelled"):
        transcribe(two_cities, tiny_engine, is_cancelled=lambda: True)
