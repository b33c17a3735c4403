"""A testing team at work, from an empty test set to a model's errors."""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import to_int16
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store
from tests.browser.conftest import served
from tests.browser.pages import UploadPage, choose, wait_until
from tests.conftest import Samples
from tests.support.texts import BECKETT


@pytest.fixture
def bench(app: str, launch: Callable[..., Browser]) -> Callable[..., Page]:
    def open_page(query: str = "", microphone: Path | None = None) -> Page:
        page = launch(microphone).new_context().new_page()
        page.goto(f"{app}/testbench{query}")
        expect(page.get_by_role("heading", name="Test bench")).to_be_visible(timeout=60_000)
        return page

    return open_page


@pytest.fixture
def packed(tmp_path: Path, beckett: Samples) -> Path:
    """Pack a set of two speakers as a ZIP."""
    half = len(beckett) // 2
    cases = [
        NewCase("all", BECKETT, to_int16(beckett), "en", {"accent": "Irish"}),
        NewCase("some", "Ever tried. Ever failed.", to_int16(beckett[:half]), "en",
                {"accent": "Scots"}),
    ]  # fmt: skip
    return pack(tmp_path / "set.zip", cases)


def pack(path: Path, cases: list[NewCase]) -> Path:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        rows = []
        for case in cases:
            archive.writestr(f"set/{case.name}.flac", to_flac(case.samples))
            rows.append({"file_name": f"{case.name}.flac", "text": case.reference, **case.tags})
        archive.writestr("set/metadata.jsonl", "\n".join(map(json.dumps, rows)))
    path.write_bytes(file.getvalue())
    return path


def choose_set(page: Page, packed: Path) -> Locator:
    """Choose the ZIP and return the button that imports it."""
    add = page.get_by_text("Add recordings")
    add.wait_for(timeout=60_000)
    page.wait_for_timeout(500)
    if not page.get_by_role("tab", name="Import a set").is_visible():
        add.click()
    page.get_by_role("tab", name="Import a set").click()
    page.locator('input[type="file"]').last.set_input_files(packed)
    button = page.get_by_role("button", name="Store them in the test set")
    expect(button).to_be_enabled(timeout=15_000)
    return button


def go(page: Page, section: str) -> None:
    page.get_by_role("radio", name=section, exact=True).click()
    expect(page.get_by_role("radio", name=section, exact=True)).to_be_checked()
    page.wait_for_timeout(1_000)


