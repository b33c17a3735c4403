from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import numpy as np
import pytest

from asr_core.engines.base import Engine
from asr_core.live import LiveOptions, Scheduler, Takes
from asr_core.logs import log_as_json
from tests.live.test_takes import frames


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged; afterwards logging is as it was."""
    logger = logging.getLogger("asr_core")
    before = logger.handlers, logger.propagate, logger.level
    stream = io.StringIO()
    log_as_json(stream)
    yield stream
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


def test_a_take_is_told_in_figures_and_not_in_words(
    tiny_engine: Engine, beckett: np.ndarray, lines: io.StringIO
) -> None:
    takes = Takes()
    takes.prepare(Scheduler(tiny_engine), LiveOptions())
    for frame in frames(beckett):
        takes.on_frame(frame)
    takes.on_ended()
    assert takes.all[0].session.wait(60)
    began, ended = map(json.loads, lines.getvalue().splitlines())
    assert (began["message"], ended["message"]) == ("take began", "take ended")
    assert {"time", "level", "where", "seconds", "lag_s", "lost_s"} <= set(ended)
    assert ended["seconds"] == pytest.approx(len(beckett) / 16_000, abs=0.1)
    assert "fail" not in lines.getvalue().lower()
