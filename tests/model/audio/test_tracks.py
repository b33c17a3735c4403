"""Files with several audio tracks, as from screen recorders, cameras and film discs."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from av.stream import Disposition

from asr_core.audio.decode import AudioFile
from asr_core.audio.pcm import clip_to_int16
from asr_core.errors import AudioError
from tests.support.recordings import with_tracks

Samples = np.ndarray
SILENCE = np.zeros(16_000 * 8, np.float32)


def loudness(audio: AudioFile) -> float:
    return float(np.sqrt(np.mean(np.concatenate(list(audio)) ** 2)))


@pytest.mark.parametrize(
    ("container", "codec"), [("matroska", "flac"), ("mov", "pcm_s16le"), ("mpegts", "mp2")]
)
@pytest.mark.parametrize("spoken", [1, 2, 3])
def test_the_track_with_speech_is_chosen_and_reported(
    beckett: Samples, container: str, codec: str, spoken: int
) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.02, len(SILENCE)).astype(np.float32)
    tracks = [(beckett[: len(SILENCE)] if i == spoken else hiss, {}) for i in (1, 2, 3)]
    audio = AudioFile(with_tracks(tracks, container, codec), "screen")
    assert audio.notes == [
        f"screen has 3 sound tracks: track {spoken} was transcribed; another one can be chosen "
        "(--audio-track)."
    ]


def loudness_of(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def test_the_default_one_of_the_tracks_with_speech_is_chosen(beckett: Samples) -> None:
    quiet = beckett * 0.1
    default = {"title": "Deutsch", "disposition": Disposition.default}
    audio = AudioFile(with_tracks([(beckett, {}), (quiet, default), (beckett, {})]), "film")
    assert "track 2 (Deutsch) was transcribed" in audio.notes[0]
    assert loudness(audio) < 0.2 * loudness_of(beckett)


def test_a_commentary_track_is_chosen_only_if_no_other_has_speech(beckett: Samples) -> None:
    comments = (beckett, {"title": "Director's commentary"})
    film = (beckett * 0.1, {"title": "Film"})
    silent = (np.zeros_like(beckett), {"disposition": Disposition.default})
    assert "(Film)" in AudioFile(with_tracks([silent, comments, film]), "x").notes[0]
    assert "commentary" in AudioFile(with_tracks([silent, comments]), "x").notes[0]


def test_the_default_track_is_chosen_without_speech() -> None:
    tracks = [(SILENCE, {}), (SILENCE, {"language": "ger", "disposition": Disposition.default})]
    assert "track 2 (ger)" in AudioFile(with_tracks(tracks), "x").notes[0]


def test_speech_that_begins_late_is_found(beckett: Samples) -> None:
    late = np.concatenate([np.zeros(16_000 * 200, np.float32), np.tile(beckett, 6)])
    tracks = [(0 * late, {"disposition": Disposition.default}), (late, {})]
    assert "track 2" in AudioFile(with_tracks(tracks), "x").notes[0]


def test_a_requested_track_is_read_without_a_note(beckett: Samples) -> None:
    file = with_tracks([(beckett, {}), (beckett * 0.1, {})])
    audio = AudioFile(file, "x", track=2)
    assert loudness(audio) < 0.2 * loudness_of(beckett)
    assert audio.notes == []
    assert [track.number for track in audio.tracks] == [1, 2]


def test_a_missing_track_gets_a_sentence(beckett: Samples) -> None:
    with pytest.raises(AudioError, match=r"x has 2 sound tracks; choose one from 1 to 2\."):
        AudioFile(with_tracks([(beckett, {}), (beckett, {})]), "x", track=3)
    with pytest.raises(AudioError, match="x has one sound track only"):
        AudioFile(with_tracks([(beckett, {})]), "x", track=2)


def test_a_single_track_gets_no_note(beckett: Samples) -> None:
    assert AudioFile(with_tracks([(beckett, {"title": "Only"})]), "x").notes == []


def test_the_search_for_speech_can_be_cancelled(beckett: Samples) -> None:
    """Cancelling does not wait until all tracks are searched."""
    file = with_tracks([(np.tile(beckett, 20), {}), (np.tile(beckett, 20), {})])
    n_left = 40

    def between() -> None:
        nonlocal n_left
        n_left -= 1
        if n_left < 0:
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        AudioFile(file, "x", check_cancelled=between)


def test_channels_are_read_separately(beckett: Samples) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=48_000, layout="stereo")
        both = np.stack([np.repeat(beckett, 3), np.repeat(beckett[::-1], 3)])
        data = np.ascontiguousarray(clip_to_int16(both).T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(data, "s16", "stereo")
        frame.sample_rate = 48_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    audio = AudioFile(file, "call", split_channels=True)
    left, right = np.concatenate(list(audio), axis=1)
    assert audio.channels == ("FL", "FR")
    assert np.corrcoef(left, beckett[: len(left)])[0, 1] > 0.98
    assert np.corrcoef(right, beckett[::-1][: len(right)])[0, 1] > 0.98


def test_too_many_channels_to_separate_get_a_sentence() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=16_000, layout="24 channels")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 24 * 1600), np.int16), "s16", "24 channels")
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
    with pytest.raises(AudioError, match="wide has 24 channels; at most 16"):
        AudioFile(file, "wide", split_channels=True)