def test_a_team_goes_from_an_empty_bench_to_the_errors_of_a_model(
    bench: Callable[..., Page], packed: Path, app: str
) -> None:
    page = bench()
    choose_set(page, packed).click()
    expect(page.get_by_text("2 of 2 recordings are in the test set.")).to_be_visible(timeout=30_000)

    choose(page, "Model", "tiny.en")
    page.wait_for_timeout(1_500)
    go(page, "Runs")
    others = page.get_by_role("textbox", name="Other conditions")
    others.fill("white:-10, hum:3")
    others.press("Enter")
    expect(page.get_by_text("hum")).to_be_visible()
    others.fill("white:-10")
    others.press("Enter")
    page.get_by_role("button", name="Start and store the results").click()
    expect(page.get_by_text("Done · 4 of 4 trials")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Results", exact=True).click()

    expect(page.get_by_role("heading", name="Worst results")).to_be_visible(timeout=30_000)
    expect(page.locator('[data-testid="stVegaLiteChart"]').first).to_be_visible()
    expect(page.get_by_text("White noise, -10 dB").first).to_be_visible()
    wait_until(lambda: "section=Results" in page.url and "run=" in page.url, page, 10)
    again = bench("?" + page.url.split("?")[1])
    expect(again.get_by_role("heading", name="Worst results")).to_be_visible(timeout=30_000)
    with again.expect_download() as download:
        again.get_by_role("button", name="Report").click()
    assert "<svg" in Path(download.value.path()).read_text()


def test_a_sentence_is_read_aloud_and_stored(
    bench: Callable[..., Page], speech_files: Path
) -> None:
    page = bench(microphone=speech_files / "beckett.wav")
    add = page.get_by_text("Add recordings")
    if not page.get_by_role("tab", name="Read aloud").is_visible():
        add.click()
    expect(page.get_by_role("heading", name="The choir rehearsed")).to_be_visible()
    page.get_by_role("textbox", name="Accent").first.fill("Manx")
    page.get_by_role("button", name="Record").first.click()
    page.wait_for_timeout(2_500)
    page.get_by_role("button", name="Stop recording").click()
    store = page.get_by_role("button", name="Store in the test set")
    expect(store).to_be_enabled(timeout=15_000)
    store.click()
    expect(page.get_by_role("heading", name="Pour the oil slowly")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("accent: Manx").first).to_be_visible()


def test_words_typed_beside_a_file_stay_with_it(bench: Callable[..., Page], tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.flac" for name in ("one", "two", "three")]
    for file in files:
        file.write_bytes(to_flac(np.zeros(3_200, np.int16)))
    page = bench()

    def upload() -> None:
        tab = page.get_by_role("tab", name="Upload")
        page.get_by_text("Add recordings").wait_for()
        page.wait_for_timeout(500)
        if not tab.is_visible():
            page.get_by_text("Add recordings").click()
        tab.click()

    def text_of(file: Path) -> Locator:
        return page.get_by_role("textbox", name=file.name)

    def dropped(*some: Path) -> None:
        page.get_by_test_id("stFileUploader").nth(0).locator("input").set_input_files(some)

    upload()
    dropped(files[0], files[1])
    text_of(files[0]).fill("The first words.")
    text_of(files[0]).press("Enter")
    text_of(files[1]).fill("The second, being typed")
    dropped(files[2])
    expect(text_of(files[2])).to_be_visible()
    expect(text_of(files[0])).to_have_value("The first words.")
    expect(text_of(files[1])).to_have_value("The second, being typed")

    go(page, "Runs")
    go(page, "Cases")
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("heading", name="Speak and read")).to_be_visible()
    page.get_by_role("link", name="Test bench").click()
    upload()
    page.get_by_role("button", name="Remove").first.click()
    expect(text_of(files[0])).to_have_count(0)
    expect(text_of(files[1])).to_have_value("The second, being typed")
    dropped(files[0])
    expect(text_of(files[0])).to_have_value("")
    page.get_by_role("button", name=f"Remove {files[0].name}").last.click()
    expect(text_of(files[0])).to_have_count(0)
    text_of(files[2]).fill("The third, typed last")
    page.get_by_role("button", name="Store these in the test set").click()
    expect(page.get_by_text("The second, being typed", exact=True)).to_be_visible()
    expect(page.get_by_text("The third, typed last", exact=True)).to_be_visible()


def test_a_wrong_line_is_flagged_and_accepted_into_the_test_set(
    bench: Callable[..., Page], app: str, launch: Callable[..., Browser], speech_files: Path
) -> None:
    upload = UploadPage(launch(None).new_context().new_page(), app)
    upload.open()
    choose(upload.page, "Model", "tiny.en")
    upload.page.wait_for_timeout(2_000)
    upload.drop(speech_files / "beckett.wav")
    upload.wait_for_words()
    upload.page.get_by_role("button", name="Flag or add to test set").click()
    upload.page.get_by_role("radio", name="accent", exact=True).click()
    text = upload.page.get_by_role("textbox", name="What was said")
    text.fill("Ever tried <b>once</b>.")
    text.press("Control+Enter")
    upload.page.get_by_role("button", name="Store the flag").click()
    expect(upload.page.get_by_text("Flag stored.")).to_be_visible(timeout=15_000)

    page = bench("?section=Flags")
    expect(page.get_by_text("Ever tried <b>once</b>.").first).to_be_visible(timeout=15_000)
    expect(page.locator("audio").first).to_be_attached()
    page.get_by_role("button", name="Accept").first.click()
    page.get_by_role("button", name="Store in the test set").click()
    wait_until(lambda: page.get_by_text("Accepted (1)").count() > 0, page, 15)
    go(page, "Cases")
    expect(page.get_by_text("Ever tried <b>once</b>.").first).to_be_visible(timeout=15_000)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_no_section_is_wider_than_the_screen(
    app: str, launch: Callable[..., Browser], width: int, scheme: str
) -> None:
    context = launch(None).new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    for section in ("Cases", "Runs", "Results", "Compare", "Flags"):
        page.goto(f"{app}/testbench?section={section}")
        expect(page.get_by_role("heading", name="Test bench")).to_be_visible(timeout=60_000)
        page.wait_for_timeout(1_500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


_N_IN_SET = 60
_N_STORED = re.compile(rf"(\d+) of {_N_IN_SET}\b")


def test_confirmed_changes_survive_a_killed_app(
    database_url: str,
    launch: Callable[..., Browser],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two browsers import sets while the app is killed ``$N_KILLS`` times."""
    monkeypatch.setenv("ASR_TESTBENCH_URL", database_url)
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(tmp_path / "bench"))
    pages = [launch(None).new_context().new_page() for _ in range(2)]
    rng = np.random.default_rng(int(time.time()))
    confirmed: list[str] = []
    for kill in range(int(os.environ.get("N_KILLS", "1"))):
        sets = [[f"Kill {kill}, page {n}, case {i}" for i in range(_N_IN_SET)] for n in range(2)]
        with served("-m", "streamlit", "run", "streamlit_app.py") as (address, app):
            buttons = []
            for page, texts in zip(pages, sets, strict=True):
                cases = [
                    NewCase(f"{i}", text, rng.integers(-99, 99, 8_000, np.int16), "en", {})
                    for i, text in enumerate(texts)
                ]
                page.goto(f"{address}/testbench")
                buttons.append(choose_set(page, pack(tmp_path / "set.zip", cases)))
            for button in buttons:
                button.click()
            page.wait_for_timeout(float(rng.uniform(200, 2_500)))
            app.kill()
        shown = [_N_STORED.findall(page.inner_text("body")) for page in pages]
        n_shown = [max(map(int, found), default=0) for found in shown]
        print(f"kill {kill}: the pages had confirmed {n_shown} of {_N_IN_SET}")
        confirmed += [text for n, texts in zip(n_shown, sets, strict=True) for text in texts[:n]]

    store = Store(database_url, tmp_path / "bench" / "audio").acting(Actor("", Role.REVIEWER))
    kept = store.cases()
    print(f"{len(confirmed)} confirmed, {len(kept)} kept")
    assert set(confirmed) <= {case.reference for case in kept}
    assert all(len(store.samples(case.id)) == 8_000 for case in kept)
    store.close()
