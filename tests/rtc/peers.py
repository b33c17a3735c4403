"""Both ends of a real WebRTC connection in one process: Opus over DTLS, over real sockets."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamTrack
from streamlit_webrtc import WebRtcMode

from asr_core.live import Takes
from asr_core.rtc.sink import TakesSink
from widgets.webrtc_guard import _GuardedWorker, guard_connections

guard_connections()

T = TypeVar("T")
NO_SERVERS = RTCConfiguration(iceServers=[])


def opus(samples: np.ndarray) -> list[bytes]:
    """Packets of 20 ms of (n_samples,) at 16 kHz."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "s16"
    at_48k = (np.repeat(samples, 3) * 32767).astype(np.int16)
    packets: list[bytes] = []
    for at in range(0, len(at_48k) - 959, 960):
        frame = av.AudioFrame.from_ndarray(at_48k[None, at : at + 960], "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, at
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


class Microphone(MediaStreamTrack):
    """Sends ``packets`` as they are, then nothing more.

    Args:
        every_s: between two of them.
        stamp: by how many ticks of 48 kHz the time stamp goes on after each.
    """

    kind = "audio"

    def __init__(self, packets: Iterable[bytes], every_s: float = 0.02, stamp: int = 960) -> None:
        super().__init__()
        self._packets = iter(packets)
        self._every_s, self._stamp = every_s, stamp
        self._began: float | None = None
        self.n_sent = 0

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(self._began + self.n_sent * self._every_s - loop.time())
        data = next(self._packets, None)
        if data is None:
            await asyncio.Event().wait()
        packet = av.Packet(data)
        packet.pts, packet.time_base = self.n_sent * self._stamp, Fraction(1, 48_000)
        self.n_sent += 1
        return packet


class Server:
    """An event loop in a thread of its own, as Streamlit has one; peers live there, too."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop")
        self._thread.start()
        self.relay = self.do(_relay())

    def do(self, work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def worker(self, takes: Takes) -> _GuardedWorker:
        """What streamlit-webrtc makes when an offer comes."""
        nothing = dict.fromkeys(
            [
                "source_video_track",
                "source_audio_track",
                "sink_video_track",
                "player_factory",
                "in_recorder_factory",
                "out_recorder_factory",
                "video_frame_callback",
                "audio_frame_callback",
                "queued_video_frames_callback",
                "queued_audio_frames_callback",
                "on_video_ended",
                "on_audio_ended",
                "video_processor_factory",
                "audio_processor_factory",
            ]
        )
        return _GuardedWorker(
            WebRtcMode.SENDONLY, NO_SERVERS, sink_audio_track=TakesSink(takes),
            async_processing=True, video_receiver_size=4, audio_receiver_size=4,
            sendback_video=False, sendback_audio=False, loop=self.loop, relay=self.relay,
            **nothing,
        )  # fmt: skip

    def offer(self, *tracks: MediaStreamTrack, data: bool = False) -> RTCPeerConnection:
        """A peer that has made its offer."""
        return self.do(_offer(tracks, data))

    def connect(self, takes: Takes, track: MediaStreamTrack) -> RTCPeerConnection:
        """The peer, whose sound is on its way into ``takes``."""
        peer = self.offer(track)
        local = peer.localDescription
        answer = self.worker(takes).process_offer(local.sdp, local.type, 10)
        self.do(peer.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type)))
        return peer

    def close(self) -> None:
        self.do(_rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _relay() -> MediaRelay:
    return MediaRelay()


async def _rest() -> None:
    """Let what is closing close."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, late = await asyncio.wait(others, timeout=2)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _offer(tracks: Iterable[MediaStreamTrack], data: bool) -> RTCPeerConnection:
    peer = RTCPeerConnection(NO_SERVERS)
    for track in tracks:
        peer.addTrack(track)
    if data:
        peer.createDataChannel("x")
    await peer.setLocalDescription(await peer.createOffer())
    return peer


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


def in_use() -> tuple[list[str], int]:
    """Names of the threads, and how many descriptors are open."""
    names = sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_"))
    return names, psutil.Process(os.getpid()).num_fds()


Eventually = Callable[..., None]
