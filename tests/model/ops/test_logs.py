from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import numpy as np
import pytest

from asr_core.engines.base import Engine
from asr_core.ops.logs import log_as_json
from asr_core.streaming import LiveOptions, RecordingController, Scheduler
from tests.support.recordings import webrtc_frames


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Lines logged; logging is restored afterwards."""
    logger = logging.getLogger("asr_core")
    before = logger.handlers, logger.propagate, logger.level
    stream = io.StringIO()
    log_as_json(stream)
    yield stream
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


def test_a_recording_is_logged_in_numbers_without_its_words(
    tiny_engine: Engine, beckett: np.ndarray, lines: io.StringIO
) -> None:
    controller = RecordingController()
    controller.prepare(Scheduler(tiny_engine), LiveOptions())
    for frame in webrtc_frames(beckett):
        controller.on_frame(frame)
    controller.on_ended()
    assert controller.all[0].session.wait(60)
    began, ended = map(json.loads, lines.getvalue().splitlines())
    assert (began["message"], ended["message"]) == ("recording started", "recording ended")
    assert {"time", "level", "where", "seconds", "lag_s", "lost_s"} <= set(ended)
    assert ended["seconds"] == pytest.approx(len(beckett) / 16_000, abs=0.1)
    assert "fail" not in lines.getvalue().lower()
