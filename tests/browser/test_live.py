"""A person speaks, with real Opus over real WebRTC, and reads their words."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from asr_core.streaming.recording_controller import HELD_OPEN_S
from tests.browser.conftest import served
from tests.browser.pages import LivePage, choose, go_to, spoken_late, wait_until
from tests.support.texts import BECKETT, TWO_CITIES, word_error_rate

Live = Callable[..., LivePage]


_OF_THE_PROCESS = ("asr-keeper", "asr-watch")
"""Prefixes of threads that end with the recording."""


def test_words_appear_while_speaking_and_stay(
    live: Live, speech_files: Path, tmp_path: Path
) -> None:
    page = live(spoken_late(speech_files / "two_cities.wav", tmp_path, 20.0))
    page.page.get_by_text("Keep the audio").click()
    page.leave_live_text()
    page.start()
    history: list[str] = []
    for _ in range(200):
        page.page.wait_for_timeout(200)
        text = page.committed()
        if text and (not history or text != history[-1]):
            history.append(text)
        if "light" in text.lower():
            break
    assert len(history) > 5, "the words came in one go"
    for before, after in itertools.pairwise(history):
        assert after.startswith(before), "a committed word was rewritten"
    page.stop()
    page.wait_for_end_of_recording()
    final = page.committed(0)
    assert final.startswith(history[-1])
    spoken = " ".join(TWO_CITIES.split()[: len(final.split())])
    assert len(spoken.split()) > 35
    assert word_error_rate(spoken, final) < 0.10

    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="JSON").click()
    data = json.loads(Path(download.value.path()).read_text())
    assert data["text"].split() == final.split()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Audio", exact=True).click()
    assert Path(download.value.path()).stat().st_size > 80_000
    assert download.value.suggested_filename.endswith(".flac")


def test_a_recording_is_refined_after_stop(live: Live, speech_files: Path, tmp_path: Path) -> None:
    page = live(spoken_late(speech_files / "two_cities.wav", tmp_path), "tiny.en")
    page.start()
    wait_until(lambda: "wisdom" in page.committed(), page.page, 60)
    live_text = page.committed()
    page.stop()
    page.wait_for_end_of_recording()
    expect(page.page.get_by_text("Refined").first).to_be_visible()
    refined = page.committed(0)
    assert "age of wisdom" in refined
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="TXT").click()
    assert Path(download.value.path()).read_text().split() == refined.split()
    choice = page.page.get_by_role("radio", name="Live")
    if choice.count():  # both differ
        choice.click()
        wait_until(lambda: page.committed(0).startswith(live_text), page.page, 20)


def test_a_second_recording_goes_below_and_clear_deletes_all(
    live: Live, speech_files: Path, tmp_path: Path
) -> None:
    page = live(spoken_late(speech_files / "beckett.wav", tmp_path), "tiny.en")
    for number in range(2):

        def is_recognised(n: int = number) -> bool:
            return page.views().count() > n and "ever" in page.committed(n).lower()

        def is_kept(n: int = number) -> bool:
            return page.page.get_by_role("button", name="SRT").count() == n + 1

        page.start()
        wait_until(is_recognised, page.page, 30)
        page.stop()
        wait_until(is_kept, page.page, 60)
    expect(page.page.get_by_role("heading", name="Recording 1")).to_be_visible()
    expect(page.page.get_by_role("heading", name="Recording 2")).to_be_visible()
    for number in range(2):
        assert "ever" in page.committed(number).lower()
    assert page.views().count() == 2
    expect(page.kept_words()).to_be_hidden()
    page.page.get_by_role("button", name="Clear").click()
    expect(page.views()).to_have_count(0)
    page.page.wait_for_function(
        "!Object.keys(sessionStorage).some((key) => key.startsWith('asr-words/'))"
    )
    page.reload()
    expect(page.kept_words()).to_be_hidden()


def test_a_reloaded_page_shows_earlier_recordings(
    live: Live, speech_files: Path, tmp_path: Path
) -> None:
    page = live(spoken_late(speech_files / "beckett.wav", tmp_path), "tiny.en")
    page.start()
    wait_until(lambda: "ever" in page.committed().lower(), page.page, 30)
    page.stop()
    page.wait_for_end_of_recording()
    page.reload()
    expect(page.page.get_by_role("heading", name="Recording 1")).to_be_visible()
    assert "ever" in page.committed().lower()
    expect(page.page.get_by_role("button", name="SRT")).to_be_visible()
    expect(page.kept_words()).to_be_hidden()


def test_the_tab_keeps_the_words_of_recordings_until_told_to_delete_them(
    live: Live, speech_files: Path, tmp_path: Path
) -> None:
    page = live(spoken_late(speech_files / "beckett.wav", tmp_path), "tiny.en")
    kept = page.kept_words()
    for number in range(2):  # one before and one after a reload
        page.start()
        wait_until(lambda: "ever" in page.committed().lower(), page.page, 30)
        page.stop()
        page.wait_for_end_of_recording()
        page.page.context.clear_cookies()  # as if the server had been restarted
        page.reload()
        expect(kept.locator("time")).to_have_count(number + 1)
        assert "ever" in kept.locator("p").nth(number + 1).inner_text().lower()
    with page.page.expect_download() as download:
        kept.get_by_role("button", name="Save").click()
    assert Path(download.value.path()).read_text().lower().count("ever") >= 2
    kept.get_by_role("button", name="Discard").click()
    page.reload()
    expect(kept).to_be_hidden()


def test_two_browsers_show_only_their_own_words(
    live: Live, speech_files: Path, tmp_path: Path
) -> None:
    dickens = live(spoken_late(speech_files / "two_cities.wav", tmp_path), "tiny.en")
    other = live(spoken_late(speech_files / "beckett.wav", tmp_path), "tiny.en")
    dickens.start()
    other.start()
    wait_until(lambda: "worst of times" in dickens.committed(), dickens.page, 40)
    wait_until(lambda: "better" in other.committed().lower(), other.page, 40)
    for page in (dickens, other):
        page.stop()
        page.wait_for_end_of_recording()
    assert "fail" not in dickens.committed(0).lower()
    assert "times" not in other.committed(0).lower()
    assert word_error_rate(BECKETT, other.committed(0)) < 0.4


def test_a_time_limit_counts_down_and_stops(live: Live, speech_files: Path) -> None:
    page = live(speech_files / "two_cities.wav", "tiny.en")
    page.page.get_by_text("Time limit").click()
    minutes = page.page.get_by_role("spinbutton", name="Minutes")
    minutes.fill("0.1")
    minutes.press("Enter")
    page.page.wait_for_timeout(1_500)
    page.start()
    wait_until(lambda: "stops in" in page.status(), page.page, 30)
    page.wait_for_end_of_recording()
    assert "best of times" in page.committed(0)
    assert "foolishness" not in page.committed(0)


def test_a_visitor_waits_in_the_queue_or_before_it_if_it_is_full(
    launch: Callable[..., Browser],
    speech_files: Path,
    tiny_en: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are admitted in turn without pressing anything but START."""
    monkeypatch.setenv("ASR_MAX_SPEAKERS", "1")
    with served("-m", "streamlit", "run", "streamlit_app.py") as (address, _):
        browser = launch(speech_files / "two_cities.wav")
        first, second, third, fourth = (
            LivePage(browser.new_context().new_page(), address) for _ in range(4)
        )
        for page in (first, second, third):
            page.open("tiny.en")
            page.start()
            wait_until(page.button("STOP").is_visible, page.page, 40)
        notice = second.page.get_by_text("You are number 1 in the queue")
        expect(notice).to_be_visible()
        expect(third.page.get_by_text("You are number 2 in the queue")).to_be_visible()
        go_to(fourth.page, address, "Speak and read")
        choose(fourth.page, "Model", "tiny.en")
        turned_away = fourth.page.get_by_text("the queue is full")
        expect(turned_away).to_be_visible()
        wait_until(first.committed, first.page, 40)
        second.page.wait_for_timeout(3_000)
        expect(notice).to_be_visible()
        assert not second.committed()
        first.stop()
        wait_until(second.committed, second.page, 30)
        expect(notice).to_be_hidden()
        fourth.button("START").wait_for(timeout=30_000)
        expect(turned_away).to_be_hidden()
        first.wait_for_end_of_recording()
        assert first.committed(0)


