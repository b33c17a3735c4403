"""A person drops files and reads their transcripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16
from tests.browser.conftest import served
from tests.browser.pages import UploadPage, choose, wait_until
from tests.support.recordings import with_tracks
from tests.support.texts import BECKETT, TWO_CITIES, word_error_rate


@pytest.fixture
def upload(app: str, launch: Callable[..., Browser]) -> Callable[..., UploadPage]:
    def open_page(microphone: Path | None = None) -> UploadPage:
        page = UploadPage(launch(microphone).new_context().new_page(), app)
        page.open()
        return page

    return open_page


def test_a_dropped_file_is_transcribed(
    upload: Callable[..., UploadPage], speech_files: Path
) -> None:
    page = upload()
    page.drop(speech_files / "two_cities.wav")
    page.wait_for_words()
    assert word_error_rate(TWO_CITIES, page.text()) < 0.05
    expect(page.page.get_by_text("0:44 · English")).to_be_visible()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="SRT").click()
    assert download.value.suggested_filename == "two_cities.srt"
    assert "-->" in Path(download.value.path()).read_text()


def test_a_bad_file_among_good_ones_fails_alone(
    upload: Callable[..., UploadPage], speech_files: Path, tmp_path: Path
) -> None:
    page = upload()
    choose(page.page, "Model", "tiny.en")
    page.page.wait_for_timeout(2_000)
    bad = tmp_path / "![notes](x) 🎤.wav"
    bad.write_text("only text")
    page.drop(speech_files / "beckett.wav", bad)
    message = page.page.get_by_text("![notes](x) 🎤.wav holds no sound")
    expect(message).to_be_visible(timeout=60_000)
    assert page.page.locator('img[alt="notes"]').count() == 0
    page.wait_for_words()
    assert word_error_rate(BECKETT, page.text()) < 0.2
    page.page.get_by_role("button", name="Clear").click()
    expect(page.page.get_by_role("log", name="Transcript")).to_have_count(0)


def test_cancelling_keeps_the_words_so_far_and_the_next_file_follows(
    upload: Callable[..., UploadPage], speech_files: Path, two_cities: np.ndarray, tmp_path: Path
) -> None:
    page = upload()
    choose(page.page, "Model", "tiny.en")
    page.page.wait_for_timeout(2_000)
    long = tmp_path / "long.flac"
    long.write_bytes(to_flac(clip_to_int16(np.tile(two_cities, 40))))
    page.drop(long, speech_files / "beckett.wav", speech_files / "two_cities.wav")
    names = page.page.get_by_role("heading", level=3)
    expect(names).to_have_text(["long.flac", "beckett.wav", "two_cities.wav"], timeout=60_000)
    growing = page.page.get_by_role("log", name="Transcript")
    expect(growing).to_contain_text("best of times", timeout=60_000)
    page.page.get_by_role("button", name="Cancel").last.click()
    expect(page.page.get_by_text("two_cities.wav was cancelled before its turn")).to_be_visible()
    page.page.get_by_role("button", name="Cancel").first.click()
    expect(page.page.get_by_text("The transcript up to")).to_be_visible()
    wait_until(lambda: page.page.get_by_role("button", name="SRT").count() == 2, page.page, 60)
    assert "best of times" in page.saved("TXT").lower()


def test_a_recording_is_transcribed(upload: Callable[..., UploadPage], speech_files: Path) -> None:
    page = upload(speech_files / "beckett.wav")
    choose(page.page, "Model", "tiny.en")
    page.page.wait_for_timeout(2_000)
    page.page.get_by_role("button", name="Record").click()
    page.page.wait_for_timeout(9_000)
    page.page.get_by_role("button", name="Stop recording").click()
    page.wait_for_words()
    assert "ever" in page.text().lower()


def test_the_first_visitor_may_come_straight_to_this_page(
    base: Path, launch: Callable[..., Browser]
) -> None:
    with served("-m", "streamlit", "run", "streamlit_app.py") as (address, _):
        page = UploadPage(launch(None).new_context().new_page(), address)
        page.open()
        expect(page.page.get_by_text("Or drop audio and video files")).to_be_visible(timeout=60_000)
        expect(page.page.get_by_role("heading", name="Recognition")).to_be_visible()


@pytest.fixture
def done(upload: Callable[..., UploadPage], speech_files: Path) -> UploadPage:
    """The page with ``two_cities.wav`` transcribed by tiny.en."""
    page = upload()
    choose(page.page, "Model", "tiny.en")
    page.page.wait_for_timeout(2_000)
    page.drop(speech_files / "two_cities.wav")
    page.wait_for_words()
    return page


def test_a_click_on_a_word_plays_from_there_and_the_current_word_is_marked(
    done: UploadPage,
) -> None:
    word = done.words().filter(has_text="wisdom").first
    word.click()
    word_start_s = float(word.get_attribute("data-start"))
    wait_until(lambda: done.position() > word_start_s + 1, done.page, 20)
    marked = done.page.locator(".words span.now")
    expect(marked).to_have_count(1)
    starts = [float(start) for start in done.starts()]
    at = float(marked.get_attribute("data-start"))
    position = done.position()
    assert at <= position + 0.1
    assert all(start <= at or start > position - 1 for start in starts)


def test_a_corrected_line_is_in_the_subtitles_and_can_be_reverted(done: UploadPage) -> None:
    line = done.page.locator(".line").first
    recognised = line.locator(".words").inner_text()
    done.page.get_by_role("button", name="Correct").click()
    line.locator(".words").fill("Corrected by hand <b>&")
    line.locator(".words").press("Enter")
    second = done.page.locator(".line").nth(1).locator(".words")
    second.fill("And the second one.")
    done.page.get_by_role("button", name="Done").click()
    expect(done.page.get_by_role("button", name="Restore")).to_have_count(2)
    saved = done.saved("SRT").replace("\N{WORD JOINER}", "")  # which keeps it from being a tag
    assert "Corrected by hand <b>&\n" in saved
    assert "And the second one.\n" in saved
    line.get_by_role("button", name="Restore").click()
    expect(line.locator(".words")).to_have_text(recognised)
    assert "by hand" not in done.saved("TXT")


def type_over(page: UploadPage, text: str) -> None:
    """Type into the first line of the file added first, and keep the focus there."""
    line = page.page.get_by_role("log", name="Transcript").last.locator(".words").first
    line.click()
    line.evaluate("line => getSelection().selectAllChildren(line)")
    page.page.keyboard.type(text)


def press(page: UploadPage, name: str, ms: int) -> None:
    """Press the button with this name for ``ms``, as a mouse does."""
    button = page.page.get_by_role("button", name=name, exact=True).first
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.mouse.down()
    page.page.wait_for_timeout(ms)
    page.page.mouse.up()


def test_a_correction_being_typed_is_in_the_next_download(
    done: UploadPage,
) -> None:
    done.page.get_by_role("button", name="Correct").click()
    for ms in (0, 60, 100):
        for name in ("TXT", "SRT"):
            type_over(done, typed := f"Typed before {name} for {ms} ms")
            with done.page.expect_download() as download:
                press(done, name, ms)
            assert typed in Path(download.value.path()).read_text()


class Network:
    """A page's outgoing messages, which can be held; the page is reloaded through it."""

    def __init__(self, page: Page) -> None:
        self.stands_still = False
        self._held: list[Callable[[], None]] = []
        page.route_web_socket("**/_stcore/stream", self._join)
        page.reload()

    def _join(self, from_page: WebSocketRoute) -> None:
        server = from_page.connect_to_server()

        def send(message: str | bytes) -> None:
            if self.stands_still:
                self._held.append(lambda: server.send(message))
            else:
                server.send(message)

        from_page.on_message(send)

    def flow(self) -> None:
        """Let all messages through."""
        self.stands_still = False
        while self._held:
            self._held.pop(0)()


