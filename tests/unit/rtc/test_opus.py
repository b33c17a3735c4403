"""The duration in an Opus packet's header is that of the decoded audio."""

from __future__ import annotations

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_core.rtc.opus import MAX_PACKET_S, opus_duration_s


def _decoded_s(packet: bytes) -> float | None:
    """Return the seconds that FFmpeg's libopus decodes it to; None if it refuses."""
    codec = av.CodecContext.create("libopus", "r")
    codec.sample_rate = 48_000
    codec.layout = "stereo"
    try:
        return sum(frame.samples for frame in codec.decode(av.Packet(packet))) / 48_000
    except av.FFmpegError:
        return None


_ANY = st.binary(min_size=1, max_size=1_500)
_SEVERAL = st.tuples(
    st.integers(0, 31), st.integers(0, 255), st.binary(max_size=400)
).map(lambda parts: bytes([parts[0] << 3 | 3, parts[1]]) + parts[2])  # fmt: skip


@settings(max_examples=500)
@given(st.one_of(_ANY, _SEVERAL))
def test_the_duration_of_a_packet_is_that_of_its_decoded_audio(packet: bytes) -> None:
    duration_s = opus_duration_s(packet)
    decoded_s = _decoded_s(packet)
    assert (duration_s is None) == (decoded_s is None)
    if duration_s is not None:
        assert duration_s == pytest.approx(decoded_s)
        assert duration_s <= MAX_PACKET_S + 1e-9


def test_an_empty_packet_has_no_duration() -> None:
    assert opus_duration_s(b"") is None
