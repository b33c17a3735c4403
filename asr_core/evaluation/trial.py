"""Trial: one case under one condition, transcribed by one system."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.pcm import to_float32, to_int16
from asr_core.decoding.fallback import FINAL_BEAM_SIZE
from asr_core.engines import Engine
from asr_core.engines.base import EngineName
from asr_core.errors import ConditionError
from asr_core.evaluation.conditions import Condition
from asr_core.evaluation.metrics import Score, score
from asr_core.full_context import FileOptions, transcribe
from asr_core.streaming import LiveOptions, LiveSession
from asr_core.streaming.replay import replay
from asr_core.text.terms import parse_terms
from asr_core.transcript import Word, join_words

__all__ = ["MODES", "Mode", "SystemConfig", "Trial", "TrialResult", "run_trial"]

Mode = Literal["full context", "streaming"]
MODES: tuple[Mode, ...] = get_args(Mode)

Samples = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class SystemConfig:
    """System under test: a model and how it is run.

    Attributes:
        model: catalogue name, hub id or directory.
        engine: ``auto``, ``onnx``, ``ctranslate2`` or ``transformers``.
        mode: ``full context`` or ``streaming``.
        detects_language: detect the language instead of using that of the case.
        prompt: text that might have come before; full context only.
        beam_size: of full context; 1 is greedy.
        terms: names and terms that become likelier, as a list with commas.

    Raises:
        ConditionError: there is no such mode.
    """

    model: str
    engine: EngineName | Literal["auto"] = "auto"
    mode: Mode = "full context"
    detects_language: bool = False
    prompt: str = ""
    beam_size: int = FINAL_BEAM_SIZE
    terms: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConditionError(f"There is no mode {self.mode!r}; choose {' or '.join(MODES)}.")

    @property
    def title(self) -> str:
        """Model and every setting that differs from its default, for display."""
        parts = [self.model]
        parts += [self.engine] if self.engine != "auto" else []
        parts += ["streaming"] if self.mode == "streaming" else []
        parts += ["language detected"] if self.detects_language else []
        parts += ["with a prompt"] if self.prompt else []
        parts += ["with terms"] if self.terms else []
        parts += [f"beam {self.beam_size}"] if self.beam_size != FINAL_BEAM_SIZE else []
        return " · ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, as JSON reports and the store keep them."""
        return asdict(self)


@dataclass(frozen=True)
class TrialResult:
    """Hypothesis of a trial and what it cost.

    Attributes:
        words: empty if the trial failed.
        language: code, as given or detected.
        audio_s: duration of the audio.
        processing_s: processing time.
        latencies: streaming only: for each word, the seconds of audio between its end and
            its becoming final. The clock is simulated, so the machine does not matter.
        error: a sentence, if the trial failed.
    """

    words: tuple[Word, ...] = ()
    language: str | None = None
    audio_s: float = 0.0
    processing_s: float = 0.0
    latencies: tuple[float, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Trial:
    """Case × condition × system with its result.

    Attributes:
        name: of the case.
        reference: of the case when the trial was run.
        language: code of the reference.
        tags: of the case, such as speaker and accent.
    """

    case_id: str
    name: str
    reference: str
    language: str
    condition: Condition
    system: SystemConfig
    result: TrialResult
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Hypothesis as running text."""
        return join_words(self.result.words)

    @property
    def score(self) -> Score:
        """Errors of the hypothesis (cached)."""
        return _cached_score(self.reference, self.text, self.language)


_cached_score = functools.lru_cache(maxsize=20_000)(score)


def run_trial(samples: Samples, language: str, system: SystemConfig, engine: Engine) -> TrialResult:
    """Transcribe one recording in the caller's thread.

    Args:
        samples: (n_samples,) float32, mono 16 kHz.
        language: code of the case's language.
        system: mode and options.
        engine: of the system's model.

    Raises:
        EngineError: the model failed.
    """
    code = None if system.detects_language else language
    audio_s = len(samples) / SAMPLE_RATE_HZ
    started = time.perf_counter()
    if system.mode == "streaming":
        words, found, latencies = _run_streaming(samples, code, system, engine)
    else:
        words, found, latencies = *_run_full_context(samples, code, system, engine), ()
    return TrialResult(words, found, audio_s, time.perf_counter() - started, latencies)


def _run_full_context(
    samples: Samples, language: str | None, system: SystemConfig, engine: Engine
) -> tuple[tuple[Word, ...], str | None]:
    options = FileOptions(
        language,
        prompt=system.prompt,
        terms=parse_terms(system.terms),
        beam_size=system.beam_size,
    )
    # Rounded to 16 bits, as a stored file would be.
    transcript = transcribe(to_float32(to_int16(samples)), engine, options)
    return transcript.words, transcript.language


def _run_streaming(
    samples: Samples, language: str | None, system: SystemConfig, engine: Engine
) -> tuple[tuple[Word, ...], str | None, tuple[float, ...]]:
    """Replay the samples on a simulated clock, so that every machine gets the same words."""
    session = LiveSession(LiveOptions(language, terms=parse_terms(system.terms)))
    latencies: list[float] = []
    for snapshot in replay([samples], session, engine, speed=None):
        new = snapshot.committed_words[len(latencies) :]
        latencies += [round(max(0.0, snapshot.audio_s - word.end), 2) for word in new]
    last = session.snapshot
    return last.transcript().words, last.language, tuple(latencies)
