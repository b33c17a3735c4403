"""Calls with a speaker on each channel."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import av
import numpy as np
import pytest

from asr_core.audio.pcm import clip_to_int16
from asr_core.engines.base import Engine
from asr_core.errors import Cancelled
from asr_core.full_context import FileOptions, FileProgress, transcribe
from asr_core.full_context.channels import speaker_names
from asr_core.full_context.chunks import speech_chunks
from asr_core.output.formats import FORMATS
from tests.support.texts import BECKETT, word_error_rate

Samples = np.ndarray
SPLIT = FileOptions("en", split_channels=True)


def call(channels: list[Samples], layout: str = "stereo") -> io.BytesIO:
    file = io.BytesIO()
    data = clip_to_int16(np.array(channels))
    with av.open(file, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=16_000, layout=layout)
        frame = av.AudioFrame.from_ndarray(data.T.reshape(1, -1).copy(), "s16", layout)
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file


@pytest.fixture(scope="module")
def two_sides(two_cities: Samples, beckett: Samples) -> tuple[Samples, Samples]:
    """Ten seconds of one speaker; the other starts in the middle."""
    left, right = np.zeros((2, 16_000 * 18), np.float32)
    left[: 16_000 * 12] = two_cities[: 16_000 * 12]
    right[16_000 * 8 : 16_000 * 8 + len(beckett)] = beckett
    return left, right


def test_each_channel_is_a_speaker(tiny_engine: Engine, two_sides: tuple[Samples, Samples]) -> None:
    left, right = two_sides
    file = call([left + 0.05 * right, right + 0.05 * left])
    seen: list[FileProgress] = []
    transcript = transcribe(file, tiny_engine, SPLIT, name="call", on_progress=seen.append)
    of_right = " ".join(s.text for s in transcript.segments if s.speaker == "Right")
    assert word_error_rate(BECKETT, of_right) < 0.3
    assert "best of times" in " ".join(s.text for s in transcript.segments if s.speaker == "Left")
    assert {segment.speaker for segment in transcript.segments} == {"Left", "Right"}
    starts = [segment.start for segment in transcript.segments]
    assert starts == sorted(starts)
    assert transcript.notes == ()
    for earlier, later in pairwise(seen):
        settled = earlier.transcript.segments[: earlier.n_final_segments]
        assert later.transcript.segments[: len(settled)] == settled


def test_words_so_far_are_kept_when_cancelled(
    tiny_engine: Engine, two_sides: tuple[Samples, Samples]
) -> None:
    file, seen = call([np.tile(side, 4) for side in two_sides]), list[FileProgress]()
    with pytest.raises(Cancelled):
        transcribe(
            file, tiny_engine, SPLIT, on_progress=seen.append, is_cancelled=lambda: bool(seen)
        )
    assert all(segment.speaker for segment in seen[-1].transcript.segments)


@pytest.mark.parametrize(
    ("n_channels", "layout", "why"),
    [(1, "mono", "talk has one channel only"), (2, "stereo", "All channels of talk hold the same")],
)
def test_channels_without_separate_speakers_get_a_sentence(
    tiny_engine: Engine, beckett: Samples, n_channels: int, layout: str, why: str
) -> None:
    transcript = transcribe(call([beckett] * n_channels, layout), tiny_engine, SPLIT, name="talk")
    assert word_error_rate(BECKETT, transcript.text) < 0.3
    assert {segment.speaker for segment in transcript.segments} == {None}
    assert why in transcript.notes[0]
    assert "speakers are not told apart" in transcript.notes[0]


def test_speakers_have_the_names_of_their_channels() -> None:
    assert speaker_names(("FL", "FR")) == speaker_names(("NONE", "NONE")) == ("Left", "Right")
    assert speaker_names(("FL", "FR", "FC")) == ("Channel 1", "Channel 2", "Channel 3")


def test_windows_of_channels_are_ordered_by_start(two_cities: Samples) -> None:
    shifted = np.concatenate([np.zeros(16_000 * 7, np.float32), two_cities])
    pair = np.stack([np.pad(two_cities, (0, 16_000 * 7)), shifted])
    pieces = [pair[:, at : at + 16_000] for at in range(0, pair.shape[1], 16_000)]
    found = list(speech_chunks(pieces))
    assert [w.start_s for w in found] == sorted(w.start_s for w in found)
    for channel, alone in enumerate(pair):
        one = list(speech_chunks([alone[at : at + 16_000] for at in range(0, len(alone), 16_000)]))
        same = [w for w in found if w.channel == channel]
        assert [w.start_s for w in same] == [w.start_s for w in one]
        assert [len(w.samples) for w in same] == [len(w.samples) for w in one]


def test_every_format_names_the_speakers(
    tiny_engine: Engine, two_sides: tuple[Samples, Samples]
) -> None:
    transcript = transcribe(call(list(two_sides)), tiny_engine, SPLIT)
    assert "\nRight: " in str(FORMATS["txt"](transcript))
    data = json.loads(FORMATS["json"](transcript))
    assert {segment["speaker"] for segment in data["segments"]} == {"Left", "Right"}
