"""Recording: what one microphone gave from START to STOP, and its session."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.resample import Resampler
from asr_core.engines.base import Engine
from asr_core.rtc.concealment import REPEATED_S, conceal_loss
from asr_core.rtc.gap_detector import GapDetector
from asr_core.streaming.refinement import Refinement
from asr_core.streaming.session import LiveSession

__all__ = ["Recording"]

_N_CONCEALMENT_SAMPLES = round(REPEATED_S * SAMPLE_RATE_HZ)

_MERGE_GAPS_S = 2.0  # gaps closer than that are reported as one

_MAX_GAPS = 500
"""Gaps reported one by one: a sender that makes more must not fill the memory with them."""


@dataclass
class Recording:
    """Live session with its number, its start and the audio lost on the way.

    ``append_frame``, ``resume`` and ``finish`` may be called by several threads: a clock ends a
    recording while its audio still comes, and the resampler is not thread-safe.
    """

    number: int
    session: LiveSession
    engine: Engine
    started: datetime
    ends_at: float | None = None  # on the clock of ``time.monotonic``
    refinement: Refinement | None = None
    """Once the recording has ended, if the user asked for it."""
    resampler: Resampler = field(default_factory=Resampler)
    gaps: GapDetector = field(default_factory=GapDetector)
    last_samples: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """The last packet's worth of samples, from which a loss is concealed."""
    lost: tuple[tuple[float, float], ...] = ()
    """Lost audio: (position, duration) of each gap, seconds."""
    too_fast_s: float = 0.0
    """Seconds of audio that the sender claims to have sent beyond what time allows."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def append_frame(self, frame: av.AudioFrame, now: float) -> None:
        """Append ``frame``, which came at ``now``, after a concealment of what was lost before."""
        with self._lock:
            rejected_s = self.gaps.rejected_s
            self._conceal(self.gaps.gap_before(frame, now))
            self.too_fast_s += self.gaps.rejected_s - rejected_s
            self._append(self.resampler.push(frame))

    def resume(self, missed_s: float) -> None:
        """Go on with another connection, ``missed_s`` seconds after the end of the last."""
        with self._lock:
            self._append(self.resampler.flush())
            self.resampler, self.gaps = Resampler(), GapDetector()
            self._conceal(missed_s)

    def finish(self) -> None:
        """End the audio; the session transcribes what is left."""
        with self._lock:
            if not self.is_over_limit:
                self._append(self.resampler.flush())
            self.session.finish()

    def _append(self, samples: NDArray[np.float32]) -> None:
        self.session.append(samples)
        self.last_samples = np.concatenate([self.last_samples, samples])[-_N_CONCEALMENT_SAMPLES:]

    def _conceal(self, lost_s: float) -> None:
        if lost_s:
            self.lost = _with_gap(self.lost, self.session.snapshot.audio_s, lost_s)
            n_lost = round(lost_s * SAMPLE_RATE_HZ)
            self.session.append(conceal_loss(self.last_samples, n_lost, SAMPLE_RATE_HZ))

    @property
    def is_refining(self) -> bool:
        """True until the refined transcript is there, or will not come."""
        return self.refinement is not None and not self.refinement.is_over

    def discard(self) -> None:
        """Free the kept audio and stop the refinement."""
        if self.refinement is not None:
            self.refinement.cancel()
        self.session.discard_audio()

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the time limit, on the wall clock; None without a limit."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())

    @property
    def is_over_limit(self) -> bool:
        """True once the time limit is reached."""
        return self.remaining_s == 0


def _with_gap(
    lost: tuple[tuple[float, float], ...], at_s: float, lost_s: float
) -> tuple[tuple[float, float], ...]:
    """Return ``lost`` with one more gap; close gaps, and those beyond the limit, are merged."""
    if lost and (at_s - sum(lost[-1]) < _MERGE_GAPS_S or len(lost) >= _MAX_GAPS):
        first_s = lost[-1][0]
        return (*lost[:-1], (first_s, lost[-1][1] + lost_s))
    return (*lost, (at_s, lost_s))
