"""Lost packets become silence of their length."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr_core.rtc.gap_detector import CLOCK_SLACK_S, MAX_GAP_S, GapDetector


def frame(number: int, *, clock: int = 0) -> av.AudioFrame:
    """Return the packet of that number: 20 ms at 48 kHz, with aiortc's time stamp."""
    made = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), "s16", "stereo")
    made.sample_rate, made.time_base, made.pts = 48_000, Fraction(1, 48_000), clock + 960 * number
    return made


@given(st.sets(st.integers(1, 200), max_size=150))
def test_received_and_lost_audio_add_up_to_the_whole(lost: set[int]) -> None:
    gaps = GapDetector()
    came = [n for n in range(202) if n not in lost]
    missing = sum(gaps.gap_before(frame(n), 0.02 * n) for n in came)
    assert abs(missing + 0.02 * len(came) - 0.02 * 202) < 1e-6


def test_overlaps_and_another_clock_are_not_gaps() -> None:
    gaps = GapDetector()
    assert [gaps.gap_before(frame(n), 0.02 * n) for n in (5, 6, 3, 4)] == [0, 0, 0, 0]
    far = round(48_000 * (MAX_GAP_S + 1))
    assert gaps.gap_before(frame(5, clock=far), 900) == 0
    assert gaps.gap_before(frame(7, clock=far), 900) == 0.02


def test_frames_without_time_stamps_have_no_gaps() -> None:
    gaps = GapDetector()
    bare = frame(0)
    bare.pts = None
    assert gaps.gap_before(bare, 0) == 0
    assert gaps.gap_before(frame(9), 9) == 0


@given(st.lists(st.tuples(st.integers(-(1 << 32), 1 << 33), st.floats(0, 0.1)), max_size=300))
def test_no_more_is_missing_than_time_has_passed(
    steps: list[tuple[int, float]],
) -> None:
    gaps, now, clock = GapDetector(), 0.0, 0
    heard_s = missing_s = 0.0
    for ticks, seconds in [(0, 0.0), *steps]:
        clock, now = clock + ticks, now + seconds
        lost_s = gaps.gap_before(frame(0, clock=clock), now)
        assert lost_s >= 0
        missing_s += lost_s
        assert missing_s <= now + CLOCK_SLACK_S
        assert not lost_s or heard_s + missing_s <= now + CLOCK_SLACK_S + 1e-5
        heard_s += 0.02


def test_time_stamps_that_jump_with_each_packet_are_bounded_by_the_clock() -> None:
    gaps = GapDetector()
    missing = sum(gaps.gap_before(frame(n, clock=119 * 48_000 * n), 0.02 * n) for n in range(3_000))
    assert missing <= CLOCK_SLACK_S
    assert gaps.rejected_s > 300_000
