"""Level of the incoming audio, and for how long there was no sound."""

from __future__ import annotations

import math

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.streaming.config import STREAMING_DEFAULTS, StreamingConfig

__all__ = ["LevelMeter"]


class LevelMeter:
    """Meter that rises at once and falls slowly. One thread pushes, any thread reads."""

    def __init__(self, config: StreamingConfig = STREAMING_DEFAULTS) -> None:
        self._config = config
        self.level_dbfs = config.level_floor_dbfs
        """Level now, falling slowly after a loud moment."""
        self.last_sound_s = 0.0
        """End of the last block above ``sound_threshold_dbfs``, in seconds of audio."""

    def push(self, energy: float, n_samples: int, end: int) -> None:
        """Add a block of audio.

        Args:
            energy: sum of the squares of its samples.
            n_samples: how many there are, at least 1.
            end: the sample after its last one, counted from the start of the session.
        """
        config, power = self._config, energy / n_samples
        level_dbfs = config.level_floor_dbfs
        if power > 0:
            level_dbfs = max(level_dbfs, 10 * math.log10(power))
        fall_db = config.level_fall_db_per_s * n_samples / SAMPLE_RATE_HZ
        self.level_dbfs = max(level_dbfs, self.level_dbfs - fall_db)
        if level_dbfs > config.sound_threshold_dbfs:
            self.last_sound_s = end / SAMPLE_RATE_HZ
