from __future__ import annotations

import pytest

from asr_core.errors import LimitError
from asr_core.ops.limits import UsageLimits


def test_limits_come_from_the_environment() -> None:
    settings = {"ASR_MAX_SPEAKERS": "3", "ASR_MAX_TAKE_MINUTES": "0.5", "ASR_MAX_FILE_MINUTES": ""}
    assert UsageLimits.read(settings) == UsageLimits(max_speakers=3, max_recording_s=30.0)
    assert UsageLimits.read({}) == UsageLimits()


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_an_invalid_limit_is_reported(text: str) -> None:
    with pytest.raises(LimitError, match="ASR_MAX_SPEAKERS"):
        UsageLimits.read({"ASR_MAX_SPEAKERS": text})