def test_leaving_the_page_frees_the_microphone(
    live: Live, speech_files: Path, tmp_path: Path
) -> None:
    page = live(spoken_late(speech_files / "two_cities.wav", tmp_path), "tiny.en")
    page.start()
    wait_until(lambda: "times" in page.committed(), page.page, 30)
    page.page.get_by_role("link", name="Upload").click()
    expect(page.page.get_by_role("heading", name="Upload and read")).to_be_visible()
    page.page.wait_for_timeout(3_000)
    page.page.get_by_role("link", name="Live").click()
    page.button("START").wait_for(timeout=30_000)
    page.wait_for_end_of_recording()
    assert "best of times" in page.committed(0)


def test_a_refused_microphone_is_explained(live: Live, speech_files: Path) -> None:
    page = live(speech_files / "beckett.wav", "tiny.en", allow=False)
    browser = page.page.context.browser
    assert browser is not None
    browser.new_browser_cdp_session().send(
        "Browser.setPermission",
        {"permission": {"name": "microphone"}, "setting": "denied", "origin": page.address},
    )
    page.start()
    expect(page.page.get_by_text("blocking the microphone")).to_be_visible(timeout=20_000)


def test_a_missing_microphone_is_explained(app: str, launch: Callable[..., Browser]) -> None:
    """A fake for the fault: the browser finds no devices."""
    page = launch(None).new_context().new_page()
    page.add_init_script("navigator.mediaDevices.enumerateDevices = async () => []")
    page.goto(app)
    expect(page.get_by_text("No microphone was found")).to_be_visible(timeout=60_000)


