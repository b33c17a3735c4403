"""Two users of one app: no request of one returns anything of the other's."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import APIRequestContext, Browser, Page, expect

from tests.browser.pages import LivePage, UploadPage, spoken_late, wait_until


@pytest.fixture
def stranger(app: str, launch: Callable[..., Browser]) -> Page:
    return launch(None).new_context().new_page()


def _seen(page: Page) -> list[tuple[str, str]]:
    """Return a list that fills with the method and URL of the page's requests."""
    seen: list[tuple[str, str]] = []
    page.on("request", lambda request: seen.append((request.method, request.url)))
    return seen


def _answer(request: APIRequestContext, url: str) -> int:
    return request.get(url).status


def _changed(url: str) -> str:
    """Return the URL with one digit of the name changed, the closest possible guess."""
    stem, dot, extension = url.rpartition(".")
    other = "0" if stem[-1] != "0" else "1"
    return f"{stem[:-1]}{other}{dot}{extension}"


def test_no_part_of_a_transcript_reaches_another_user(
    app: str, launch: Callable[..., Browser], stranger: Page, speech_files: Path
) -> None:
    owner = UploadPage(launch(None).new_context().new_page(), app)
    files, media = f"{app}/files/", f"{app}/media/"
    seen = _seen(owner.page)
    owner.open()
    owner.drop(speech_files / "beckett.wav")
    owner.wait_for_words()
    assert "Fail better" in owner.saved("TXT")
    wait_until(lambda: any(files in url for _, url in seen), owner.page, 20)
    audio_urls = [url for _, url in seen if files in url]
    texts = [url for _, url in seen if media in url]
    uploads = [url for method, url in seen if method == "PUT"]
    assert audio_urls and uploads

    other = UploadPage(stranger, app)
    other.open()
    assert other.text() == ""
    expect(stranger.get_by_text("beckett.wav")).to_have_count(0)
    request = stranger.context.request
    assert {_answer(owner.page.context.request, url) for url in audio_urls} == {200}
    assert {_answer(request, url) for url in audio_urls} == {404}
    for url in texts:
        assert _answer(request, url) in (200, 404)  # a text may be read by whoever has its name
        assert _answer(request, _changed(url)) == 404
    for path in ("media", "media/", "_stcore/upload_file", "_stcore/upload_file/"):
        answer = request.get(f"{app}/{path}")
        assert not any(url.rsplit("/", 1)[1] in answer.text() for url in audio_urls)
    for url in uploads:
        # Uploads cannot be read; without the owner's session nothing can be added.
        assert b"RIFF" not in request.get(url).body()[:16]
        *_, session, file = url.rsplit("/", 2)
        assert request.put(url.replace(session, str(uuid.uuid4())), data=b"x").status >= 400
        assert request.put(url, data=b"x").status == 403  # the session is another user's
        assert request.put(url.replace(file, "../../x"), data=b"x").status >= 400

    owner.page.get_by_role("button", name="Clear", exact=True).click()
    expect(owner.page.get_by_role("log", name="Transcript")).to_have_count(0)
    own = owner.page.context.request
    wait_until(lambda: {_answer(own, url) for url in audio_urls} == {404}, owner.page, 60)
    assert other.text() == ""


def test_no_part_of_a_recording_reaches_another_user(
    app: str, launch: Callable[..., Browser], stranger: Page, speech_files: Path, tmp_path: Path
) -> None:
    speech = spoken_late(speech_files / "beckett.wav", tmp_path)
    owner = LivePage(launch(speech).new_context().new_page(), app)
    owner.open("tiny.en")
    owner.page.get_by_text("Keep the audio").click()
    owner.start()
    wait_until(lambda: "ever" in owner.committed().lower(), owner.page, 30)
    other = LivePage(stranger, app)
    other.open("base")
    assert not other.committed() and not other.status()
    expect(other.views()).to_have_count(0)
    owner.stop()
    owner.wait_for_end_of_recording()
    expect(other.views()).to_have_count(0)
    stranger.reload()  # a new session gives no access either
    other.button("START").wait_for(timeout=60_000)
    expect(other.views()).to_have_count(0)
    assert stranger.get_by_role("button", name="SRT").count() == 0
