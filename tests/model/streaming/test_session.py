"""One session on real speech with a real engine and a simulated clock."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.full_context.chunks import speech_chunks
from asr_core.streaming import LiveOptions, LiveSession, Phase, Scheduler, Snapshot
from asr_core.streaming.config import STREAMING_DEFAULTS
from asr_core.streaming.replay import replay
from asr_core.transcript import Word
from tests.support.engines import CountingEngine, FailingEngine
from tests.support.texts import BECKETT, TWO_CITIES, word_error_rate


@pytest.fixture(scope="module")
def history(two_cities: np.ndarray, tiny_engine: Engine) -> list[Snapshot]:
    """Every snapshot of two_cities with the real engine."""
    session = LiveSession()
    return [*replay([two_cities], session, tiny_engine, speed=None), session.snapshot]


def test_the_words_are_right(history: list[Snapshot]) -> None:
    assert word_error_rate(TWO_CITIES, history[-1].transcript().text) < 0.1
    assert history[-1].phase is Phase.DONE
    assert history[-1].language == "en"


def test_a_committed_word_is_never_rewritten(history: list[Snapshot]) -> None:
    for before, after in pairwise(history):
        assert after.committed_words[: len(before.committed_words)] == before.committed_words


def test_words_appear_while_the_audio_plays(history: list[Snapshot]) -> None:
    first = next(s for s in history if s.committed_words)
    assert first.audio_s < 5
    halfway = next(s for s in history if s.audio_s > 22)
    assert len(halfway.committed_words) > 30


def test_times_are_in_order_and_inside_the_audio(history: list[Snapshot]) -> None:
    words = history[-1].committed_words
    assert all(0 <= w.start <= w.end <= history[-1].audio_s for w in words)
    assert all(a.start <= b.start for a, b in pairwise(words))
    starts = [segment.start for segment in history[-1].segments]
    assert len(starts) >= 3
    assert starts == sorted(starts)


def test_the_lag_is_small_on_a_simulated_clock(history: list[Snapshot]) -> None:
    assert max(snapshot.lag_s for snapshot in history) < 2.0
    assert history[-1].lag_s == 0


@pytest.mark.parametrize("level", [0.0, 0.003])
def test_silence_gives_no_words(tiny_engine: Engine, level: float) -> None:
    noise = np.random.default_rng(0).normal(0, 1, 160_000).astype(np.float32) * level
    session = LiveSession()
    for snapshot in replay([noise], session, tiny_engine, speed=None):
        assert not snapshot.committed_words and not snapshot.tentative
    assert session.snapshot.transcribed_s == pytest.approx(10)


def test_every_sample_of_speech_reaches_the_model(two_cities: np.ndarray) -> None:
    """All detected speech is in the windows."""
    counting = CountingEngine()
    session = LiveSession()
    marked = two_cities + 0.0
    list(replay([marked], session, counting, speed=None))
    seen = np.zeros(len(marked), bool)
    for batch in counting.batches:
        for window in batch:
            at = _find(marked, window.samples)
            seen[at : at + len(window.samples)] = True
    for spoken in speech_chunks([marked]):
        start = round(spoken.start_s * 16_000)
        assert seen[start + 4_800 : start + len(spoken.samples) - 24_000].mean() > 0.85
    assert session.snapshot.transcribed_s == session.snapshot.audio_s


def _find(audio: np.ndarray, part: np.ndarray) -> int:
    """Return where ``part`` starts in ``audio``, by a piece of it that occurs once."""
    middle = len(part) // 2
    key = part[middle : middle + 64]
    hits = np.flatnonzero(audio == key[0])
    return int(next(h for h in hits if np.array_equal(audio[h : h + 64], key)) - middle)


def test_windows_and_memory_are_bounded_in_a_long_session(
    two_cities: np.ndarray,
) -> None:
    counting = CountingEngine()
    session = LiveSession()
    speech = two_cities[3 * 16_000 : 9 * 16_000]
    for snapshot in replay([np.tile(speech, 30)], session, counting, speed=None):
        assert snapshot.lag_s < 3
    longest = max(len(window.samples) for batch in counting.batches for window in batch)
    assert longest <= STREAMING_DEFAULTS.max_window_s * 16_000
    assert session._buffer._data.nbytes < 8e6  # private: the fake engine keeps all windows


def _with_a_pause(samples: np.ndarray, at_s: float, pause_s: float, end_s: float) -> np.ndarray:
    """Return four seconds up to ``at_s``, a pause, and the audio from there to ``end_s``."""
    start, at, end = (int(s * 16_000) for s in (at_s - 4, at_s, end_s))
    pause, after = np.zeros(int(pause_s * 16_000), np.float32), np.zeros(16_000, np.float32)
    return np.concatenate([samples[start:at], pause, samples[at:end], after])


def _last_line(audio: np.ndarray, engine: Engine) -> str:
    session = LiveSession()
    list(replay([audio], session, engine, speed=None))
    return session.snapshot.segments[-1].text


def test_a_few_words_after_a_pause_are_decoded_with_those_before_it(
    two_cities: np.ndarray, tiny_engine: Engine
) -> None:
    """Decoded alone, tiny.en skips the first of them."""
    audio = _with_a_pause(two_cities, 19.15, 1.2, 19.8)
    assert _last_line(audio, tiny_engine) == "It was the winter."


def test_words_skipped_after_a_pause_are_decoded_again_alone(
    two_cities: np.ndarray, tiny_engine: Engine
) -> None:
    """However long the pause was."""
    for pause_s in (2.3, 8.0):
        audio = _with_a_pause(two_cities, 33.22, pause_s, 34.7)
        assert "noisiest authorities" in _last_line(audio, tiny_engine)


class _Inventing:
    """A fake for the fault: an engine that skips speech and hallucinates words for it alone.

    It transcribes the first sentence, and gives the hallucinated words a low probability.
    """

    n_parallel = batch_size = 1

    def __init__(self, session: LiveSession) -> None:
        self.session = session

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        utterance = self.session._utterance  # private: tells which pass this is
        if utterance is not None and utterance.dropped_context:
            return [self._hypothesis((Word(" Go!", 0.0, 0.9, 0.2),), -1.7)]
        known = (Word(" Known.", 0.0, 1.5, 0.9),) * (not windows[0].prefix)
        return [self._hypothesis(known, -0.1)]

    @staticmethod
    def _hypothesis(words: tuple[Word, ...], logprob: float) -> Hypothesis:
        return Hypothesis(words, ((1,),) * len(words), "en", 1.0, 0.1, logprob, 1.0)


def test_skipped_words_of_low_probability_are_not_written(two_cities: np.ndarray) -> None:
    session = LiveSession()
    audio = _with_a_pause(two_cities, 19.15, 1.2, 20.4)
    list(replay([audio], session, _Inventing(session), speed=None))  # type: ignore[arg-type]
    assert session.snapshot.transcript().text == "Known."


@pytest.mark.parametrize(("mark", "n_lines"), [("", 0), (".", 1)])
def test_a_finished_sentence_ends_sooner_than_a_hesitation(
    two_cities: np.ndarray, mark: str, n_lines: int
) -> None:
    pause = np.zeros(int(1.5 * 16_000), np.float32)
    session, scheduler = LiveSession(), Scheduler(CountingEngine(mark=mark), start=False)
    scheduler.add(session)
    audio = np.concatenate([two_cities[3 * 16_000 : 22 * 3_200], pause])
    for at in range(0, len(audio), 1_600):
        session.append(audio[at : at + 1_600])
        scheduler.step(at / 16_000)
    assert len(session.snapshot.segments) == n_lines


def test_silence_is_not_decoded_again_and_adds_no_lag(two_cities: np.ndarray) -> None:
    counting = CountingEngine()
    session, scheduler = LiveSession(), Scheduler(counting, start=False)
    scheduler.add(session)
    audio = np.concatenate([two_cities[3 * 16_000 : 6 * 16_000], np.zeros(30_000, np.float32)])
    n_batches = []
    for at in range(0, len(audio), 1_600):
        session.append(audio[at : at + 1_600])
        scheduler.step(at / 16_000)
        n_batches.append(len(counting.batches))
    assert session.snapshot.segments == ()  # it may be a hesitation
    assert n_batches[-1] == n_batches[-7]  # no call in the last 0.6 s of silence
    assert session.snapshot.lag_s < 0.7


def test_speech_cut_off_by_stop_is_transcribed(beckett: np.ndarray, tiny_engine: Engine) -> None:
    session = LiveSession()
    list(replay([beckett[: 6 * 16_000]], session, tiny_engine, speed=None))
    assert session.is_done
    text = session.snapshot.transcript().text.lower()
    assert "matter" in text
    reference = " ".join(BECKETT.split()[:6])
    assert word_error_rate(reference, text) <= 0.34


def test_a_session_is_finishing_before_the_model_is_done() -> None:
    session = LiveSession(LiveOptions(language="en"))
    session.append(np.zeros(1_600, np.float32))
    assert session.snapshot.phase is Phase.LISTENING
    session.finish()
    assert session.snapshot.phase is Phase.FINISHING
    assert not session.is_done


def test_no_audio_is_accepted_after_finish(beckett: np.ndarray) -> None:
    session = LiveSession()
    session.finish()
    session.append(beckett)
    assert session.snapshot.audio_s == 0


def test_invalid_samples_do_no_harm(tiny_engine: Engine, beckett: np.ndarray) -> None:
    bad = beckett.copy()
    bad[:1_000] = np.nan
    bad[1_000:1_100] = np.inf
    session = LiveSession()
    list(replay([bad * 1.0], session, tiny_engine, speed=None))
    assert word_error_rate(BECKETT, session.snapshot.transcript().text) < 0.35
    assert np.isfinite(session.snapshot.level_dbfs)


def test_audio_is_kept_only_on_request(beckett: np.ndarray, tiny_engine: Engine) -> None:
    without, kept = LiveSession(), LiveSession(LiveOptions(keep_audio=True))
    for session in (without, kept):
        for at in range(0, len(beckett), 320):
            session.append(beckett[at : at + 320])
    assert len(without.kept_audio()) == 0
    assert np.abs(kept.kept_audio() / 32767 - beckett).max() < 1e-3


def test_a_failing_model_is_reported_and_the_session_goes_on(
    two_cities: np.ndarray, tiny_engine: Engine
) -> None:
    calls = 0

    def fails(windows: object) -> bool:
        nonlocal calls
        calls += 1
        return 10 < calls < 30

    session = LiveSession()
    errors = []
    half = two_cities[: 22 * 16_000]
    for snapshot in replay([half], session, FailingEngine(tiny_engine, fails), speed=None):
        errors.append(snapshot.error)
    assert any(error and "failed" in error for error in errors)
    assert session.snapshot.error is None
    assert session.is_done
    assert "spring of hope" in session.snapshot.transcript().text


def test_a_dead_microphone_is_distinguished_from_a_pause(beckett: np.ndarray) -> None:
    session = LiveSession()
    session.append(beckett)
    assert session.snapshot.silent_s < 1
    session.append(np.zeros(5 * 16_000, np.float32))
    assert session.snapshot.silent_s == pytest.approx(5, abs=0.5)


def test_a_repeated_sentence_is_written_again(two_cities: np.ndarray, tiny_engine: Engine) -> None:
    session = LiveSession(LiveOptions(language="en"))
    list(replay([np.tile(two_cities[: 8 * 16_000], 2)], session, tiny_engine, speed=None))
    assert session.snapshot.transcript().text.lower().count("best of times") == 2


def test_terms_are_favoured_while_somebody_speaks(
    two_cities: np.ndarray, tiny_engine: Engine
) -> None:
    texts = []
    for terms in ((), ("epock", "Featherstone")):
        session = LiveSession(LiveOptions(language="en", terms=terms))
        list(replay([two_cities[: 16 * 16_000]], session, tiny_engine, speed=None))
        texts.append(session.snapshot.transcript().text)
    plain, biased = texts
    assert plain.count("epoch") == biased.count("epock") == 2
    assert "epoch" not in biased
    assert "Featherstone" not in biased
