"""A visitor of the live page who speaks, over real WebRTC."""

from __future__ import annotations

import asyncio
import fractions
import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from asr_core.audio.decode import decode
from asr_core.audio.pcm import to_int16
from benchmarks.opus import OPUS_RATE_HZ, PACKET_S, opus_packets
from tests.raw.client import Client, NoPage
from tests.raw.page import Element

__all__ = ["Speaker", "Speech", "packets_of"]


@functools.cache
def packets_of(recording: Path) -> tuple[bytes, ...]:
    """Return the recording as Opus packets of 20 ms, encoded once a process."""
    return tuple(opus_packets(to_int16(decode(recording))))


class Speech(MediaStreamTrack):
    """A track that repeats packets as a microphone sends them, or as none would.

    Args:
        pace: multiple of real time.
        n_packets: after so many it is silent, with the connection open; None for no end.
        payload: what is sent instead of packet ``n``.
        time_stamp: of packet ``n``, in samples at 48 kHz.
    """

    kind = "audio"

    def __init__(
        self, packets: Sequence[bytes], *, pace: float = 1.0, n_packets: int | None = None,
        payload: Callable[[int, bytes], bytes] | None = None,
        time_stamp: Callable[[int], int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._packets, self._step_s, self._n_packets = packets, PACKET_S / pace, n_packets
        self._payload = payload or (lambda _, data: data)
        self._time_stamp = time_stamp or (lambda n: round(n * PACKET_S * OPUS_RATE_HZ))
        self.n_sent, self._began = 0, time.monotonic()

    async def recv(self) -> av.Packet:
        if self._n_packets is not None and self.n_sent >= self._n_packets:
            await asyncio.Event().wait()
        ahead_s = self.n_sent * self._step_s - (time.monotonic() - self._began)
        await asyncio.sleep(max(0.0, ahead_s))
        at, self.n_sent = self.n_sent, self.n_sent + 1
        packet = av.Packet(self._payload(at, self._packets[at % len(self._packets)]))
        packet.pts, packet.time_base = self._time_stamp(at), fractions.Fraction(1, OPUS_RATE_HZ)
        return packet


class Speaker:
    """A tab with the live page, and its audio connection."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.connection: RTCPeerConnection | None = None

    def control(self) -> Element:
        """Return the microphone's component.

        Raises:
            LookupError: the page has none, as while all places are taken.
        """
        for element in self.client.page.find("component_instance"):
            if "webrtc" in element.proto.component_name:
                return element
        raise LookupError(f"no microphone, but {self.client.page.texts()}")

    def answer(self) -> dict[str, Any] | None:
        """Return the answer to the offer from the page."""
        text = json.loads(self.control().proto.json_args).get("sdp_answer_json")
        return json.loads(text) if text else None

    async def start(
        self, track: MediaStreamTrack, *, mangle: Callable[[str], str] = lambda sdp: sdp,
        timeout_s: float = 30.0,
    ) -> None:  # fmt: skip
        """Press START and send the track.

        Args:
            mangle: changes the offer before it is sent.

        Raises:
            NoPage: no answer comes.
        """
        self.connection = connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTrack(track)
        await connection.setLocalDescription(await connection.createOffer())
        sdp = mangle(connection.localDescription.sdp)
        await self.signal({"playing": False, "sdpOffer": {"type": "offer", "sdp": sdp}})
        try:
            await self.client.until(self.answer, timeout_s)
        except NoPage:
            await self.vanish()
            raise
        answer = self.answer()
        assert answer is not None
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        await self.signal({"playing": True})

    async def signal(self, value: dict[str, Any]) -> None:
        """Report the component's value to the page and wait until it is drawn."""
        self.client.set(self.control(), json_value=json.dumps(value))
        await self.client.run()

    async def stop(self, timeout_s: float = 60.0) -> str:
        """Press STOP; return the final words of all recordings once this one is finished."""
        await self.signal({"playing": False})
        await self.vanish()
        await self.client.until(lambda: not self.is_recording and self._is_saved(), timeout_s)
        return self.client.page.words()

    def _is_saved(self) -> bool:
        return self.client.page.has("download_button", "SRT")

    @property
    def is_recording(self) -> bool:
        """Return whether the page shows a recording that runs or is being finished."""
        views = self.client.page.component("transcript_view")
        return any("Finishing" in (view.get("head") or {}).get("status", "")
                   or "Listening" in (view.get("head") or {}).get("status", "") for view in views)  # fmt: skip

    async def listening(self, timeout_s: float = 30.0) -> None:
        """Wait until the page shows that it listens."""
        await self.client.until(lambda: self.is_recording, timeout_s)

    def lag_s(self) -> float:
        """Return the lag that the page shows, in seconds; 0 while it shows none (below two)."""
        for view in self.client.page.component("transcript_view"):
            _, is_behind, rest = (view.get("head") or {}).get("status", "").partition("behind by ")
            if is_behind:
                return float(rest.split()[0])
        return 0.0

    async def vanish(self) -> None:
        """Close the audio connection without telling the page."""
        if self.connection is not None:
            await self.connection.close()
            self.connection = None
