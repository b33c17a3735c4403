from __future__ import annotations

from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_core.audio.pcm import clip_to_int16
from asr_core.audio.resample import Resampler

TONE_HZ = 440.0
KINDS = [
    ("s16", "stereo"),
    ("s16p", "stereo"),
    ("flt", "mono"),
    ("fltp", "5.1"),
    ("s32", "mono"),
    ("u8", "mono"),
]


def tone(start_s: float, duration_s: float, rate: int, kind: str = "s16", layout: str = "mono"):
    """Return a frame of a sine that is continuous from frame to frame."""
    n = round(duration_s * rate)
    wave = 0.5 * np.sin(2 * np.pi * TONE_HZ * (start_s + np.arange(n) / rate))
    n_channels = len(av.AudioLayout(layout).channels)
    planes = np.tile(wave, (n_channels, 1))
    if kind == "u8":
        data = (planes * 127 + 128).astype(np.uint8)
    elif kind.startswith("s16"):
        data = clip_to_int16(planes)
    elif kind.startswith("s32"):
        data = (planes * 2147483647).astype(np.int32)
    else:
        data = planes.astype(np.float32)
    if not kind.endswith("p"):
        data = np.ascontiguousarray(data.T.reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format=kind, layout=layout)
    frame.sample_rate = rate
    return frame


def resample(frames) -> np.ndarray:
    resampler = Resampler()
    return np.concatenate([*(resampler.push(frame) for frame in frames), resampler.flush()])


def expected(n: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(n) / 16_000)


@pytest.mark.parametrize(("kind", "layout"), KINDS)
def test_every_sample_format_and_layout_gives_the_same_samples(kind: str, layout: str) -> None:
    out = resample([tone(i * 0.02, 0.02, 48_000, kind, layout) for i in range(50)])
    assert len(out) == 16_000
    assert np.abs(out - expected(16_000))[200:-200].max() < 0.02


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_nothing_drifts_in_ten_minutes(rate: int) -> None:
    frame = tone(0, 0.06, rate)
    seconds = 10_000 * frame.samples / rate
    resampler = Resampler()
    n = sum(len(resampler.push(frame)) for _ in range(10_000)) + len(resampler.flush())
    assert abs(n - seconds * 16_000) <= 1


def test_a_format_change_in_mid_stream_neither_clicks_nor_drifts() -> None:
    rates = [48_000, 44_100, 16_000, 8_000, 48_000]
    layouts = ["stereo", "mono", "stereo", "mono", "5.1"]
    frames = [
        tone(
            i * 0.02,
            0.02,
            rates[i // 25 % 5],
            "s16" if i % 50 < 25 else "fltp",
            layouts[i // 25 % 5],
        )
        for i in range(250)
    ]
    out = resample(frames)
    assert abs(len(out) - 5 * 16_000) <= 2
    largest_step = 2 * np.pi * TONE_HZ / 16_000 * 0.5
    assert np.abs(np.diff(out)).max() < 1.5 * largest_step


def test_nan_becomes_silence_and_overshoots_are_clipped() -> None:
    data = np.array([[np.nan, np.inf, -np.inf, 3.0, -3.0, 0.25]], np.float32)
    frame = av.AudioFrame.from_ndarray(data, format="flt", layout="mono")
    frame.sample_rate = 16_000
    assert Resampler().push(frame).tolist() == [0.0, 1.0, -1.0, 1.0, -1.0, 0.25]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([8_000, 16_000, 44_100, 48_000]), st.integers(1, 2_000))))
def test_the_number_of_samples_matches_the_duration(frames: list[tuple[int, int]]) -> None:
    out = resample([tone(0, n / rate, rate) for rate, n in frames])
    seconds = sum(n / rate for rate, n in frames)
    n_changes = sum(a[0] != b[0] for a, b in pairwise(frames))
    assert abs(len(out) - seconds * 16_000) <= 1 + n_changes
