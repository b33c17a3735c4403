"""Three times as many speakers as the machine serves, over real WebRTC.

``python -m benchmarks.crowd DATA`` with a folder as :mod:`benchmarks.clips` describes. Clients send
Opus over WebRTC on this machine, from a process of their own; the page's ``RecordingController``
receives it. Who is admitted speaks for ``--seconds`` and leaves, the others wait. The table has the
lag of those admitted, the waiting times, whether anybody was cut off, the words of each recording
compared with full context on the same audio, threads before and afterwards, and the growth of memory
after each of ``--crowds``, the last of them the one that is measured: what is in use, and the pages
that hold it (glibc leaves holes in them). Pages of files, such as those of the model, belong to the
system and are not counted. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.pcm import to_float32, to_int16
from asr_core.engines import Engine, load_engine
from asr_core.engines.base import Window
from asr_core.models import resolve
from asr_core.streaming import LiveOptions, RecordingController, scheduler_for
from asr_core.streaming.recording_sink import RecordingSink
from benchmarks.clips import english_clips, print_table, wer_percent
from benchmarks.memory import held_mb
from benchmarks.opus import OPUS_RATE_HZ, PACKET_S, opus_packets


class PacketTrack(MediaStreamTrack):
    """Endless track of Opus packets in real time, from a given position on."""

    kind = "audio"

    def __init__(self, packets: Sequence[bytes], start: int) -> None:
        super().__init__()
        self._packets, self._start, self._n_sent = packets, start, 0
        self._began = time.monotonic()

    async def recv(self) -> av.Packet:
        ahead_s = self._n_sent * PACKET_S - (time.monotonic() - self._began)
        if ahead_s > 0:
            await asyncio.sleep(ahead_s)
        at = (self._start + self._n_sent) % len(self._packets)
        packet = av.Packet(self._packets[at])
        packet.pts = round(self._n_sent * PACKET_S * OPUS_RATE_HZ)
        packet.time_base = fractions.Fraction(1, OPUS_RATE_HZ)
        self._n_sent += 1
        return packet


def clients(pipe: Connection, samples: NDArray[np.int16]) -> None:
    """Run the clients' process.

    ``("call", n)`` is answered with an offer, ``("answer", n, sdp)`` connects, ``("leave", n)`` hangs up.
    """
    asyncio.run(_clients(pipe, samples))


async def _clients(pipe: Connection, samples: NDArray[np.int16]) -> None:
    calls: dict[int, RTCPeerConnection] = {}
    packets = opus_packets(samples)
    loop = asyncio.get_running_loop()
    while True:
        kind, number, *rest = await loop.run_in_executor(None, pipe.recv)
        if kind == "call":
            calls[number] = call = RTCPeerConnection()
            call.addTrack(PacketTrack(packets, number * len(packets) // 64))
            await call.setLocalDescription(await call.createOffer())
            pipe.send(call.localDescription.sdp)
        elif kind == "answer":
            await calls[number].setRemoteDescription(RTCSessionDescription(rest[0], "answer"))
        elif kind == "leave":
            await calls.pop(number).close()
        else:
            return


@dataclass
class Guest:
    """Client as the app sees it."""

    number: int
    controller: RecordingController = field(default_factory=RecordingController)
    connection: RTCPeerConnection | None = None
    loop: asyncio.AbstractEventLoop | None = None
    called_at: float = field(default_factory=time.monotonic)
    let_in_at: float | None = None
    n_beside: int = 0  # largest number of speakers meanwhile, including this one
    lags_s: list[float] = field(default_factory=list)

    def hang_up(self) -> None:
        """Close the connection soon. Any thread may call, more than once."""
        if self.connection is not None and self.loop is not None:
            asyncio.run_coroutine_threadsafe(self.connection.close(), self.loop)

    async def answer(self, offer: str) -> str:
        self.connection, self.loop = RTCPeerConnection(), asyncio.get_running_loop()
        sink = RecordingSink(self.controller)
        sink.open(self)

        @self.connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            sink.addTrack(track)
            sink.start()

        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)


async def crowd(engine: Engine, pipe: Connection, n_guests: int, seconds: float) -> list[Guest]:
    """Let ``n_guests`` call at once; each speaks for ``seconds`` once admitted."""
    scheduler = scheduler_for(engine)
    loop = asyncio.get_running_loop()
    guests = [Guest(number) for number in range(n_guests)]
    for guest in guests:
        guest.controller.prepare(scheduler, LiveOptions(language="en", keep_audio=True))
        pipe.send(("call", guest.number))
        offer = await loop.run_in_executor(None, pipe.recv)
        pipe.send(("answer", guest.number, await guest.answer(offer)))
    left: set[int] = set()
    while len(left) < n_guests:
        await asyncio.sleep(0.1)
        now = time.monotonic()
        for guest in guests:
            recording = guest.controller.running
            if recording is None:
                continue
            if guest.let_in_at is None:
                guest.let_in_at = now
            guest.n_beside = max(guest.n_beside, scheduler.admission.n_admitted)
            guest.lags_s.append(recording.session.snapshot.lag_s)
            if now - guest.let_in_at > seconds and guest.number not in left:
                left.add(guest.number)
                pipe.send(("leave", guest.number))
                assert guest.connection is not None
                await guest.connection.close()
    for guest in guests:
        for recording in guest.controller.all:
            await loop.run_in_executor(None, recording.session.wait, 120)
    return guests


def words_lost(engine: Engine, recordings: list[tuple[NDArray[np.int16], str]]) -> float:
    """Return the word error rate of live recordings, in percent, against full context.

    Args:
        engine: transcribes the references.
        recordings: audio and live text of each recording.
    """
    references, hypotheses = [], []
    for samples, text in recordings:
        sound = to_float32(samples)
        size = 25 * SAMPLE_RATE_HZ
        parts = [sound[at : at + size] for at in range(0, len(sound), size)]
        windows = [Window(part, "en", beam_size=5) for part in parts]
        references.append(" ".join(h.text for h in engine.transcribe(windows, background=True)))
        hypotheses.append(text)
    return wer_percent(references, hypotheses)


def measure(
    data: Path, model: str, capacity: int | None, seconds: float, n_crowds: int
) -> dict[str, Any]:
    engine = load_engine(resolve(model), "onnx")
    speech = np.concatenate([decode(data / c["path"]) for c in english_clips(data, "long")])
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    args = (other, to_int16(speech))
    process = context.Process(target=clients, args=args, daemon=True)
    process.start()
    scheduler = scheduler_for(engine)
    asyncio.run(crowd(engine, pipe, 1, 15))  # measures the machine's speed
    if capacity:
        scheduler.admission._capacity = lambda: capacity
    held, n_threads = [_held_mb()], threading.active_count()
    # The capacity estimated with one speaker is higher than with many.
    few = asyncio.run(crowd(engine, pipe, capacity or scheduler.capacity(), 15))
    n_guests = 3 * max(guest.n_beside for guest in few)
    del few
    for _ in range(n_crowds - 1):  # memory may grow with the first crowd, but not with later ones
        asyncio.run(crowd(engine, pipe, n_guests, 15))
        held.append(_held_mb())
    guests = asyncio.run(crowd(engine, pipe, n_guests, seconds))
    pipe.send(("end", 0))
    lags = [lag for guest in guests for lag in guest.lags_s]
    waits = sorted((guest.let_in_at or 0) - guest.called_at for guest in guests)
    sessions = [recording.session for guest in guests for recording in guest.controller.all]
    recordings = [(s.kept_audio(), s.snapshot.transcript().text) for s in sessions]
    row = {
        "model": model,
        "guests": len(guests),
        "spoke_at_once": max(guest.n_beside for guest in guests),
        "recordings": len(recordings),
        "lag_p50_p95_s": " / ".join(f"{q:.2f}" for q in np.percentile(lags, (50, 95))),
        "waited_longest_s": round(waits[-1]),
        "shortest_recording_s": round(
            min(len(sound) for sound, _ in recordings) / SAMPLE_RATE_HZ, 1
        ),
    }
    del guests, sessions
    held.append(_held_mb() - sum(sound.nbytes for sound, _ in recordings) / 1e6)
    row["threads_before_after"] = f"{n_threads} / {threading.active_count()}"
    for name, mb in zip(("in_use", "pages"), np.transpose(held), strict=True):
        row[f"{name}_grew_mb"] = " / ".join(f"{after - mb[0]:.0f}" for after in mb[1:])
    row["errors_beside_full_context"] = words_lost(engine, recordings)
    return row


def _held_mb() -> NDArray[np.float64]:
    """Return :func:`benchmarks.memory.held_mb` after the threads of those who left have ended."""
    time.sleep(5)
    return held_mb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--model", default="base")
    parser.add_argument("--capacity", type=int, help="speakers at once (default: as measured)")
    parser.add_argument("--seconds", type=float, default=30.0, help="that each speaks")
    parser.add_argument("--crowds", type=int, default=5, help="one after the other")
    options = parser.parse_args()
    row = measure(options.data, options.model, options.capacity, options.seconds, options.crowds)
    print_table([row])


if __name__ == "__main__":
    main()
