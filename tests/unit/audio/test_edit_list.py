"""Edit lists of MP4 files: what is played when."""

from __future__ import annotations

import io

import numpy as np
import pytest

from asr_core.audio.decode import AudioFile
from asr_core.audio.edit_list import Pause, edit_pauses
from asr_core.audio.playback import is_browser_playable
from tests.support.recordings import EMPTY, bursts, onset_times, recorded, with_edits

WHOLE = recorded("mp4", "aac", [(0.0, bursts(6))])


def edited(*edits: tuple[float, float], version: int = 0) -> bytes:
    return with_edits(WHOLE, *edits, version=version)


def played(data: bytes) -> list[float]:
    audio = AudioFile(io.BytesIO(data), "talk")
    found = onset_times(np.concatenate(list(audio)))
    assert audio.notes == []
    return found


def near(*seconds: float) -> object:
    return pytest.approx(list(seconds), abs=0.03)


@pytest.mark.parametrize("version", [0, 1])
def test_a_pause_between_two_edits_is_silent_and_moves_what_follows(version: int) -> None:
    data = edited((2.5, 0.0), (5.0, EMPTY), (3.5, 2.5), version=version)
    assert played(data) == near(0, 1, 2, 8, 9, 10)


def test_pauses_at_the_start_between_edits_and_at_the_end_are_silent() -> None:
    data = edited((4.0, EMPTY), (2.5, 0.0), (0.5, EMPTY), (3.5, 2.5), (9.0, EMPTY))
    assert played(data) == near(4, 5, 6, 7.5, 8.5, 9.5)


def test_a_file_without_pauses_is_played_as_before() -> None:
    assert played(edited((6.0, 0.0))) == near(*range(6))
    assert played(edited((2.0, 0.0), (2.0, 4.0))) == near(*range(4))
    assert played(WHOLE + edited((2.5, 0.0), (5.0, EMPTY), (3.5, 2.5)))[-1] == pytest.approx(
        16, abs=0.05
    )


def test_a_file_with_a_pause_is_copied_for_browsers() -> None:
    """Chromium reads it with FFmpeg."""
    paused = edited((2.5, 0.0), (5.0, EMPTY), (3.5, 2.5))
    assert not is_browser_playable(AudioFile(io.BytesIO(paused)))
    assert is_browser_playable(AudioFile(io.BytesIO(edited((6.0, 0.0)))))


def test_pauses_are_those_of_the_track() -> None:
    file = io.BytesIO(edited((2.5, 0.0), (5.0, EMPTY), (3.5, 2.5)))
    file.seek(77)
    assert edit_pauses(file, 0, 1) == (Pause(2.5, 7.5),)
    assert edit_pauses(file, 0, 2) == ()
    assert file.tell() == 77


@pytest.mark.parametrize("n", range(0, 900, 13))
def test_a_damaged_list_has_no_pauses(n: int) -> None:
    """Cut off at any place."""
    data = edited((2.5, 0.0), (5.0, EMPTY), (3.5, 2.5))
    at = data.index(b"moov") - 4
    assert edit_pauses(io.BytesIO(data[: at + n]), 0, 1) == ()
