"""What strangers send over a real connection, and what it costs."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice

import numpy as np
import pytest
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from asr_core.audio.gaps import SLACK_S
from asr_core.audio.packets import BURST_S, FASTEST
from asr_core.budget import Budget
from asr_core.errors import AsrError, LimitError
from asr_core.live import LiveOptions, Scheduler, Takes
from asr_core.live.takes import CONNECT_S
from asr_core.rtc.offers import OfferError
from tests.live.engines import Counting
from tests.rtc.peers import Microphone, Server, in_use, opus, serving

Eventually = Callable[..., None]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def speech() -> list[bytes]:
    """Four seconds of a tone, packet by packet."""
    tone = np.sin(np.arange(64_000) * 2 * np.pi * 200 / 16_000).astype(np.float32) / 2
    return opus(tone)


@pytest.fixture
def takes() -> Iterator[Takes]:
    takes = Takes(Budget({}))
    takes.prepare(Scheduler(Counting()), LiveOptions())
    yield takes
    takes.close()


def heard_s(takes: Takes) -> float:
    running = takes.running
    return running.session.snapshot.audio_s if running is not None else 0.0


@pytest.mark.parametrize(
    "odd",
    [b"", b"\xff", b"\x03\x00", os.urandom(1_200), b"\x0b\x3f" + bytes(60), bytes(1_280)],
    ids=["empty", "one byte", "no frames", "noise", "too many frames", "huge"],
)
def test_odd_payloads_do_not_end_the_sound(
    odd: bytes, server: Server, takes: Takes, speech: list[bytes], eventually: Eventually
) -> None:
    packets = [*speech[:50], odd, odd, *speech[50:100]]
    peer = server.connect(takes, Microphone(packets))
    eventually(lambda: heard_s(takes) >= 1.95)
    server.do(peer.close())


def test_stamps_that_jump_make_nothing_grow(
    server: Server, takes: Takes, speech: list[bytes], eventually: Eventually
) -> None:
    began = time.monotonic()
    microphone = Microphone(speech, stamp=119 * 48_000)
    peer = server.connect(takes, microphone)
    eventually(lambda: takes.running is not None and takes.running.too_fast_s > 10_000)
    assert heard_s(takes) <= time.monotonic() - began + SLACK_S + 1
    server.do(peer.close())


def test_odd_headers_do_not_end_the_sound(
    server: Server, takes: Takes, speech: list[bytes], eventually: Eventually
) -> None:
    peer = server.connect(takes, Microphone(speech))
    eventually(lambda: heard_s(takes) > 0.5)
    transport = peer.getSenders()[0].transport
    # A sound level, which has one byte, of two.
    header = "9060000100000000000000ab" + "bede0001" + "21aabb00"
    server.do(transport._send_rtp(bytes.fromhex(header) + bytes(20)))
    eventually(lambda: heard_s(takes) > 1.5)
    server.do(peer.close())


def test_who_sends_ten_times_too_fast_is_heard_in_real_time(
    server: Server, takes: Takes, speech: list[bytes], eventually: Eventually
) -> None:
    began = time.monotonic()
    microphone = Microphone(islice(cycle(speech), 1_500), every_s=0.002)
    peer = server.connect(takes, microphone)
    eventually(lambda: microphone.n_sent == 1_500)
    most_s = BURST_S + FASTEST * (time.monotonic() - began)
    eventually(lambda: heard_s(takes) > BURST_S - 0.5)
    assert heard_s(takes) <= most_s + 0.1
    server.do(peer.close())


def test_who_floods_is_cut_off(
    server: Server, takes: Takes, speech: list[bytes], eventually: Eventually
) -> None:
    peer = server.connect(takes, Microphone(cycle(speech), every_s=0))
    eventually(lambda: bool(takes.all))
    eventually(lambda: takes.running is None)
    eventually(lambda: peer.connectionState in ("closed", "failed"))
    server.do(peer.close())


@pytest.mark.parametrize("kind", ["video", "two microphones", "data", "only data"])
def test_what_is_no_microphone_is_not_taken(kind: str, server: Server, takes: Takes) -> None:
    microphone = AudioStreamTrack()
    tracks = {
        "video": [microphone, VideoStreamTrack()],
        "two microphones": [microphone, AudioStreamTrack()],
        "data": [microphone],
        "only data": [],
    }[kind]
    peer = server.offer(*tracks, data="data" in kind)
    local = peer.localDescription
    with pytest.raises(OfferError):
        server.worker(takes).process_offer(local.sdp, local.type, 10)
    server.do(peer.close())


@pytest.mark.parametrize("sdp", [None, 5, "", "v=0\r\n", {"a": 1}])
def test_what_is_no_offer_is_a_sentence(sdp: object, server: Server, takes: Takes) -> None:
    with pytest.raises(OfferError):
        server.worker(takes).process_offer(sdp, "offer", 10)  # type: ignore[arg-type]


def test_an_offer_that_only_the_library_refuses_is_a_sentence(
    server: Server, takes: Takes, eventually: Eventually
) -> None:
    peer = server.offer(AudioStreamTrack())
    local = peer.localDescription
    broken = local.sdp.replace("a=fingerprint:", "a=fingerprint-no-more:")
    worker = server.worker(takes)
    with pytest.raises(AsrError) as caught:
        worker.process_offer(broken, "offer", 10)
        worker.process_offer("", "offer", 10)
    assert "\n" not in str(caught.value)
    eventually(lambda: worker.pc.connectionState == "closed")
    server.do(peer.close())


def test_candidates_are_checked_counted_and_never_logged_as_lines(
    server: Server, takes: Takes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    peer = server.offer(Microphone([]))
    local = peer.localDescription
    worker = server.worker(takes)
    worker.process_offer(local.sdp, local.type, 10)
    text = "candidate:1 1 udp 1677729535 {} {} typ host"
    given = {
        "nl": {"candidate": "x\n2026 ERROR forged line", "sdpMid": "0", "sdpMLineIndex": 0},
        "lo": {"candidate": text.format("127.0.0.1", 6000), "sdpMLineIndex": 0},
        "odd": 5,
        **{
            f"c{i}": {"candidate": text.format("192.0.2.77", 10_000 + i), "sdpMLineIndex": 0}
            for i in range(5_000)
        },
    }
    for _ in range(3):
        worker.set_ice_candidates_from_offerer(given)
    for odd in (None, 5, [], "x"):
        worker.set_ice_candidates_from_offerer(odd)
    time.sleep(0.3)
    [transport] = {t.receiver.transport.transport for t in worker.pc.getTransceivers()}
    tried = transport.getRemoteCandidates()
    assert len(tried) <= 50
    assert "127.0.0.1" not in {candidate.ip for candidate in tried}
    assert "forged line" not in caplog.text
    server.do(peer.close())
    worker.hang_up()


def test_a_connection_that_brings_nothing_is_closed(
    server: Server, takes: Takes, eventually: Eventually
) -> None:
    peer = server.connect(takes, Microphone([]))
    eventually(lambda: peer.connectionState == "connected")
    takes.check(time.monotonic() + CONNECT_S + 1)
    eventually(lambda: peer.connectionState in ("closed", "failed"))
    server.do(peer.close())


def test_who_is_turned_away_gets_no_connection(server: Server) -> None:
    scheduler = Scheduler(Counting(), start=False)
    for _ in range(2):
        assert scheduler.line.join(object())
    late = Takes(Budget({}))
    late.prepare(scheduler, LiveOptions())
    peer = server.offer(Microphone([]))
    local = peer.localDescription
    worker = server.worker(late)
    with pytest.raises(LimitError, match="many people wait"):
        worker.process_offer(local.sdp, local.type, 10)
    assert worker.pc.connectionState == "closed"
    server.do(peer.close())


def test_close_ends_the_connection_too(
    server: Server, takes: Takes, speech: list[bytes], eventually: Eventually
) -> None:
    peer = server.connect(takes, Microphone(cycle(speech)))
    eventually(lambda: heard_s(takes) > 0.3)
    takes.close()
    assert takes.all == []
    eventually(lambda: peer.connectionState in ("closed", "failed"))
    server.do(peer.close())


def test_twenty_takes_and_twenty_refused_offers_leave_nothing_behind(
    server: Server, speech: list[bytes], eventually: Eventually
) -> None:
    """Each end in turn: STOP, the page's session gone, a peer that vanishes, a cut sender."""
    scheduler = Scheduler(Counting())

    def take(number: int) -> None:
        takes = Takes(Budget({}))
        takes.prepare(scheduler, LiveOptions(keep_recording=True))
        peer = server.connect(takes, Microphone(cycle(speech)))
        eventually(lambda: heard_s(takes) > 0.1)
        if number % 3 == 0:
            server.do(peer.close())
            eventually(lambda: takes.running is None)
        elif number % 3 == 1:
            takes.close()
        else:
            takes.check(time.monotonic() + 3_600)
        server.do(peer.close())

    def refused() -> None:
        takes = Takes(Budget({}))
        takes.prepare(scheduler, LiveOptions())
        peer = server.offer(AudioStreamTrack(), VideoStreamTrack())
        with pytest.raises(OfferError):
            server.worker(takes).process_offer(peer.localDescription.sdp, "offer", 10)
        server.do(peer.close())

    take(0)
    refused()
    eventually(lambda: not _ours())
    gc.collect()
    before = in_use()
    for number in range(20):
        take(number)
        refused()
    eventually(lambda: not _ours())
    gc.collect()
    eventually(lambda: in_use()[1] <= before[1])
    assert in_use()[0] == before[0]
    assert scheduler.line.n_inside == scheduler.line.n_waiting == 0
    living = [o for o in gc.get_objects() if type(o) is Takes]
    assert len(living) <= 2


def _ours() -> list[str]:
    """Threads that end with the takes."""
    names = ("asr-", "audio-decoder", "ShutdownPolling", "process_offer", "Timer")
    return [name for name in in_use()[0] if name.startswith(names)]
