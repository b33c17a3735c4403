"""A few cases of :mod:`tests.raw.fuzz`, which can run for hours by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.raw.cuts import Where
from tests.raw.fuzz import CASES, fuzz
from tests.raw.serving import serving

SEED = 1


@pytest.mark.timeout(400)
def test_hostile_input_shows_no_traceback_and_the_app_goes_on(
    tmp_path: Path, run: Callable[..., Any], base: Path, tiny_en: Path, speech_files: Path
) -> None:
    with serving(tmp_path) as server:
        where = Where(server.address)
        findings = run(fuzz(where, server.process, SEED, 120, at_once=3, most=len(CASES)))
    assert not findings.wrong, findings.wrong
    assert findings.waits_s["health"]
    assert findings.waits_s["a click"]
