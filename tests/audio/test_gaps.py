"""Lost packets leave silence of their length."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr_core.audio.gaps import LONGEST_GAP_S, SLACK_S, Gaps


def frame(number: int, *, clock: int = 0) -> av.AudioFrame:
    """The packet of that number: 20 ms at 48 kHz, as aiortc stamps it."""
    made = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), "s16", "stereo")
    made.sample_rate, made.time_base, made.pts = 48_000, Fraction(1, 48_000), clock + 960 * number
    return made


@given(st.sets(st.integers(1, 200), max_size=150))
def test_what_came_and_what_was_lost_make_up_the_whole(lost: set[int]) -> None:
    gaps = Gaps()
    came = [n for n in range(202) if n not in lost]
    missing = sum(gaps.before(frame(n), 0.02 * n) for n in came)
    assert abs(missing + 0.02 * len(came) - 0.02 * 202) < 1e-6


def test_overlaps_and_another_clock_are_no_gap() -> None:
    gaps = Gaps()
    assert [gaps.before(frame(n), 0.02 * n) for n in (5, 6, 3, 4)] == [0, 0, 0, 0]
    far = round(48_000 * (LONGEST_GAP_S + 1))
    assert gaps.before(frame(5, clock=far), 900) == 0
    assert gaps.before(frame(7, clock=far), 900) == 0.02


def test_frames_without_time_stamps_have_no_gaps() -> None:
    gaps = Gaps()
    bare = frame(0)
    bare.pts = None
    assert gaps.before(bare, 0) == 0
    assert gaps.before(frame(9), 9) == 0


@given(st.lists(st.tuples(st.integers(-(1 << 32), 1 << 33), st.floats(0, 0.1)), max_size=300))
def test_whatever_the_stamps_say_no_more_is_missing_than_time_has_passed(
    steps: list[tuple[int, float]],
) -> None:
    gaps, now, clock = Gaps(), 0.0, 0
    heard_s = missing_s = 0.0
    for ticks, seconds in [(0, 0.0), *steps]:
        clock, now = clock + ticks, now + seconds
        lost_s = gaps.before(frame(0, clock=clock), now)
        assert lost_s >= 0
        missing_s += lost_s
        assert missing_s <= now + SLACK_S
        assert not lost_s or heard_s + missing_s <= now + SLACK_S + 1e-5
        heard_s += 0.02


def test_stamps_that_jump_two_minutes_with_each_packet_leave_no_more_than_the_clock() -> None:
    gaps = Gaps()
    missing = sum(gaps.before(frame(n, clock=119 * 48_000 * n), 0.02 * n) for n in range(3_000))
    assert missing <= SLACK_S
    assert gaps.unbelieved_s > 300_000
