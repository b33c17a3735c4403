"""Audio lies where a player plays it; tests/browser/test_player.py compares with Chromium."""

from __future__ import annotations

import io

import numpy as np
import pytest

from asr_core.audio.decode import AudioFile, decode
from asr_core.errors import AudioError
from asr_core.full_context.time_range import RangeReader, TimeRange
from tests.support.recordings import bursts, onset_times, recorded

CODECS = {
    "mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus", "mpegts": "aac",
    "flv": "aac", "asf": "wmav2", "ogg": "libopus",
}  # fmt: skip
FROM_0 = ("mp4", "mov", "matroska", "webm", "ogg")  # browsers play these from 0
PICTURED = tuple(name for name in CODECS if name != "ogg")


def times(data: bytes) -> list[float]:
    audio = AudioFile(io.BytesIO(data), "talk")
    found = onset_times(np.concatenate(list(audio)))
    assert audio.notes == []
    return found


def near(*seconds: float) -> object:
    return pytest.approx(list(seconds), abs=0.09)


@pytest.mark.parametrize("container", PICTURED)
def test_audio_that_starts_after_the_video_starts_late(container: str) -> None:
    data = recorded(container, CODECS[container], [(3.0, bursts(3))], picture=(0, 8))
    assert times(data) == near(3, 4, 5)


@pytest.mark.parametrize("container", CODECS)
def test_audio_after_a_gap_lies_where_its_time_stamps_say(container: str) -> None:
    data = recorded(container, CODECS[container], [(0.0, bursts(2)), (8.0, bursts(2))])
    found = times(data)
    assert found[:2] == near(0, 1)
    assert found[-2:] == near(8, 9)


@pytest.mark.parametrize("container", CODECS)
def test_a_file_that_starts_at_ten_seconds(container: str) -> None:
    data = recorded(container, CODECS[container], [(10.0, bursts(3))])
    first = 10 if container in FROM_0 else 0
    assert times(data) == near(first, first + 1, first + 2)


@pytest.mark.parametrize("container", PICTURED)
def test_audio_and_video_of_a_file_that_starts_late_stay_in_sync(container: str) -> None:
    data = recorded(container, CODECS[container], [(10.5, bursts(2))], picture=(10, 14))
    first = 10.5 if container in FROM_0 else 0.5
    assert times(data) == near(first, first + 1)


@pytest.mark.parametrize("container", PICTURED)
def test_a_video_longer_than_its_audio_is_not_damaged(container: str) -> None:
    data = recorded(container, CODECS[container], [(0.0, bursts(2))], picture=(0, 12))
    assert times(data) == near(0, 1)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("adts", "aac"),
        ("ac3", "ac3"),
    ],
)
def test_a_file_without_time_stamps_starts_at_0(container: str, codec: str) -> None:
    assert times(recorded(container, codec, [(0.0, bursts(3))])) == near(0, 1, 2)


def test_rounded_time_stamps_neither_move_nor_lengthen_the_audio() -> None:
    """Matroska rounds to milliseconds; a frame of 1024 samples at 44.1 kHz lasts 23.22 ms."""
    rate = 44_100
    original = np.zeros(120 * rate, np.float32)
    original[-rate:] = bursts(1, rate)
    data = recorded("matroska", "pcm_s16le", [(0.0, original)], rate=rate)
    samples = decode(io.BytesIO(data))
    assert len(samples) == 120 * 16_000
    assert onset_times(samples) == near(119)


def test_audio_before_0_is_skipped_and_the_rest_keeps_its_time() -> None:
    data = recorded("matroska", "flac", [(-0.5, bursts(3))], picture=(0, 4))
    assert times(data) == near(0.5, 1.5)


@pytest.mark.parametrize("start_s", [0.5, 10.0, 3600.0])
@pytest.mark.parametrize("n_seconds", [1, 3])
def test_an_ogg_flac_file_that_starts_late_is_in_one_piece(start_s: float, n_seconds: int) -> None:
    """Of one page, or of several."""
    data = recorded("ogg", "flac", [(start_s, bursts(n_seconds))])
    assert times(data) == near(*(start_s + i for i in range(n_seconds)))


def test_a_wrong_time_stamp_makes_no_hours_of_silence() -> None:
    data = bytearray(recorded("matroska", "flac", [(0.0, bursts(30))]))
    at = data.rindex(bytes.fromhex("1f43b675"))  # the last cluster; its time follows
    place = data.index(b"\xe7", at)
    length = data[place + 1] & 0x7F
    data[place + 2 : place + 2 + length] = b"\x7f" * length
    samples = np.concatenate(list(AudioFile(io.BytesIO(bytes(data)), "talk.mkv")))
    assert len(samples) / 16_000 == pytest.approx(30, abs=1.5)


def test_a_gap_counts_towards_the_longest_allowed_duration() -> None:
    data = recorded("webm", "libopus", [(0.0, bursts(1)), (20_000.0, bursts(1))])
    with pytest.raises(AudioError, match="longer than 60 s"):
        decode(io.BytesIO(data), "talk.webm", max_duration_s=60.0)


def test_a_range_is_on_the_clock_of_the_file() -> None:
    data = recorded("matroska", "flac", [(0.0, bursts(2)), (60.0, bursts(4))])
    pieces = RangeReader(AudioFile(io.BytesIO(data), "talk.mkv"), TimeRange(61.0, 63.0))
    found = onset_times(np.concatenate(list(pieces)))
    assert found == near(0, 1)
    assert pieces.position_s == 63.0


def test_an_unseekable_stream_is_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    data = recorded("matroska", "flac", [(1.0, bursts(3))])
    assert onset_times(decode(Pipe(data), "pipe")) == near(1, 2, 3)
