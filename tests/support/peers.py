"""Both ends of a real WebRTC connection in one process: Opus over DTLS on real sockets."""

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

from asr_core.audio.pcm import clip_to_int16
from asr_core.streaming import RecordingController
from asr_core.streaming.recording_sink import RecordingSink
from widgets.workarounds.streamlit_webrtc import _HardenedWorker, harden_webrtc

harden_webrtc()

T = TypeVar("T")
NO_SERVERS = RTCConfiguration(iceServers=[])


def opus(samples: np.ndarray) -> list[bytes]:
    """Encode (n_samples,) at 16 kHz as packets of 20 ms."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "s16"
    at_48k = clip_to_int16(np.repeat(samples, 3))
    packets: list[bytes] = []
    for at in range(0, len(at_48k) - 959, 960):
        frame = av.AudioFrame.from_ndarray(at_48k[None, at : at + 960], "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, at
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


class Microphone(MediaStreamTrack):
    """A track that sends ``packets`` unchanged, then nothing more.

    Args:
        every_s: seconds between two packets.
        stamp: ticks of 48 kHz from one time stamp to the next.
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
    """An event loop in a thread of its own, as in Streamlit; peers run in it too."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop")
        self._thread.start()
        self.relay = self.do(_relay())

    def do(self, work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def worker(self, controller: RecordingController) -> _HardenedWorker:
        """Return the worker that streamlit-webrtc creates for an offer."""
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
        return _HardenedWorker(
            WebRtcMode.SENDONLY, NO_SERVERS, sink_audio_track=RecordingSink(controller),
            async_processing=True, video_receiver_size=4, audio_receiver_size=4,
            sendback_video=False, sendback_audio=False, loop=self.loop, relay=self.relay,
            **nothing,
        )  # fmt: skip

    def offer(self, *tracks: MediaStreamTrack, data: bool = False) -> RTCPeerConnection:
        """Return a peer that has made its offer."""
        return self.do(_offer(tracks, data))

    def connect(
        self, controller: RecordingController, track: MediaStreamTrack
    ) -> RTCPeerConnection:
        """Return a peer whose audio goes to ``controller``."""
        peer = self.offer(track)
        local = peer.localDescription
        answer = self.worker(controller).process_offer(local.sdp, local.type, 10)
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
    """Wait for closing connections."""
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
    """Return the names of the threads, and the number of open descriptors."""
    names = sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_"))
    return names, psutil.Process(os.getpid()).num_fds()


Eventually = Callable[..., None]
