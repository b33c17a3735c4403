"""Opus packets as a browser sends them."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["OPUS_RATE_HZ", "PACKET_S", "opus_packets"]

PACKET_S = 0.02
OPUS_RATE_HZ = 48_000


def opus_packets(samples: NDArray[np.int16]) -> list[bytes]:
    """Return (n_samples,) int16 at 16 kHz as Opus packets of 20 ms.

    Encoding once in advance keeps the senders' load off the machine under test.
    """
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.format, codec.layout, codec.sample_rate = av.AudioFormat("s16"), "mono", SAMPLE_RATE_HZ
    codec.bit_rate, codec.options = 32_000, {"application": "voip"}
    size = int(PACKET_S * SAMPLE_RATE_HZ)
    packets = []
    for at in range(0, len(samples) - size, size):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets
