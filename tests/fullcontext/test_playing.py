from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asr_core.audio.decode import decode
from asr_core.budget import Allowance, Budget, Resource
from asr_core.fullcontext import FileOptions, Stretch, playing
from asr_core.fullcontext.playing import copy_to_play
from asr_core.stored_files import StoredFile, StoredFiles
from tests.audio.recordings import with_tracks
from tests.audio.test_playback import recorded

Stored = Callable[..., StoredFile]


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Budget:
    budget = Budget({})
    monkeypatch.setattr(playing, "stored_files", lambda: StoredFiles(budget, tmp_path))
    return budget


def never() -> bool:
    return False


def test_a_file_that_browsers_play_is_played_itself(stored: Stored, budget: Budget) -> None:
    file = stored(recorded("wav", "pcm_s16le").read())
    assert copy_to_play(file, FileOptions(), never) is None


def test_a_copy_counts_as_its_owners(stored: Stored, budget: Budget) -> None:
    file = stored(recorded("mpegts", "aac").read(), "talk.ts")
    copy = copy_to_play(file, FileOptions(stretch=Stretch(1.0, 2.0)), never, "somebody")
    assert copy is not None
    assert len(decode(copy.path)) == 32_000
    assert budget.used(Resource.UPLOADS, "somebody") == copy.path.stat().st_size


def test_without_room_and_without_sound_there_is_no_copy(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = StoredFiles(
        Budget({Resource.UPLOADS: Allowance(100, 100, "{what} no room.")}), tmp_path
    )
    monkeypatch.setattr(playing, "stored_files", lambda: small)
    assert copy_to_play(stored(recorded("adts", "aac").read()), FileOptions(), never) is None
    assert copy_to_play(stored(b"no sound"), FileOptions(), never) is None


def test_a_copy_that_nobody_waits_for_any_more_is_given_up(stored: Stored, budget: Budget) -> None:
    file = stored(recorded("mpegts", "aac").read(), "talk.ts")
    assert copy_to_play(file, FileOptions(), lambda: True, "somebody") is None
    assert budget.used(Resource.UPLOADS, "somebody") == 0


def test_the_track_that_was_heard_is_the_one_that_is_played(
    stored: Stored, budget: Budget, beckett: np.ndarray
) -> None:
    file = with_tracks([(np.zeros_like(beckett), {}), (beckett, {})]).getvalue()
    copy = copy_to_play(stored(file, "screen.mkv"), FileOptions(track=2), never)
    assert copy is not None
    assert np.abs(decode(copy.path)).max() == pytest.approx(np.abs(beckett).max(), abs=0.01)
    first = FileOptions(track=1)
    assert copy_to_play(stored(file, "screen.mkv"), first, never) is None
