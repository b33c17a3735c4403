"""What other packages carry and nobody promises is where it is looked for."""

from __future__ import annotations

from asr_core.workarounds.ffmpeg_limits import limit_memory
from asr_core.workarounds.silero_file import silero_vad_file


def test_the_voice_detector_is_in_the_package() -> None:
    path = silero_vad_file()
    assert path is not None and path.stat().st_size > 1_000_000


def test_the_ffmpeg_in_the_package_can_be_limited() -> None:
    assert limit_memory()
