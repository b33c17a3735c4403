from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile, decode
from asr_core.audio.playback import is_played_by_browsers, write_copy
from tests.audio.recordings import bursts
from tests.audio.recordings import recorded as in_file


def recorded(container: str, codec: str, *, gap_s: float = 0.0, **options: str) -> io.BytesIO:
    """Five seconds of noise that grows, with a gap after two."""
    rate = 48_000
    noise = np.random.default_rng(0).normal(0, 3000, 5 * rate) * np.linspace(0, 1, 5 * rate) ** 2
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono", options=options)
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate)
        packets = []
        for at in range(0, len(noise), 960):
            piece = noise[np.newaxis, at : at + 960].astype(np.int16)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            packets += [
                packet for each in resampler.resample(frame) for packet in stream.encode(each)
            ]
        for packet in [*packets, *stream.encode(None)]:
            if packet.pts * packet.time_base > 2:
                packet.pts = packet.dts = packet.pts + int(gap_s / packet.time_base)
            out.mux(packet)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("wav", "pcm_alaw"), ("flac", "flac"), ("ogg", "libopus"),
     ("webm", "libopus"), ("ipod", "aac"), ("matroska", "aac"), ("mp3", "libmp3lame")],
)  # fmt: skip
def test_what_chromium_plays_by_its_own_clock_is_played_as_it_is(
    container: str, codec: str
) -> None:
    assert is_played_by_browsers(AudioFile(recorded(container, codec)))


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mpegts", "aac"), ("adts", "aac"), ("flv", "aac"), ("aiff", "pcm_s16be"), ("ac3", "ac3"),
     ("wav", "adpcm_ima_wav"), ("ipod", "alac"), ("avi", "pcm_s16le")],
)  # fmt: skip
def test_what_chromium_does_not_play_is_copied_with_its_times(container: str, codec: str) -> None:
    file, copy = recorded(container, codec), io.BytesIO()
    assert not is_played_by_browsers(AudioFile(file))
    file.seek(0)
    write_copy(AudioFile(file), copy)
    file.seek(0)
    copy.seek(0)
    assert is_played_by_browsers(AudioFile(copy))
    copy.seek(0)
    np.testing.assert_allclose(decode(copy), decode(file), atol=1e-4)


def test_mp3_of_a_bit_rate_that_changes_is_copied() -> None:
    options = {"global_quality": "472", "flags": "+qscale"}
    assert not is_played_by_browsers(AudioFile(recorded("mp3", "libmp3lame", **options)))


@pytest.mark.parametrize(
    ("container", "codec"), [("matroska", "libopus"), ("webm", "libopus"), ("mp4", "aac")]
)
def test_sound_with_a_gap_is_copied(container: str, codec: str) -> None:
    assert not is_played_by_browsers(AudioFile(recorded(container, codec, gap_s=1.0)))


def test_sound_that_starts_late_is_copied_where_no_picture_goes_before_it() -> None:
    late = [(3.0, bursts(2))]
    assert not is_played_by_browsers(AudioFile(io.BytesIO(in_file("mp4", "aac", late))))
    film = in_file("mp4", "aac", late, picture=(0, 6))
    assert is_played_by_browsers(AudioFile(io.BytesIO(film)))


def test_files_put_together_are_copied() -> None:
    data = in_file("wav", "pcm_s16le", [(0.0, bursts(1))])
    assert not is_played_by_browsers(AudioFile(io.BytesIO(data + data)))


def test_a_copy_ends_where_the_stretch_does() -> None:
    copy = io.BytesIO()
    write_copy(AudioFile(recorded("mpegts", "aac")), copy, 1.5)
    copy.seek(0)
    assert len(decode(copy)) == 1.5 * SAMPLE_RATE_HZ
