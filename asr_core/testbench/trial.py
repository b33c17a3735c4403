"""One case heard once: under a condition, by a model, in a mode."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.encode import to_flac, to_int16
from asr_core.engines import Engine
from asr_core.engines.base import EngineName
from asr_core.errors import ConditionError
from asr_core.fullcontext import FileOptions, transcribe
from asr_core.live import LiveOptions, LiveSession
from asr_core.live.replay import replay
from asr_core.quality import BEAM_SIZE
from asr_core.testbench.conditions import Condition
from asr_core.testbench.scores import Score, score
from asr_core.transcript import Word, join_words

__all__ = ["MODES", "Heard", "Mode", "Setup", "Trial", "hear"]

Mode = Literal["full context", "streaming"]
MODES: tuple[Mode, ...] = get_args(Mode)

Samples = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Setup:
    """What listens.

    Attributes:
        model: catalogue name, hub id or directory.
        engine: ``auto``, ``onnx``, ``ctranslate2`` or ``transformers``.
        detects_language: instead of being told that of the case.
        prompt: names and terms; full context only.
        beam_size: of full context; 1 is greedy.
    """

    model: str
    engine: EngineName | Literal["auto"] = "auto"
    mode: Mode = "full context"
    detects_language: bool = False
    prompt: str = ""
    beam_size: int = BEAM_SIZE

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConditionError(f"{self.mode!r} is no mode; there are {' and '.join(MODES)}.")

    @property
    def title(self) -> str:
        """For people: the model, and what is not as usual."""
        parts = [self.model]
        parts += [self.engine] if self.engine != "auto" else []
        parts += ["streaming"] if self.mode == "streaming" else []
        parts += ["language detected"] if self.detects_language else []
        parts += ["with terms"] if self.prompt else []
        parts += [f"beam {self.beam_size}"] if self.beam_size != BEAM_SIZE else []
        return " · ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Heard:
    """What came out of one hearing.

    Attributes:
        audio_s: how long the audio was.
        took_s: how long the model took.
        latencies: streaming: of each word, how many seconds of audio after its end had
            to be heard before it was final (on a simulated clock, so that it does not
            depend on the machine).
        error: a sentence, if it failed; then there are no words.
    """

    words: tuple[Word, ...] = ()
    language: str | None = None
    audio_s: float = 0.0
    took_s: float = 0.0
    latencies: tuple[float, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Trial:
    """One case × condition × setup, with what was said at the time.

    Attributes:
        language: code of what was said.
        tags: of the case, such as speaker and accent.
    """

    case_id: str
    name: str
    said: str
    language: str
    condition: Condition
    setup: Setup
    heard: Heard
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return join_words(self.heard.words)

    @property
    def score(self) -> Score:
        return _scored(self.said, self.text, self.language)


_scored = functools.lru_cache(maxsize=20_000)(score)


def hear(samples: Samples, language: str, setup: Setup, engine: Engine) -> Heard:
    """Let ``engine`` hear (n_samples,) float32 as ``setup`` says; in the caller's thread.

    Raises:
        EngineError: the model failed.
    """
    code = None if setup.detects_language else language
    audio_s = len(samples) / SAMPLE_RATE_HZ
    started = time.perf_counter()
    if setup.mode == "streaming":
        words, found, latencies = _streamed(samples, code, engine)
    else:
        words, found, latencies = *_whole(samples, code, setup, engine), ()
    took_s = time.perf_counter() - started
    return Heard(words, found, audio_s, took_s, latencies)


def _whole(
    samples: Samples, language: str | None, setup: Setup, engine: Engine
) -> tuple[tuple[Word, ...], str | None]:
    file = io.BytesIO(to_flac(to_int16(samples)))
    options = FileOptions(language, prompt=setup.prompt, beam_size=setup.beam_size)
    transcript = transcribe(file, engine, options)
    return transcript.words, transcript.language


def _streamed(
    samples: Samples, language: str | None, engine: Engine
) -> tuple[tuple[Word, ...], str | None, tuple[float, ...]]:
    """On a simulated clock: the same words on any machine."""
    session = LiveSession(LiveOptions(language))
    latencies: list[float] = []
    for snapshot in replay([samples], session, engine, speed=None):
        new = snapshot.committed_words[len(latencies) :]
        latencies += [round(max(0.0, snapshot.audio_s - word.end), 2) for word in new]
    last = session.snapshot
    return last.transcript().words, last.language, tuple(latencies)
