"""Offers, candidates and audio that no browser sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection
from aiortc.mediastreams import VideoStreamTrack

from tests.raw.client import NoPage
from tests.raw.cuts import MODEL
from tests.raw.hostile import NUMBERS, TEXTS, Attack, Case, odd_json
from tests.raw.speaker import Speaker, Speech, packets_of

__all__ = ["CASES"]

_SPEAKS_S = 4.0


async def _offer(*, video: bool = False, data: bool = False, audio: bool = True) -> str:
    """Return the offer of a browser with these tracks."""
    connection = RTCPeerConnection()
    if audio:
        connection.addTrack(Speech([b"\xf8\xff\xfe"]))
    if video:
        connection.addTrack(VideoStreamTrack())
    if data:
        connection.createDataChannel("x")
    await connection.setLocalDescription(await connection.createOffer())
    sdp = str(connection.localDescription.sdp)
    await connection.close()
    return sdp


def _mangled(sdp: str, rng: random.Random) -> str:
    """Return an offer with lines removed, doubled, exchanged or changed."""
    lines = sdp.split("\r\n")
    for _ in range(rng.choice((1, 2, 5, 20))):
        at = rng.randrange(len(lines))
        kind = rng.randrange(5)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, rng.choice(lines))
        elif kind == 2:
            lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
        elif kind == 3:
            lines[at] = lines[at].partition(":")[0] + ":" + rng.choice(TEXTS)[:3000]
        else:
            lines[at] = lines[at].replace("48000", str(rng.choice(NUMBERS)))
        lines = lines or [""]
    return "\r\n".join(lines)


def _many_lines(sdp: str, n: int) -> str:
    """Return an offer of ``n`` tracks."""
    head, mark, media = sdp.partition("m=audio")
    head = head.replace("a=group:BUNDLE 0", "a=group:BUNDLE " + " ".join(map(str, range(n))))
    return head + "".join(mark + media.replace("a=mid:0", f"a=mid:{i}") for i in range(n))


def _candidates(n: int, rng: random.Random) -> list[str]:
    """Return ``n`` candidates that lead back to this machine or nowhere."""
    places = ("127.0.0.1", "0.0.0.0", "::1", "192.0.2.1", "nowhere.invalid", "x" * 200, "-1")
    return [
        f"candidate:{i} {rng.choice((1, 1, 9))} {rng.choice(('udp', 'tcp', 'x'))} "
        f"{rng.choice((2130706431, -1, 2**70))} {rng.choice(places)} {rng.choice((9, 0, 70000))} "
        f"typ {rng.choice(('host', 'relay', 'x'))}"
        for i in range(n)
    ]


async def _present(attack: Attack, value: Any, *, raw: bool = False) -> None:
    """Press START with this value of the microphone's component, and observe for a while."""
    async with attack.visitor(model=MODEL) as client:
        text = value if raw else json.dumps(value)
        client.set(Speaker(client).control(), json_value=text)
        with contextlib.suppress(NoPage):
            await client.run(timeout_s=15)
            await asyncio.sleep(attack.rng.uniform(0, 1.5))


async def odd_values(attack: Attack) -> None:
    rng = attack.rng
    offer = {"type": rng.choice(("offer", "answer", "", 5)), "sdp": odd_json(rng, 1)}
    value = rng.choice((
        odd_json(rng), offer, {"playing": True}, {"playing": "x", "sdpOffer": offer},
        {"sdpOffer": {"type": "offer", "sdp": rng.choice(TEXTS)}}, {"sdpOffer": odd_json(rng)},
        {"playing": True, "sdpOffer": offer, "iceCandidates": odd_json(rng)},
    ))  # fmt: skip
    if rng.random() < 0.1:
        await _present(attack, attack.text(), raw=True)
    await _present(attack, value)


async def mangled_offers(attack: Attack) -> None:
    rng = attack.rng
    sdp = await _offer(video=rng.random() < 0.3, data=rng.random() < 0.3, audio=rng.random() < 0.8)
    await _present(attack, {"sdpOffer": {"type": "offer", "sdp": _mangled(sdp, rng)}})


async def many_media(attack: Attack) -> None:
    sdp = _many_lines(await _offer(), attack.rng.choice((2, 50, 1000, 8000)))
    await _present(attack, {"sdpOffer": {"type": "offer", "sdp": sdp}})


async def many_candidates(attack: Attack) -> None:
    rng = attack.rng
    sdp, some = await _offer(), _candidates(rng.choice((3, 100, 5000)), rng)
    value: dict[str, Any] = {"sdpOffer": {"type": "offer", "sdp": sdp}}
    if rng.random() < 0.5:
        value["iceCandidates"] = {
            str(n): {"candidate": text, "sdpMid": "0", "sdpMLineIndex": rng.choice((0, 0, 7))}
            for n, text in enumerate(some)
        }
    else:
        lines = "".join(f"a={text}\r\n" for text in some)
        value["sdpOffer"]["sdp"] = sdp.replace("a=end-of-candidates\r\n", "") + lines
    await _present(attack, value)


async def _speak(attack: Attack, **how: Any) -> None:
    """Record for some seconds, and leave in a random way."""
    async with attack.visitor(model=MODEL) as client:
        speaker = Speaker(client)
        try:
            await speaker.start(Speech(packets_of(attack.where.recording), **how), timeout_s=15)
            await asyncio.sleep(_SPEAKS_S)
            if attack.rng.random() < 0.5:
                await speaker.signal({"playing": False})
        finally:
            await speaker.vanish()


async def odd_payloads(attack: Attack) -> None:
    rng = attack.rng
    every = rng.choice((1, 5, 50))
    odd: Callable[[bytes], bytes] = rng.choice((
        lambda _: b"", lambda _: b"\0", lambda _: rng.randbytes(rng.randrange(1, 1200)),
        lambda data: data[: len(data) // 2], lambda data: bytes([data[0] ^ 0xFF]) + data[1:],
        lambda _: b"\xff" * 1200,
    ))  # fmt: skip
    await _speak(attack, payload=lambda n, data: odd(data) if n % every == 0 else data)


async def odd_time_stamps(attack: Attack) -> None:
    rng = attack.rng
    jump_s = rng.choice((0.0, 1.0, 119.0, -119.0, 4000.0, 40_000.0))
    start = rng.choice((0, 2**31, 2**32 - 48_000))

    def at(n: int) -> int:
        return (start + 960 * n + round(max(0, n - 25) * jump_s * 48_000)) % 2**32

    await _speak(attack, time_stamp=at)


async def too_fast(attack: Attack) -> None:
    await _speak(attack, pace=attack.rng.choice((3.0, 10.0, 50.0)))


async def silent(attack: Attack) -> None:
    """Send half a second of audio, then nothing, with the connection open."""
    await _speak(attack, n_packets=attack.rng.choice((0, 1, 25)))


CASES: dict[str, Case] = {
    "odd values": odd_values,
    "mangled offers": mangled_offers,
    "many media": many_media,
    "many candidates": many_candidates,
    "odd payloads": odd_payloads,
    "odd time stamps": odd_time_stamps,
    "too fast": too_fast,
    "silent": silent,
}
