"""Hostile input over a real connection, and its cost."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice

import numpy as np
import pytest
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from asr_core.errors import AsrError, LimitError
from asr_core.ops.budget import Budget
from asr_core.rtc.gap_detector import CLOCK_SLACK_S
from asr_core.rtc.jitter_buffer import BURST_S, MAX_SPEED
from asr_core.rtc.offers import OfferError
from asr_core.streaming import LiveOptions, RecordingController, Scheduler
from asr_core.streaming.recording_controller import CONNECT_S
from tests.support.engines import CountingEngine
from tests.support.peers import Microphone, Server, in_use, opus, serving

Eventually = Callable[..., None]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def speech() -> list[bytes]:
    """Four seconds of a tone as packets."""
    tone = np.sin(np.arange(64_000) * 2 * np.pi * 200 / 16_000).astype(np.float32) / 2
    return opus(tone)


@pytest.fixture
def controller() -> Iterator[RecordingController]:
    controller = RecordingController(Budget({}))
    controller.prepare(Scheduler(CountingEngine()), LiveOptions())
    yield controller
    controller.close()


def received_s(controller: RecordingController) -> float:
    running = controller.running
    return running.session.snapshot.audio_s if running is not None else 0.0


@pytest.mark.parametrize(
    "odd",
    [b"", b"\xff", b"\x03\x00", os.urandom(1_200), b"\x0b\x3f" + bytes(60), bytes(1_280)],
    ids=["empty", "one byte", "no frames", "noise", "too many frames", "huge"],
)
def test_odd_payloads_do_not_end_the_audio(
    odd: bytes,
    server: Server,
    controller: RecordingController,
    speech: list[bytes],
    eventually: Eventually,
) -> None:
    packets = [*speech[:50], odd, odd, *speech[50:100]]
    peer = server.connect(controller, Microphone(packets, every_s=0.005))
    eventually(lambda: received_s(controller) >= 1.95)
    server.do(peer.close())


def test_jumping_time_stamps_do_not_grow_memory(
    server: Server, controller: RecordingController, speech: list[bytes], eventually: Eventually
) -> None:
    began = time.monotonic()
    microphone = Microphone(speech, stamp=119 * 48_000)
    peer = server.connect(controller, microphone)
    eventually(lambda: controller.running is not None and controller.running.too_fast_s > 10_000)
    assert received_s(controller) <= time.monotonic() - began + CLOCK_SLACK_S + 1
    server.do(peer.close())


def test_odd_headers_do_not_end_the_audio(
    server: Server, controller: RecordingController, speech: list[bytes], eventually: Eventually
) -> None:
    peer = server.connect(controller, Microphone(speech))
    eventually(lambda: received_s(controller) > 0.5)
    transport = peer.getSenders()[0].transport
    # An audio level of two bytes instead of one.
    header = "9060000100000000000000ab" + "bede0001" + "21aabb00"
    server.do(transport._send_rtp(bytes.fromhex(header) + bytes(20)))
    eventually(lambda: received_s(controller) > 1.5)
    server.do(peer.close())


def test_audio_sent_ten_times_too_fast_is_received_in_real_time(
    server: Server, controller: RecordingController, speech: list[bytes], eventually: Eventually
) -> None:
    began = time.monotonic()
    microphone = Microphone(islice(cycle(speech), 1_500), every_s=0.002)
    peer = server.connect(controller, microphone)
    eventually(lambda: microphone.n_sent == 1_500)
    most_s = BURST_S + MAX_SPEED * (time.monotonic() - began)
    eventually(lambda: received_s(controller) > BURST_S - 0.5)
    assert received_s(controller) <= most_s + 0.1
    server.do(peer.close())


def test_a_flooding_client_is_cut_off(
    server: Server, controller: RecordingController, speech: list[bytes], eventually: Eventually
) -> None:
    peer = server.connect(controller, Microphone(cycle(speech), every_s=0))
    eventually(lambda: bool(controller.all))
    eventually(lambda: controller.running is None)
    eventually(lambda: peer.connectionState in ("closed", "failed"))
    server.do(peer.close())


@pytest.mark.parametrize("kind", ["video", "two microphones", "data", "only data"])
def test_an_offer_without_exactly_one_microphone_is_refused(
    kind: str, server: Server, controller: RecordingController
) -> None:
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
        server.worker(controller).process_offer(local.sdp, local.type, 10)
    server.do(peer.close())


@pytest.mark.parametrize("sdp", [None, 5, "", "v=0\r\n", {"a": 1}])
def test_an_invalid_offer_is_reported(
    sdp: object, server: Server, controller: RecordingController
) -> None:
    with pytest.raises(OfferError):
        server.worker(controller).process_offer(sdp, "offer", 10)  # type: ignore[arg-type]


def test_an_offer_that_only_the_library_refuses_is_reported(
    server: Server, controller: RecordingController, eventually: Eventually
) -> None:
    peer = server.offer(AudioStreamTrack())
    local = peer.localDescription
    broken = local.sdp.replace("a=fingerprint:", "a=fingerprint-no-more:")
    worker = server.worker(controller)
    with pytest.raises(AsrError) as caught:
        worker.process_offer(broken, "offer", 10)
        worker.process_offer("", "offer", 10)
    assert "\n" not in str(caught.value)
    eventually(lambda: worker.pc.connectionState == "closed")
    server.do(peer.close())


def test_candidates_are_checked_counted_and_never_logged_as_lines(
    server: Server, controller: RecordingController, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    peer = server.offer(Microphone([]))
    local = peer.localDescription
    worker = server.worker(controller)
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


def test_a_connection_without_audio_is_closed(
    server: Server, controller: RecordingController, eventually: Eventually
) -> None:
    peer = server.connect(controller, Microphone([]))
    eventually(lambda: peer.connectionState == "connected")
    controller.check(time.monotonic() + CONNECT_S + 1)
    eventually(lambda: peer.connectionState in ("closed", "failed"))
    server.do(peer.close())


def test_a_refused_visitor_gets_no_connection(server: Server) -> None:
    scheduler = Scheduler(CountingEngine(), start=False)
    for _ in range(2):
        assert scheduler.admission.join(object())
    late = RecordingController(Budget({}))
    late.prepare(scheduler, LiveOptions())
    peer = server.offer(Microphone([]))
    local = peer.localDescription
    worker = server.worker(late)
    with pytest.raises(LimitError, match="many people wait"):
        worker.process_offer(local.sdp, local.type, 10)
    assert worker.pc.connectionState == "closed"
    server.do(peer.close())


def test_closing_the_controller_ends_the_connection(
    server: Server, controller: RecordingController, speech: list[bytes], eventually: Eventually
) -> None:
    peer = server.connect(controller, Microphone(cycle(speech)))
    eventually(lambda: received_s(controller) > 0.3)
    controller.close()
    assert controller.all == []
    eventually(lambda: peer.connectionState in ("closed", "failed"))
    server.do(peer.close())


def test_twenty_recordings_and_twenty_refused_offers_leave_nothing_behind(
    server: Server, speech: list[bytes], eventually: Eventually
) -> None:
    """Recordings end by STOP, by the end of the page's session, and by a vanished peer."""
    scheduler = Scheduler(CountingEngine())

    def record(number: int) -> None:
        controller = RecordingController(Budget({}))
        controller.prepare(scheduler, LiveOptions(keep_audio=True))
        peer = server.connect(controller, Microphone(cycle(speech)))
        eventually(lambda: received_s(controller) > 0.1)
        if number % 3 == 0:
            server.do(peer.close())
            eventually(lambda: controller.running is None)
        elif number % 3 == 1:
            controller.close()
        else:
            controller.check(time.monotonic() + 3_600)
        server.do(peer.close())

    def refused() -> None:
        controller = RecordingController(Budget({}))
        controller.prepare(scheduler, LiveOptions())
        peer = server.offer(AudioStreamTrack(), VideoStreamTrack())
        with pytest.raises(OfferError):
            server.worker(controller).process_offer(peer.localDescription.sdp, "offer", 10)
        server.do(peer.close())

    record(0)
    refused()
    eventually(lambda: not _ours())
    gc.collect()
    before = in_use()
    for number in range(20):
        record(number)
        refused()
    eventually(lambda: not _ours())
    gc.collect()
    eventually(lambda: in_use()[1] <= before[1])
    assert in_use()[0] == before[0]
    assert scheduler.admission.n_admitted == scheduler.admission.n_waiting == 0
    living = [o for o in gc.get_objects() if type(o) is RecordingController]
    assert len(living) <= 2


def _ours() -> list[str]:
    """Return the names of threads that should end with the recordings."""
    names = ("asr-", "audio-decoder", "ShutdownPolling", "process_offer", "Timer")
    return [name for name in in_use()[0] if name.startswith(names)]
