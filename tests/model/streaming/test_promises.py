"""Promises that hold for any blocks of audio and any delay of the model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_core.audio.vad import FRAME_SAMPLES, SileroVad, SpeechSegmenter
from asr_core.engines.base import Hypothesis, Window
from asr_core.errors import EngineError
from asr_core.streaming import LiveSession, Scheduler, Snapshot
from tests.support.engines import CountingEngine

SPEECH_S = slice(3, 27)  # of two_cities.wav: three pauses, one of them long


class Stumbling(CountingEngine):
    """A fake engine that fails at every n-th call, so that some retries fail too."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every, self.n_calls = every, 0

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        self.n_calls += 1
        if self.every and self.n_calls % self.every == 0:
            raise EngineError("The model failed on purpose.")
        return super().transcribe(windows)


def run(
    speech: np.ndarray, pieces: Sequence[int], delays_s: Sequence[float], engine: CountingEngine
) -> list[Snapshot]:
    """Run a whole session; the model is late by each of ``delays_s`` in turn."""
    scheduler, session = Scheduler(engine, start=False), LiveSession()
    scheduler.add(session)
    snapshots, at, busy_until_s = [], 0, 0.0
    for number in range(10**6):
        piece = speech[at : at + pieces[number % len(pieces)]]
        if not len(piece):
            break
        session.append(piece)
        at += len(piece)
        if at / 16_000 >= busy_until_s:
            scheduler.step(at / 16_000)
            busy_until_s = at / 16_000 + delays_s[number % len(delays_s)]
        snapshots.append(session.snapshot)
        assert len(scheduler._claimed) == 0  # private: nothing public tells what is being served
    session.finish()
    for number in range(1000):
        scheduler.step(1e4 + number)
        snapshots.append(session.snapshot)
        if session.is_done:
            return snapshots
    raise AssertionError("the session does not end")


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(200, 30_000), min_size=1, max_size=5),
    st.lists(st.floats(0, 30), min_size=1, max_size=4),
    st.sampled_from([0, 0, 2, 3, 5]),
)
def test_no_sample_is_lost_and_no_final_word_changes(
    two_cities: np.ndarray, pieces: list[int], delays_s: list[float], fails_every: int
) -> None:
    speech = two_cities[SPEECH_S.start * 16_000 : SPEECH_S.stop * 16_000]
    engine = Stumbling(fails_every)
    snapshots = run(speech, pieces, delays_s, engine)
    for before, after in pairwise(snapshots):
        n = len(before.committed_words)
        assert after.committed_words[:n] == before.committed_words
        assert after.transcribed_s >= before.transcribed_s
    assert snapshots[-1].lag_s == 0
    if not fails_every:
        assert spoken_samples(speech) <= seen_samples(speech, engine)
    assert max(len(w.samples) for batch in engine.batches for w in batch) <= 20 * 16_000


def spoken_samples(speech: np.ndarray) -> set[int]:
    """Return the samples of speech that belong to a span."""
    probabilities = SileroVad().push(speech)
    segmenter = SpeechSegmenter()
    spans = segmenter.push(probabilities) + segmenter.finish(len(speech))
    inside = {f for s in spans for f in range(s.start // FRAME_SAMPLES, (s.end or 0) // 512)}
    return {int(f) for f in np.flatnonzero(probabilities >= 0.5)} & inside


def seen_samples(speech: np.ndarray, engine: CountingEngine) -> set[int]:
    """Return the samples that were in a window of the model."""
    whole = speech.astype(np.float32).tobytes()
    seen: set[int] = set()
    for window in (window for batch in engine.batches for window in batch):
        start = whole.index(window.samples.tobytes()) // 4
        first, last = -(-start // FRAME_SAMPLES), (start + len(window.samples)) // FRAME_SAMPLES
        seen.update(range(first, last))
    return seen
