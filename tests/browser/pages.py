"""The pages as a user operates them."""

from __future__ import annotations

import math
import time
import wave
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Error, Locator, Page


def choose(page: Page, label: str, option: str) -> None:
    """Choose ``option`` in the select box labelled ``label``."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option, exact=True).click()


def wait_until(condition: Callable[[], object], page: Page, seconds: float) -> None:
    """Wait until ``condition`` holds, while the page's events are handled."""
    deadline = time.monotonic() + seconds
    while not condition():
        in_time = time.monotonic() < deadline
        assert in_time, f"waited in vain; the page shows {_shown(page)}"
        page.wait_for_timeout(200)


def _shown(page: Page) -> list[str]:
    """Return the visible text, also of components."""
    return [*page.locator("body").all_inner_texts(), *page.get_by_role("log").all_inner_texts()]


def go_to(page: Page, address: str, heading: str) -> None:
    """Open the page and wait for its heading; reload once if it does not appear.

    A user would do so too: one load in some hundred stops halfway when two cores serve
    everything.
    """
    page.goto(address)
    title = page.get_by_role("heading", name=heading)
    try:
        title.wait_for(timeout=40_000)
    except Error:
        print(f"{address} did not come: {page.inner_text('body')!r}")
        page.reload()
        title.wait_for(timeout=60_000)


class LivePage:
    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address

    def open(self, model: str) -> None:
        go_to(self.page, self.address, "Speak and read")
        if model != "base":
            choose(self.page, "Model", model)
        self.button("START").wait_for(timeout=60_000)

    def leave_live_text(self) -> None:
        """Turn refinement off."""
        self.page.get_by_text("Refine after STOP").click()

    def reload(self) -> None:
        """Reload the page and wait until it is drawn."""
        self.page.reload()
        self.button("START").wait_for(timeout=60_000)
        self.page.wait_for_timeout(1_000)

    def kept_words(self) -> Locator:
        """Return what the tab kept of earlier recordings."""
        return self.page.get_by_role("region", name="Kept words")

    def button(self, name: str) -> Locator:
        frame = self.page.frame_locator('iframe[title*="webrtc"]')
        return frame.get_by_role("button", name=name, exact=True)

    def start(self) -> None:
        self.button("START").click()

    def stop(self) -> None:
        self.button("STOP").click()

    def views(self) -> Locator:
        return self.page.get_by_role("log", name="Transcript")

    def view(self, number: int = -1) -> Locator:
        return self.views().nth(number)

    def status(self) -> str:
        shown = self.page.get_by_role("status").filter(has_text="Listening")
        return shown.first.inner_text() if shown.count() else ""

    def committed(self, number: int = -1) -> str:
        """Return the final words of a recording, as the page shows them."""
        if number == -1 and not self.views().count():
            return ""
        # In one call of the page: a finished line moves from one element to the other, and
        # ``all_inner_texts`` finds elements in one step and reads them in the next.
        shown = self.view(number).evaluate(
            """view => [...view.querySelectorAll(".lines .line span, .committed")]
                .map(element => element.innerText)"""
        )
        return " ".join(" ".join(shown).split())

    def tentative(self) -> str:
        return " ".join(self.view().locator(".tentative").all_inner_texts())

    def wait_for_end_of_recording(self, seconds: float = 60) -> None:
        buttons = self.page.get_by_role("button", name="SRT")
        wait_until(
            lambda: buttons.count() > 0 and self.button("START").is_visible(), self.page, seconds
        )


class UploadPage:
    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address

    def open(self) -> None:
        go_to(self.page, f"{self.address}/upload", "Upload and read")

    def drop(self, *files: Path) -> None:
        self.page.locator('input[type="file"]').set_input_files(list(files))

    def wait_for_words(self, seconds: float = 60) -> None:
        """Wait for the buttons, drawn by the script, and the words, drawn by the component."""
        buttons = self.page.get_by_role("button", name="VTT")
        wait_until(lambda: buttons.count() and self.text(), self.page, seconds)

    def words(self) -> Locator:
        return self.page.locator(".words span")

    def starts(self) -> list[str]:
        """Return the start of each word, in seconds."""
        return list(self.words().evaluate_all("all => all.map(span => span.dataset.start)"))

    def text(self) -> str:
        lines = self.page.locator(".words").evaluate_all("all => all.map(line => line.textContent)")
        return " ".join(" ".join(lines).split())

    def player(self) -> Locator:
        return self.page.locator('[class*="st-key-player"] :is(audio, video)').first

    def position(self) -> float:
        """Return the player's position, in seconds."""
        return float(self.player().evaluate("it => it.currentTime"))

    def saved(self, name: str) -> str:
        """Download the file labelled ``name`` and return its text."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=name, exact=True).first.click()
        return Path(download.value.path()).read_text(encoding="utf-8")


def spoken_late(recording: Path, folder: Path, seconds: float = math.inf) -> Path:
    """Write the first seconds of a recording after silence, during which a busy machine connects."""
    late = folder / recording.name
    with wave.open(str(recording)) as source, wave.open(str(late), "wb") as copy:
        copy.setparams(source.getparams())
        copy.writeframes(bytes(6 * source.getframerate() * source.getsampwidth()))
        n_frames = min(source.getnframes(), seconds * source.getframerate())
        copy.writeframes(source.readframes(int(n_frames)))
    return late
