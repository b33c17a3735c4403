"""The public API gives the same words as the parts it is made of."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import asr_core
from asr_core.audio.pcm import clip_to_int16
from asr_core.engines.base import Engine
from asr_core.full_context import transcribe

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def model(tiny_en: Path, tiny_engine: Engine) -> asr_core.Model:
    return asr_core.load_model(tiny_en, engine="onnx")


def test_a_path_a_file_and_samples_give_the_same_words(
    model: asr_core.Model, speech_files: Path, beckett: Samples
) -> None:
    path = speech_files / "beckett.wav"
    expected = transcribe(path, model.engine).text
    assert expected
    pcm = clip_to_int16(beckett)
    for audio in (path, str(path), io.BytesIO(path.read_bytes()), beckett):
        assert model.transcribe(audio).text == expected
    assert len(model.transcribe(pcm).words) == len(expected.split())


def test_samples_of_another_rate_keep_their_times(model: asr_core.Model, beckett: Samples) -> None:
    tripled = np.repeat(beckett, 3)
    slow, quick = (
        model.transcribe(beckett), model.transcribe(tripled, sample_rate_hz=48_000)
    )  # fmt: skip
    assert quick.duration == pytest.approx(slow.duration, abs=0.01)


def test_a_transcript_is_saved_in_the_format_of_its_extension(
    model: asr_core.Model, beckett: Samples, tmp_path: Path
) -> None:
    transcript = model.transcribe(beckett)
    for extension in ("txt", "srt", "vtt", "tsv", "json", "docx"):
        content = transcript.to(extension)
        saved = transcript.save(tmp_path / f"talk.{extension}").read_bytes()
        if isinstance(content, str):
            assert saved == content.encode()
        else:
            assert saved[:2] == content[:2] == b"PK"  # a ZIP, which contains the time
    assert json.loads(transcript.to("json"))["text"] == transcript.text
    with pytest.raises(ValueError, match="'exe' is no format"):
        transcript.save(tmp_path / "talk.exe")


@pytest.mark.parametrize("realtime", [False, True])
def test_a_stream_gives_every_final_word_once(
    model: asr_core.Model, beckett: Samples, realtime: bool
) -> None:
    events = []
    with model.stream(realtime=realtime) as stream:
        for at in range(0, len(beckett), 1600):
            events += stream.feed(beckett[at : at + 1600])
        events += stream.close()
    final = tuple(word for event in events for word in event.final)
    assert final == stream.result.words
    assert len(final) > 10
    assert events[-1].partial == ()
    assert any(event.partial for event in events) or realtime
    assert stream.close() == []
    with pytest.raises(ValueError, match="closed"):
        stream.feed(beckett)


def test_the_same_recording_gives_the_same_events(model: asr_core.Model, beckett: Samples) -> None:
    def events() -> list[asr_core.StreamEvent]:
        stream = model.stream(realtime=False)
        return [*stream.feed(beckett), *stream.close()]

    assert events() == events()


def test_an_unsupported_task_is_refused(model: asr_core.Model, beckett: Samples) -> None:
    with pytest.raises(asr_core.ModelError, match="does not know German"):
        model.stream(language="de")
    with pytest.raises(asr_core.ModelError, match="knows English only"):
        model.transcribe(beckett, task="translate")


@pytest.mark.parametrize("audio", [np.zeros((2, 100), np.float32), np.zeros(100, np.int32)])
def test_samples_of_another_kind_are_refused(model: asr_core.Model, audio: Samples) -> None:
    with pytest.raises(TypeError, match="mono"):
        model.transcribe(audio)
