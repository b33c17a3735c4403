"""A person drops files and reads what is said in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import served
from tests.browser.pages import UploadPage, choose, wait_until
from tests.texts import BECKETT, TWO_CITIES, word_error_rate


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
    # The buttons come with the script's run, the words with the component's.
    wait_until(lambda: page.page.get_by_role("button", name="VTT").count(), page.page, 60)
    wait_until(lambda: bool(page.text().strip()), page.page, 10)
    assert word_error_rate(TWO_CITIES, page.text()) < 0.05
    expect(page.page.get_by_text("s · English")).to_be_visible()
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
    bad = tmp_path / "notes 🎤.wav"
    bad.write_text("only text")
    page.drop(speech_files / "beckett.wav", bad)
    expect(page.page.get_by_text("notes 🎤.wav holds no sound")).to_be_visible(timeout=60_000)
    wait_until(lambda: page.page.get_by_role("button", name="VTT").count(), page.page, 60)
    wait_until(lambda: bool(page.text().strip()), page.page, 10)
    assert word_error_rate(BECKETT, page.text()) < 0.2
    page.page.get_by_role("button", name="Clear").click()
    expect(page.page.get_by_role("log", name="Transcript")).to_have_count(0)


def test_a_recording_is_transcribed(upload: Callable[..., UploadPage], speech_files: Path) -> None:
    page = upload(speech_files / "beckett.wav")
    choose(page.page, "Model", "tiny.en")
    page.page.wait_for_timeout(2_000)
    page.page.get_by_role("button", name="Record").click()
    page.page.wait_for_timeout(9_000)
    page.page.get_by_role("button", name="Stop recording").click()
    wait_until(lambda: page.page.get_by_role("button", name="VTT").count(), page.page, 60)
    wait_until(lambda: bool(page.text().strip()), page.page, 10)
    assert "ever" in page.text().lower()


def test_the_first_visitor_may_come_straight_to_this_page(
    base: Path, launch: Callable[..., Browser]
) -> None:
    with served("-m", "streamlit", "run", "streamlit_app.py") as (address, _):
        page = UploadPage(launch(None).new_context().new_page(), address)
        page.open()
        expect(page.page.get_by_text("Or drop audio and video files")).to_be_visible(timeout=60_000)
        expect(page.page.get_by_role("heading", name="Recognition")).to_be_visible()
