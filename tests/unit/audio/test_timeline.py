from __future__ import annotations

import random

import pytest

from asr_core.audio.timeline import MAX_INSERTED_SILENCE_S, TimedFrame, place_frames

FRAME_S = 0.02


def starts(*stamps: float | None, ends_s: float | None = None) -> list[float | None]:
    """Return the start of each 20 ms frame with these time stamps; None right after the last."""
    frames = [TimedFrame(i, stamp, FRAME_S) for i, stamp in enumerate(stamps)]
    out = list(place_frames(frames, ends_s=ends_s))
    assert [i for i, _ in out] == list(range(len(stamps)))
    return [at if at is None else round(at, 6) for _, at in out]


def run(start_s: float, n: int = 8) -> list[float]:
    """Return the time stamps of ``n`` consecutive frames."""
    return [start_s + i * FRAME_S for i in range(n)]


def jumps(*stamps: float | None, ends_s: float | None = None) -> dict[int, float]:
    return {i: at for i, at in enumerate(starts(*stamps, ends_s=ends_s)) if at is not None}


def test_consecutive_frames_stay_as_they_are() -> None:
    assert jumps(*run(0.0, 1000)) == {}


def test_frames_without_time_stamps_follow_one_another() -> None:
    assert jumps(*[None] * 20) == {}


def test_audio_that_starts_late_is_moved_to_its_time() -> None:
    assert jumps(*run(9.936)) == {0: 9.936}


def test_audio_after_a_gap_is_moved_to_its_time() -> None:
    assert jumps(*run(0.0), *run(30.14), *run(60.0)) == {8: 30.14, 16: 60.0}


def test_single_frames_far_apart_each_lie_at_their_time() -> None:
    """Codecs send such frames while nobody speaks."""
    assert jumps(*[i * 0.4 for i in range(10)]) == {i: round(i * 0.4, 6) for i in range(1, 10)}


def test_rounding_to_milliseconds_moves_nothing_and_does_not_accumulate() -> None:
    stamps = [round(i * 1024 / 44_100, 3) for i in range(20_000)]
    frames = [TimedFrame(i, stamp, 1024 / 44_100) for i, stamp in enumerate(stamps)]
    assert all(at is None for _, at in place_frames(frames))


def test_time_stamp_jitter_moves_nothing() -> None:
    tremble = random.Random(1)
    assert jumps(*[at + tremble.choice((0.0, 0.0, 0.08)) for at in run(0.0, 900)]) == {}


def test_one_frame_with_a_wrong_time_stamp_moves_nothing() -> None:
    for wrong_s in (-1e6, 0.0, 7.0, 1e6, 2.0**40):
        stamps = run(5.0, 20)
        stamps[10] = wrong_s
        assert jumps(*stamps) == {0: 5.0}


def test_a_clock_that_runs_slow_or_fast_is_followed() -> None:
    for rate in (0.999, 1.001):
        frames = [TimedFrame(i, i * FRAME_S * rate, FRAME_S) for i in range(50_000)]
        end_s = 0.0
        for _, at in place_frames(frames):
            end_s = (end_s if at is None else at) + FRAME_S
        assert end_s == pytest.approx(1000 * rate, abs=0.1)


def test_time_stamps_that_restart_continue_from_the_audio_so_far() -> None:
    """As in concatenated files, or when a counter overflows."""
    assert jumps(*run(0.0, 200), *run(0.0, 200)) == {}
    assert jumps(*run(95_000.0 - 95_000.0, 100), *run(-95_440.0, 100)) == {}


def test_a_gap_after_time_stamps_restart_is_kept() -> None:
    assert jumps(*run(0.0, 200), *run(0.0, 200), *run(10.0)) == {400: 14.0}


def test_a_long_overlap_is_not_cut_and_the_next_gap_compensates() -> None:
    assert jumps(*run(0.0, 100), *run(1.5, 100), *run(5.0)) == {200: 5.0}


def test_nothing_is_cut_by_time_stamps_that_stand_still() -> None:
    """On all frames, or on those of one block, as in some RealMedia files."""
    assert jumps(*[0.0] * 300) == {}
    assert jumps(*[block * 16 * FRAME_S for block in range(20) for _ in range(16)]) == {}


def test_frames_stamped_before_0_are_cut() -> None:
    assert jumps(*run(-0.5, 100)) == {0: -0.5}


def test_a_clock_that_begins_far_before_0_begins_at_0() -> None:
    assert jumps(*run(-500.0, 100)) == {}


def test_a_frame_stamped_past_the_declared_end_makes_no_gap() -> None:
    assert jumps(*run(0.0), *run(4000.0), ends_s=60.0) == {}
    assert jumps(*run(0.0), *run(40.0), ends_s=60.0) == {8: 40.0}


def test_all_gaps_together_are_bounded() -> None:
    hour = 3600.0
    stamps = [at for i in range(100) for at in run(i * hour)]
    frames = [TimedFrame(i, stamp, FRAME_S) for i, stamp in enumerate(stamps)]
    end_s = 0.0
    for _, at in place_frames(frames):
        end_s = (end_s if at is None else at) + FRAME_S
    assert 11 * hour < end_s <= MAX_INSERTED_SILENCE_S + len(stamps) * FRAME_S


@pytest.mark.parametrize("seed", range(30))
def test_times_stay_inside_the_file_and_never_go_back(seed: int) -> None:
    rng = random.Random(seed)
    stamp = rng.choice((0.0, -3.0, 1e4, -1e9))
    frames = []
    for i in range(500):
        if rng.random() < 0.1:
            stamp += rng.choice((0.05, -0.05, 0.3, -0.3, 2.0, -2.0, 500.0, -500.0, 1e12, -1e12))
        frames.append(TimedFrame(i, rng.choice((stamp, stamp, stamp, None)), FRAME_S))
        stamp += FRAME_S
    ends_s = rng.choice((None, 20.0, 600.0))
    end_s, sound_s = 0.0, 0.0
    for _, at in place_frames(frames, ends_s=ends_s):
        assert at is None or at >= end_s - 0.25
        end_s = (end_s if at is None else at) + FRAME_S
        sound_s += FRAME_S
        limit_s = MAX_INSERTED_SILENCE_S if ends_s is None else ends_s + 1.0
        assert end_s <= limit_s + sound_s
