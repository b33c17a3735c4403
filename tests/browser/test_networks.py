"""Speech through a relay between two separate networks, over good and bad links."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright
from rapidfuzz.distance import Levenshtein

from asr_core.engines import load_engine
from asr_core.full_context import FileOptions, transcribe
from tests.browser import networks
from tests.browser.conftest import chromium, served
from tests.browser.pages import LivePage, wait_until
from tests.support.texts import words_of


@pytest.fixture
def middle(tmp_path: Path) -> Iterator[networks.Middle]:
    turnserver = shutil.which("turnserver")
    if turnserver is None or not shutil.which("openssl") or not networks.can_be_made():
        pytest.skip(
            "needs root's right to make networks, openssl, and Debian's iproute2 and coturn"
        )
    with networks.two_networks(), networks.middle_host(turnserver, tmp_path) as host:
        yield host


@pytest.fixture
def open_page(
    middle: networks.Middle,
    tiny_en: Path,
    launch: Callable[..., Browser],
    playwright: Playwright,
    speech_files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str], LivePage]]:
    """Open the live page in a browser of one network; the app runs in the other."""
    browser = tmp_path / "browser"
    inside = " ".join(networks.run_inside(networks.BROWSER, chromium(playwright)))
    browser.write_text(f'#!/bin/sh\nexec {inside} "$@"\n')
    browser.chmod(0o755)
    # The page has no https and the relay a self-signed certificate that the app trusts.
    allowed = [
        f"--unsafely-treat-insecure-origin-as-secure={middle.page}",
        "--ignore-certificate-errors",
    ]
    monkeypatch.setenv("SSL_CERT_FILE", str(middle.certificate))
    monkeypatch.setenv("TURN_SECRET", "north")
    command = ("-m", "streamlit", "run", "streamlit_app.py")
    inside_app = networks.run_inside(networks.APP)

    def start(transport: str) -> LivePage:
        monkeypatch.setenv("TURN_URLS", middle.turn[transport])
        servers.enter_context(
            served(*command, inside=inside_app, host="10.77.2.2", port=networks.PAGE_PORT)
        )
        microphone = speech_files / "two_cities.wav"
        context = launch(microphone, program=browser, switches=allowed).new_context()
        page = LivePage(context.new_page(), middle.page)
        page.open("tiny.en")
        page.leave_live_text()
        return page

    with ExitStack() as servers:
        yield start


def start_speaking(page: LivePage) -> None:
    """Press START until words appear; again if there is no connection, as the page advises."""
    page.start()
    try:
        wait_until(page.committed, page.page, 35)
    except AssertionError:
        print(f"no words: {page.page.inner_text('body')!r}")
        _stop(page)
        page.button("START").wait_for(timeout=30_000)
        page.start()
        wait_until(page.committed, page.page, 60)


def _stop(page: LivePage) -> None:
    """Press STOP if there is a connection; without one the recording ends by itself."""
    page.page.wait_for_timeout(2_000)
    if page.button("STOP").is_visible():
        page.stop()


def _transcript(page: LivePage) -> str:
    """Return the transcript of about twenty seconds from when the connection is made."""
    start_speaking(page)
    page.page.wait_for_timeout(18_000)
    page.stop()
    page.wait_for_end_of_recording()
    return page.committed(0)


def _errors_beside(clean: str, hypothesis: str) -> float:
    """Return the word error rate of a transcript of some part of the same recording."""
    reference, words = words_of(clean), words_of(hypothesis)
    assert len(words) > 25
    parts = ((a, b) for a in range(len(reference)) for b in range(a + 20, len(reference) + 1))
    return min(Levenshtein.distance(reference[a:b], words) / (b - a) for a, b in parts)


def _long_loss(page: LivePage) -> tuple[float, int] | None:
    """Return length and start, in seconds, of a loss of audio of about ten seconds or more."""
    note = page.page.get_by_text("Audio was lost in the network")
    reference = note.inner_text() if note.count() else ""
    losses = [
        (float(lost), 60 * int(minutes) + int(seconds))
        for lost, minutes, seconds in re.findall(r"([0-9.]+) s at (\d+):(\d+)", reference)
    ]
    return max((loss for loss in losses if loss[0] > 9.5), default=None)


@pytest.fixture(scope="module")
def clean(tiny_en: Path, speech_files: Path) -> str:
    """The transcript without any network."""
    engine = load_engine(tiny_en, "onnx")
    return transcribe(speech_files / "two_cities.wav", engine, FileOptions("en")).text


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_speech_is_transcribed_where_udp_is_blocked(
    middle: networks.Middle, open_page: Callable[[str], LivePage], clean: str, transport: str
) -> None:
    middle.set(loss=1.0)
    assert _errors_beside(clean, _transcript(open_page(transport))) < 0.1


def test_speech_is_transcribed_through_a_lossy_network(
    middle: networks.Middle, open_page: Callable[[str], LivePage], clean: str
) -> None:
    page = open_page("udp")
    middle.set(loss=0.05, jitter_s=0.06)
    assert _errors_beside(clean, _transcript(page)) < 0.2


def test_a_recording_continues_after_ten_seconds_without_a_network(
    middle: networks.Middle, open_page: Callable[[str], LivePage], clean: str
) -> None:
    page = open_page("udp")
    start_speaking(page)
    wait_until(lambda: len(page.committed().split()) > 12, page.page, 30)
    before = page.committed()
    middle.cut()
    page.page.wait_for_timeout(10_000)
    middle.set()
    # The microphone's file restarts with the new connection. Some of the words from
    # before the cut become final only now.
    wait_until(lambda: _long_loss(page), page.page, 60)
    n_words = len(page.committed().split())
    wait_until(lambda: len(page.committed().split()) > n_words + 40, page.page, 60)
    assert page.page.get_by_role("heading", name="Recording 1").count() == 1
    assert page.page.get_by_role("heading", name="Recording 2").count() == 0
    assert page.committed(0).startswith(before)
    loss = _long_loss(page)
    assert loss
    lost_s, at_s = loss
    # Times stay on the clock: the words after the gap start after it.
    begins = page.view(0).locator("time").all_inner_texts()
    times = [
        60 * int(minutes) + int(seconds) for minutes, seconds in (b.split(":") for b in begins if b)
    ]
    assert not [time for time in times if at_s + 1 < time < at_s + lost_s - 1]
    assert max(times) > at_s + lost_s - 1

    page.stop()
    page.wait_for_end_of_recording()
    assert page.page.get_by_role("heading", name="Recording 2").count() == 0
    assert page.committed(0).startswith(before)
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="JSON", exact=True).click()
    segments = json.loads(Path(download.value.path()).read_text())["segments"]
    words = [word for segment in segments for word in segment["words"]]
    pauses = [after["start"] - word["end"] for word, after in itertools.pairwise(words)]
    assert max(pauses) > 9.5
    after = words[pauses.index(max(pauses)) + 1 :]
    assert _errors_beside(clean, "".join(word["text"] for word in after)) < 0.1
