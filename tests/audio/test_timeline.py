from __future__ import annotations

import random

import pytest

from asr_core.audio.timeline import MOST_SILENCE_S, Stamped, placed

FRAME_S = 0.02


def starts(*stamps: float | None, ends_s: float | None = None) -> list[float | None]:
    """Where frames of 20 ms that are stamped so begin; None behind the one before."""
    frames = [Stamped(i, stamp, FRAME_S) for i, stamp in enumerate(stamps)]
    out = list(placed(frames, ends_s=ends_s))
    assert [i for i, _ in out] == list(range(len(stamps)))
    return [at if at is None else round(at, 6) for _, at in out]


def run(start_s: float, n: int = 8) -> list[float]:
    """Stamps of ``n`` frames that follow one another."""
    return [start_s + i * FRAME_S for i in range(n)]


def jumps(*stamps: float | None, ends_s: float | None = None) -> dict[int, float]:
    return {i: at for i, at in enumerate(starts(*stamps, ends_s=ends_s)) if at is not None}


def test_frames_that_follow_one_another_stay_as_they_are() -> None:
    assert jumps(*run(0.0, 1000)) == {}


def test_frames_without_stamps_follow_one_another() -> None:
    assert jumps(*[None] * 20) == {}


def test_sound_that_starts_late_is_moved_to_its_time() -> None:
    assert jumps(*run(9.936)) == {0: 9.936}


def test_sound_after_a_gap_is_moved_to_its_time() -> None:
    assert jumps(*run(0.0), *run(30.14), *run(60.0)) == {8: 30.14, 16: 60.0}


def test_single_frames_far_apart_each_lie_at_their_time() -> None:
    """As codecs send while nobody speaks."""
    assert jumps(*[i * 0.4 for i in range(10)]) == {i: round(i * 0.4, 6) for i in range(1, 10)}


def test_rounding_to_milliseconds_moves_nothing_and_adds_up_to_nothing() -> None:
    stamps = [round(i * 1024 / 44_100, 3) for i in range(20_000)]
    frames = [Stamped(i, stamp, 1024 / 44_100) for i, stamp in enumerate(stamps)]
    assert all(at is None for _, at in placed(frames))


def test_stamps_that_tremble_move_nothing() -> None:
    tremble = random.Random(1)
    assert jumps(*[at + tremble.choice((0.0, 0.0, 0.08)) for at in run(0.0, 900)]) == {}


def test_one_frame_with_a_wrong_stamp_moves_nothing() -> None:
    for wrong_s in (-1e6, 0.0, 7.0, 1e6, 2.0**40):
        stamps = run(5.0, 20)
        stamps[10] = wrong_s
        assert jumps(*stamps) == {0: 5.0}


def test_a_clock_that_runs_slow_or_fast_is_followed() -> None:
    for rate in (0.999, 1.001):
        frames = [Stamped(i, i * FRAME_S * rate, FRAME_S) for i in range(50_000)]
        end_s = 0.0
        for _, at in placed(frames):
            end_s = (end_s if at is None else at) + FRAME_S
        assert end_s == pytest.approx(1000 * rate, abs=0.1)


def test_stamps_that_begin_anew_go_on_where_the_sound_was() -> None:
    """Files that were put together; a counter that has come to its end."""
    assert jumps(*run(0.0, 200), *run(0.0, 200)) == {}
    assert jumps(*run(95_000.0 - 95_000.0, 100), *run(-95_440.0, 100)) == {}


def test_a_gap_after_stamps_began_anew_is_kept() -> None:
    assert jumps(*run(0.0, 200), *run(0.0, 200), *run(10.0)) == {400: 14.0}


def test_of_a_long_overlap_nothing_is_cut_and_the_next_gap_makes_up_for_it() -> None:
    assert jumps(*run(0.0, 100), *run(1.5, 100), *run(5.0)) == {200: 5.0}


def test_by_stamps_that_stand_still_nothing_is_cut() -> None:
    """Of all frames, or of those of one block, as some RealMedia files have them."""
    assert jumps(*[0.0] * 300) == {}
    assert jumps(*[block * 16 * FRAME_S for block in range(20) for _ in range(16)]) == {}


def test_what_is_stamped_before_0_is_cut() -> None:
    assert jumps(*run(-0.5, 100)) == {0: -0.5}


def test_a_clock_that_begins_far_before_0_begins_at_0() -> None:
    assert jumps(*run(-500.0, 100)) == {}


def test_sound_behind_the_end_that_the_file_announces_is_not_waited_for() -> None:
    assert jumps(*run(0.0), *run(4000.0), ends_s=60.0) == {}
    assert jumps(*run(0.0), *run(40.0), ends_s=60.0) == {8: 40.0}


def test_all_gaps_together_are_bounded() -> None:
    hour = 3600.0
    stamps = [at for i in range(100) for at in run(i * hour)]
    frames = [Stamped(i, stamp, FRAME_S) for i, stamp in enumerate(stamps)]
    end_s = 0.0
    for _, at in placed(frames):
        end_s = (end_s if at is None else at) + FRAME_S
    assert 11 * hour < end_s <= MOST_SILENCE_S + len(stamps) * FRAME_S


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_stamps_no_time_lies_outside_the_file_and_none_goes_back(seed: int) -> None:
    rng = random.Random(seed)
    stamp = rng.choice((0.0, -3.0, 1e4, -1e9))
    frames = []
    for i in range(500):
        if rng.random() < 0.1:
            stamp += rng.choice((0.05, -0.05, 0.3, -0.3, 2.0, -2.0, 500.0, -500.0, 1e12, -1e12))
        frames.append(Stamped(i, rng.choice((stamp, stamp, stamp, None)), FRAME_S))
        stamp += FRAME_S
    ends_s = rng.choice((None, 20.0, 600.0))
    end_s, sound_s = 0.0, 0.0
    for _, at in placed(frames, ends_s=ends_s):
        assert at is None or at >= end_s - 0.25
        end_s = (end_s if at is None else at) + FRAME_S
        sound_s += FRAME_S
        limit_s = MOST_SILENCE_S if ends_s is None else ends_s + 1.0
        assert end_s <= limit_s + sound_s
