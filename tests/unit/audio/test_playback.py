from __future__ import annotations

import io

import numpy as np
import pytest

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile, decode
from asr_core.audio.playback import is_browser_playable, write_flac_copy
from tests.support.recordings import bursts, growing_noise, recorded


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("wav", "pcm_alaw"), ("flac", "flac"), ("ogg", "libopus"),
     ("webm", "libopus"), ("ipod", "aac"), ("matroska", "aac"), ("mp3", "libmp3lame")],
)  # fmt: skip
def test_a_file_that_chromium_plays_on_its_own_clock_is_played_as_is(
    container: str, codec: str
) -> None:
    assert is_browser_playable(AudioFile(growing_noise(container, codec)))


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mpegts", "aac"), ("adts", "aac"), ("flv", "aac"), ("aiff", "pcm_s16be"), ("ac3", "ac3"),
     ("wav", "adpcm_ima_wav"), ("ipod", "alac"), ("avi", "pcm_s16le")],
)  # fmt: skip
def test_a_file_that_chromium_cannot_play_is_copied_with_its_times(
    container: str, codec: str
) -> None:
    file, copy = growing_noise(container, codec), io.BytesIO()
    assert not is_browser_playable(AudioFile(file))
    file.seek(0)
    write_flac_copy(AudioFile(file), copy)
    file.seek(0)
    copy.seek(0)
    assert is_browser_playable(AudioFile(copy))
    copy.seek(0)
    np.testing.assert_allclose(decode(copy), decode(file), atol=1e-4)


def test_mp3_of_variable_bit_rate_is_copied() -> None:
    options = {"global_quality": "472", "flags": "+qscale"}
    assert not is_browser_playable(AudioFile(growing_noise("mp3", "libmp3lame", **options)))


@pytest.mark.parametrize(
    ("container", "codec"), [("matroska", "libopus"), ("webm", "libopus"), ("mp4", "aac")]
)
def test_audio_with_a_gap_is_copied(container: str, codec: str) -> None:
    assert not is_browser_playable(AudioFile(growing_noise(container, codec, gap_s=1.0)))


def test_audio_that_starts_late_is_copied_unless_video_precedes_it() -> None:
    late = [(3.0, bursts(2))]
    assert not is_browser_playable(AudioFile(io.BytesIO(recorded("mp4", "aac", late))))
    film = recorded("mp4", "aac", late, picture=(0, 6))
    assert is_browser_playable(AudioFile(io.BytesIO(film)))


def test_concatenated_files_are_copied() -> None:
    data = recorded("wav", "pcm_s16le", [(0.0, bursts(1))])
    assert not is_browser_playable(AudioFile(io.BytesIO(data + data)))


def test_a_copy_ends_where_the_range_does() -> None:
    copy = io.BytesIO()
    write_flac_copy(AudioFile(growing_noise("mpegts", "aac")), copy, 1.5)
    copy.seek(0)
    assert len(decode(copy)) == 1.5 * SAMPLE_RATE_HZ