def test_a_connection_that_cannot_be_made_is_explained(live: Live, speech_files: Path) -> None:
    """A fake for the fault: the browser may only go through a TURN server, and has none."""
    page = live(speech_files / "beckett.wav", "tiny.en")
    page.page.context.add_init_script(
        "window.RTCPeerConnection = class extends RTCPeerConnection {"
        " constructor(c) { super({ ...c, iceTransportPolicy: 'relay' }); } }"
    )
    page.open("tiny.en")
    page.start()
    expect(page.page.get_by_text("set up a TURN server")).to_be_visible(timeout=40_000)


def test_a_server_shutting_down_lets_speakers_finish_and_save(
    launch: Callable[..., Browser], speech_files: Path, base: Path, tiny_en: Path
) -> None:
    with served("-m", "streamlit", "run", "streamlit_app.py") as (address, process):
        page = LivePage(launch(speech_files / "two_cities.wav").new_context().new_page(), address)
        page.open("tiny.en")
        page.start()
        wait_until(lambda: "worst of times" in page.committed(), page.page, 40)
        shown = f"{page.committed()} {page.tentative()}".split()
        process.terminate()
        expect(page.page.get_by_text("The server is about to restart")).to_be_visible(
            timeout=20_000
        )
        expect(page.page.get_by_role("button", name="SRT")).to_be_visible(timeout=20_000)
        assert len(page.committed(0).split()) >= len(shown) - 1
        with page.page.expect_download() as download:
            page.page.get_by_role("button", name="TXT", exact=True).click()
        assert "worst of times" in Path(download.value.path()).read_text()
        process.terminate()  # a second signal ends it at once
        process.wait(15)


def test_a_slow_machine_shows_its_lag_and_loses_nothing(
    slow_app: str, launch: Callable[..., Browser], speech_files: Path
) -> None:
    browser = launch(speech_files / "beckett.wav")
    page = LivePage(browser.new_context().new_page(), slow_app)
    page.open("tiny.en")
    page.start()
    wait_until(lambda: "behind by" in page.status(), page.page, 60)
    page.page.wait_for_timeout(11_000)  # until all ten seconds of it are played
    page.stop()
    page.wait_for_end_of_recording(120)
    assert word_error_rate(BECKETT, page.committed(0)) < 0.4
    assert "better" in page.committed(0).lower()


def test_a_connection_lasts_however_late_streamlit_counts_runs(
    launch: Callable[..., Browser], speech_files: Path, base: Path, tiny_en: Path
) -> None:
    with served("-m", "tests.browser.late_counts_app") as (address, _):
        page = LivePage(launch(speech_files / "two_cities.wav").new_context().new_page(), address)
        page.open("tiny.en")
        page.start()
        wait_until(page.committed, page.page, 30)


def test_a_closed_browser_leaves_nothing_running(
    threads_of_app: Callable[[], list[str]], live: Live, speech_files: Path
) -> None:
    def threads_of_speakers() -> list[str]:
        ours = ("asr-", "audio-decoder", "ScriptRunner", "ShutdownPolling", "process_offer")
        names = [name for name in threads_of_app() if name.startswith(ours)]
        return [name for name in names if not name.startswith(_OF_THE_PROCESS)]

    for _ in range(2):
        page = live(speech_files / "two_cities.wav", "tiny.en")
        page.start()
        wait_until(page.committed, page.page, 60)
        assert threads_of_speakers()
        browser = page.page.context.browser
        assert browser is not None
        browser.close()
    # The recording is held open for a while, in case the network comes back.
    deadline = time.monotonic() + 2 * HELD_OPEN_S
    while threads_of_speakers() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not threads_of_speakers()


def test_a_visit_without_a_recording_needs_no_thread(
    app: str, launch: Callable[..., Browser], threads_of_app: Callable[[], list[str]]
) -> None:
    browser = launch(None)
    for _ in range(3):
        context = browser.new_context()
        page = LivePage(context.new_page(), app)
        page.open("tiny.en")
        assert not [name for name in threads_of_app() if name.startswith("ShutdownPolling")]
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(
    app: str, launch: Callable[..., Browser], scheme: str, width: int
) -> None:
    page = launch(None).new_context(color_scheme=scheme).new_page()
    page.set_viewport_size({"width": width, "height": 844})
    for path in ("", "upload"):
        page.goto(f"{app}/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
        page.wait_for_timeout(1_000)
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(too_wide)