def test_a_download_waits_for_the_correction_on_a_slow_network(done: UploadPage) -> None:
    network = Network(done.page)
    done.wait_for_words()
    done.page.get_by_role("button", name="Correct").click()
    type_over(done, "Typed where the network is slow")
    network.stands_still = True
    with done.page.expect_download() as download:
        press(done, "TXT", 0)
        done.page.wait_for_timeout(1_500)
        network.flow()
    assert "Typed where the network is slow" in Path(download.value.path()).read_text()


def test_text_being_typed_survives_another_page_another_file_and_a_reload(
    done: UploadPage, speech_files: Path
) -> None:
    done.page.get_by_role("button", name="Correct").click()
    type_over(done, "Typed before another page")
    done.page.get_by_role("link", name="Live").click()
    expect(done.page.get_by_role("heading", name="Speak and read")).to_be_visible()
    done.page.get_by_role("link", name="Upload").click()
    done.wait_for_words()
    expect(done.page.locator(".line .words").first).to_have_text("Typed before another page")

    type_over(done, "Typed while ")
    done.drop(speech_files / "beckett.wav")
    for _ in range(20):
        done.page.keyboard.type("on and ")
        done.page.wait_for_timeout(150)
    buttons = done.page.get_by_role("button", name="VTT")
    wait_until(lambda: buttons.count() == 2, done.page, 60)
    done.page.keyboard.type("off")
    old = done.page.get_by_role("log", name="Transcript").last
    expect(old.locator(".words").first).to_have_text("Typed while " + 20 * "on and " + "off")

    type_over(done, "Typed before a reload")
    done.page.reload()
    wait_until(lambda: buttons.count() == 2, done.page, 60)
    expect(old.locator(".words").first).to_have_text("Typed before a reload")
    with done.page.expect_download() as download:
        done.page.get_by_role("button", name="TXT", exact=True).last.click()
    assert "Typed before a reload" in Path(download.value.path()).read_text()


