from __future__ import annotations

import pytest

from asr_core.errors import LimitError
from asr_core.limits import Limits


def test_limits_come_from_the_environment() -> None:
    settings = {"ASR_MAX_SPEAKERS": "3", "ASR_MAX_TAKE_MINUTES": "0.5", "ASR_MAX_FILE_MINUTES": ""}
    assert Limits.read(settings) == Limits(speakers=3, take_s=30.0)
    assert Limits.read({}) == Limits()


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_what_is_no_limit_is_said(text: str) -> None:
    with pytest.raises(LimitError, match="ASR_MAX_SPEAKERS"):
        Limits.read({"ASR_MAX_SPEAKERS": text})
