"""The app works where a host runs the script itself; then the script checks access."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import served
from tests.browser.pages import LivePage, wait_until


def test_an_invited_guest_records_and_uploads(
    launch: Callable[..., Browser],
    speech_files: Path,
    base: Path,
    tiny_en: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASR_INVITE", "north-wind")
    with served("-m", "tests.browser.ungated_app") as (address, _):
        context = launch(speech_files / "two_cities.wav").new_context()
        outside = context.new_page()
        outside.goto(f"{address}/?invite=south-wind")
        expect(outside.get_by_text("for invited people")).to_be_visible(timeout=60_000)
        page = context.new_page()
        page.goto(f"{address}/?invite=north-wind")
        live = LivePage(page, address)
        expect(page.get_by_role("heading", name="Recognition")).to_be_visible(timeout=60_000)
        expect(page).not_to_have_url("**north-wind**")
        live.button("START").wait_for(timeout=60_000)
        live.start()
        wait_until(live.committed, page, 60)
        live.stop()
        live.wait_for_end_of_recording()
        page.get_by_role("link", name="Upload").click()
        page.locator('input[type="file"]').set_input_files(speech_files / "beckett.wav")
        expect(page.get_by_role("button", name="SRT")).to_be_visible(timeout=60_000)
        player = page.locator("audio").first
        wait_until(lambda: player.evaluate("node => node.duration > 9"), page, 20)
