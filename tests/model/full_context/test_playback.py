from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asr_core.audio.decode import decode
from asr_core.full_context import FileOptions, TimeRange
from asr_core.full_context import playback as playing
from asr_core.full_context.playback import make_playback_copy
from asr_core.full_context.stored_files import StoredFile, StoredFiles
from asr_core.ops.budget import Budget, Quota, Resource
from tests.support.recordings import growing_noise, with_tracks

Stored = Callable[..., StoredFile]


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Budget:
    budget = Budget({})
    monkeypatch.setattr(playing, "stored_files", lambda: StoredFiles(budget, tmp_path))
    return budget


def never() -> bool:
    return False


def test_a_playable_file_is_played_without_a_copy(stored: Stored, budget: Budget) -> None:
    file = stored(growing_noise("wav", "pcm_s16le").read())
    assert make_playback_copy(file, FileOptions(), never) is None


def test_a_copy_counts_towards_its_owners_budget(stored: Stored, budget: Budget) -> None:
    file = stored(growing_noise("mpegts", "aac").read(), "talk.ts")
    copy = make_playback_copy(file, FileOptions(time_range=TimeRange(1.0, 2.0)), never, "somebody")
    assert copy is not None
    assert len(decode(copy.path)) == 32_000
    assert budget.used(Resource.UPLOADS, "somebody") == copy.path.stat().st_size


def test_without_space_or_audio_there_is_no_copy(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = StoredFiles(Budget({Resource.UPLOADS: Quota(100, 100, "{what} no room.")}), tmp_path)
    monkeypatch.setattr(playing, "stored_files", lambda: small)
    assert (
        make_playback_copy(stored(growing_noise("adts", "aac").read()), FileOptions(), never)
        is None
    )
    assert make_playback_copy(stored(b"no sound"), FileOptions(), never) is None


def test_an_abandoned_copy_is_cancelled(stored: Stored, budget: Budget) -> None:
    file = stored(growing_noise("mpegts", "aac").read(), "talk.ts")
    assert make_playback_copy(file, FileOptions(), lambda: True, "somebody") is None
    assert budget.used(Resource.UPLOADS, "somebody") == 0


def test_the_transcribed_track_is_the_one_played(
    stored: Stored, budget: Budget, beckett: np.ndarray
) -> None:
    file = with_tracks([(np.zeros_like(beckett), {}), (beckett, {})]).getvalue()
    copy = make_playback_copy(stored(file, "screen.mkv"), FileOptions(track=2), never)
    assert copy is not None
    assert np.abs(decode(copy.path)).max() == pytest.approx(np.abs(beckett).max(), abs=0.01)
    first = FileOptions(track=1)
    assert make_playback_copy(stored(file, "screen.mkv"), first, never) is None
