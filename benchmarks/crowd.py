"""Three times as many speakers as the machine serves, over real WebRTC: who gets what.

``python -m benchmarks.crowd DATA`` with a folder as :mod:`benchmarks.clips` describes.
Clients send Opus over WebRTC on this machine, from a process of their own; the page's
``Takes`` receive them. Who is let in speaks for ``--seconds`` and leaves, who is not
waits. Told are the lag of those who were let in, how long others waited, whether anybody
was cut off, the words of each take beside full context on the very same sound, threads
before and afterwards, and by how much more memory than before was held after each of
``--crowds``, the last of them the one that is measured: what is in use, and the pages that
hold it (glibc leaves holes in them). Pages of files, such as those of the model, are the
system's and are not counted. Needs Linux.
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
from streamlit_webrtc.sink import AudioSinkTrack

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.encode import to_int16
from asr_core.engines import Engine, load_engine
from asr_core.engines.base import Window
from asr_core.live import LiveOptions, Takes, scheduler_of
from asr_core.models import resolve
from benchmarks.clips import english_clips, percent_wrong, print_table
from benchmarks.memory import held_mb
from benchmarks.opus import OPUS_RATE_HZ, PACKET_S, opus_packets


class Speech(MediaStreamTrack):
    """The packets over and over, as a microphone gives them, from some place on."""

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
    """The clients' process: ``("call", n)`` answers with an offer, ``("answer", n, sdp)``
    connects, ``("leave", n)`` hangs up."""
    asyncio.run(_clients(pipe, samples))


async def _clients(pipe: Connection, samples: NDArray[np.int16]) -> None:
    calls: dict[int, RTCPeerConnection] = {}
    packets = opus_packets(samples)
    loop = asyncio.get_running_loop()
    while True:
        kind, number, *rest = await loop.run_in_executor(None, pipe.recv)
        if kind == "call":
            calls[number] = call = RTCPeerConnection()
            call.addTrack(Speech(packets, number * len(packets) // 64))
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
    """One client as the app sees it."""

    number: int
    takes: Takes = field(default_factory=Takes)
    connection: RTCPeerConnection | None = None
    called_at: float = field(default_factory=time.monotonic)
    let_in_at: float | None = None
    n_beside: int = 0  # the most who spoke at once meanwhile, this one among them
    lags_s: list[float] = field(default_factory=list)

    async def answer(self, offer: str) -> str:
        self.connection = RTCPeerConnection()
        sink = AudioSinkTrack(self.takes.on_frame)
        sink._on_ended_callback = self.takes.on_ended

        @self.connection.on("track")
        def hear(track: MediaStreamTrack) -> None:
            sink.addTrack(track)
            sink.start()

        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)


async def crowd(engine: Engine, pipe: Connection, n_guests: int, seconds: float) -> list[Guest]:
    """Let ``n_guests`` call at once, each to speak for ``seconds`` when let in."""
    scheduler = scheduler_of(engine)
    loop = asyncio.get_running_loop()
    guests = [Guest(number) for number in range(n_guests)]
    for guest in guests:
        guest.takes.prepare(scheduler, LiveOptions(language="en", keep_recording=True))
        pipe.send(("call", guest.number))
        offer = await loop.run_in_executor(None, pipe.recv)
        pipe.send(("answer", guest.number, await guest.answer(offer)))
    left: set[int] = set()
    while len(left) < n_guests:
        await asyncio.sleep(0.1)
        now = time.monotonic()
        for guest in guests:
            take = guest.takes.running
            if take is None:
                continue
            if guest.let_in_at is None:
                guest.let_in_at = now
            guest.n_beside = max(guest.n_beside, scheduler.line.n_inside)
            guest.lags_s.append(take.session.snapshot.lag_s)
            if now - guest.let_in_at > seconds and guest.number not in left:
                left.add(guest.number)
                pipe.send(("leave", guest.number))
                assert guest.connection is not None
                await guest.connection.close()
    for guest in guests:
        for take in guest.takes.all:
            await loop.run_in_executor(None, take.session.wait, 120)
    return guests


def words_lost(engine: Engine, takes: list[tuple[NDArray[np.int16], str]]) -> float:
    """Word error rate of takes, sound and text, against full context on the very same
    sound, percent."""
    said, heard = [], []
    for recording, text in takes:
        sound = recording.astype(np.float32) / 32768
        size = 25 * SAMPLE_RATE_HZ
        parts = [sound[at : at + size] for at in range(0, len(sound), size)]
        windows = [Window(part, "en", beam_size=5) for part in parts]
        said.append(" ".join(h.text for h in engine.transcribe(windows, patient=True)))
        heard.append(text)
    return percent_wrong(said, heard)


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
    scheduler = scheduler_of(engine)
    asyncio.run(crowd(engine, pipe, 1, 15))  # so that the machine's speed is known
    if capacity:
        scheduler.line._capacity = lambda: capacity
    held, n_threads = [_held_mb()], threading.active_count()
    # As many as seem possible while one speaks; fewer are served while they do.
    few = asyncio.run(crowd(engine, pipe, capacity or scheduler.capacity(), 15))
    n_guests = 3 * max(guest.n_beside for guest in few)
    del few
    for _ in range(n_crowds - 1):  # what one crowd leaves, the next may not add
        asyncio.run(crowd(engine, pipe, n_guests, 15))
        held.append(_held_mb())
    guests = asyncio.run(crowd(engine, pipe, n_guests, seconds))
    pipe.send(("end", 0))
    lags = [lag for guest in guests for lag in guest.lags_s]
    waits = sorted((guest.let_in_at or 0) - guest.called_at for guest in guests)
    sessions = [take.session for guest in guests for take in guest.takes.all]
    takes = [(s.recording(), s.snapshot.transcript().text) for s in sessions]
    row = {
        "model": model,
        "guests": len(guests),
        "spoke_at_once": max(guest.n_beside for guest in guests),
        "takes": len(takes),
        "lag_p50_p95_s": " / ".join(f"{q:.2f}" for q in np.percentile(lags, (50, 95))),
        "waited_longest_s": round(waits[-1]),
        "shortest_take_s": round(min(len(sound) for sound, _ in takes) / SAMPLE_RATE_HZ, 1),
    }
    del guests, sessions
    held.append(_held_mb() - sum(sound.nbytes for sound, _ in takes) / 1e6)
    row["threads_before_after"] = f"{n_threads} / {threading.active_count()}"
    for name, mb in zip(("in_use", "pages"), np.transpose(held), strict=True):
        row[f"{name}_grew_mb"] = " / ".join(f"{after - mb[0]:.0f}" for after in mb[1:])
    row["errors_beside_full_context"] = words_lost(engine, takes)
    return row


def _held_mb() -> NDArray[np.float64]:
    """See :func:`benchmarks.memory.held_mb`; once the threads of those who left are gone."""
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