def test_words_can_be_searched(done: UploadPage) -> None:
    done.page.get_by_role("searchbox", name="Find in the transcript").fill("It was the")
    n_matches = done.text().lower().count("it was the")
    expect(done.page.get_by_text(f"1 of {n_matches}")).to_be_visible()
    done.page.get_by_role("button", name="Next match").click()
    expect(done.page.get_by_text(f"2 of {n_matches}")).to_be_visible()
    assert done.page.locator(".hit.here").all_inner_texts()
    done.page.get_by_role("searchbox", name="Find in the transcript").fill("no such words")
    expect(done.page.get_by_text("No matches", exact=True)).to_be_visible()


def test_a_range_is_transcribed_again_and_the_first_transcript_stays(done: UploadPage) -> None:
    done.page.get_by_role("textbox", name="From").fill("later")
    done.page.get_by_role("textbox", name="From").press("Enter")
    expect(done.page.get_by_text("'later' is not a time")).to_be_visible()
    done.page.get_by_role("textbox", name="From").fill("0:10")
    done.page.get_by_role("textbox", name="From").press("Enter")
    expect(done.page.get_by_text("is not a time")).to_have_count(0)
    done.page.get_by_role("button", name="Again").click()
    logs = done.page.get_by_role("log", name="Transcript")
    wait_until(lambda: done.page.get_by_role("button", name="VTT").count() == 2, done.page, 60)
    expect(logs).to_have_count(2)
    expect(done.page.get_by_text("0:44 from 0:10")).to_be_visible()
    expect(logs.first.locator(".time").first).to_have_text("0:10")


def test_transcripts_and_corrections_survive_another_page(done: UploadPage) -> None:
    done.page.get_by_role("button", name="Correct").click()
    done.page.locator(".line .words").first.fill("Corrected by hand.")
    done.page.get_by_role("button", name="Done").click()
    expect(done.page.get_by_role("button", name="Restore")).to_be_visible()
    done.page.get_by_role("link", name="Live").click()
    expect(done.page.get_by_role("heading", name="Speak and read")).to_be_visible()
    done.page.get_by_role("link", name="Upload").click()
    done.wait_for_words()
    assert done.text().startswith("Corrected by hand.")
    assert "Corrected by hand." in done.saved("TXT")


def test_speakers_are_named_and_another_track_can_be_chosen(
    upload: Callable[..., UploadPage], beckett: np.ndarray, two_cities: np.ndarray, tmp_path: Path
) -> None:
    page = upload()
    choose(page.page, "Model", "tiny.en")
    page.page.wait_for_timeout(2_000)
    page.page.get_by_text("One speaker per channel").click()
    call = np.zeros((2, len(beckett) + 16_000 * 8), np.float32)
    call[0, : len(beckett)], call[1, len(beckett) :] = beckett, two_cities[: 16_000 * 8]
    file = tmp_path / "call.mkv"
    file.write_bytes(with_tracks([(call, {}), (beckett, {"title": "Notes"})]).getvalue())
    page.drop(file)
    page.wait_for_words()
    expect(page.page.get_by_text("call.mkv has 2 sound tracks: track 1")).to_be_visible()
    page.page.get_by_role("button", name="Correct").click()
    expect(page.page.locator(".line .speaker").first).to_have_text("Left:")
    expect(page.page.locator(".line .speaker").last).to_have_text("Right:")
    page.page.locator(".line .words").first.fill("Corrected.")
    page.page.get_by_role("button", name="Done").click()
    assert page.saved("TXT").startswith("Left: Corrected.\n")
    choose(page.page, "Sound track", "Track 2 (Notes)")
    page.page.get_by_role("button", name="Again").click()
    expect(page.page.get_by_text("call.mkv has one channel only")).to_be_visible(timeout=60_000)
