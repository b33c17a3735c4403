from __future__ import annotations

import sys

import psutil
import pytest

from asr_core.memory import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone keeps and gives back")
def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [bytes(1000) for _ in range(100_000)]
    last = blocks.pop()  # above all others: without it they would go back by themselves
    del blocks
    before = psutil.Process().memory_info().rss
    give_back()
    assert before - psutil.Process().memory_info().rss > 50e6
    del last
