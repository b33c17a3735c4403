"""Visits leak nothing. ``python -m benchmarks.visits`` makes thousands of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright

from benchmarks.visits import measure
from tests.browser.conftest import chromium
from tests.raw.cuts import CUTS, Where
from tests.raw.serving import serving

# A visit to the live page once leaked three descriptors: at this limit sixty such visits
# and the app's own descriptors would be too many.
DESCRIPTORS = 256
KEPT_MINUTES = 0.1
SETTLE_S = 30.0  # longer than pools keep an idle thread


@pytest.mark.timeout(600)
def test_visits_cuts_and_recordings_leave_no_descriptor_and_no_thread(
    tmp_path: Path, run: Callable[..., Any], base: Path, tiny_en: Path, speech_files: Path,
    playwright: Playwright,
) -> None:  # fmt: skip
    environment = {"ASR_MAX_SPEAKERS": "1", "ASR_KEEP_MINUTES": str(KEPT_MINUTES)}
    counts = {"visits": 60, "browser visits": 3, "cuts": len(CUTS), "recordings": 2}
    with serving(tmp_path, environment, DESCRIPTORS) as server:
        report = run(
            measure(
                server, Where(server.address), counts, settle_s=SETTLE_S,
                kept_s=60 * KEPT_MINUTES, executable=chromium(playwright), seconds=120,
                settle_between=False,
            )
        )  # fmt: skip
    assert report.faults(memory_mb=150) == [], report.rows
