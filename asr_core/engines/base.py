"""Engine contract: windows of audio in, hypotheses out.

Whoever has audio builds a :class:`Window`; an :class:`Engine` returns a :class:`Hypothesis`
for it. Nothing here knows Whisper, a library or a device.

To add an engine:

1. Give it a name in :data:`EngineName`.
2. Implement :class:`Engine` and a ``warm_up`` method in a module of its own. For a Whisper
   model, subclass :class:`asr_core.engines.whisper.engine.WhisperEngine`, which asks for six
   methods: encode, select, concatenate, language probabilities, decode, align.
3. Add its loader to ``_LOADERS`` in ``asr_core/engines/loading.py``, and to ``choose_engine``
   where it is the fastest on some machine.
4. Add it to the engines of ``tests/model/engines/test_engines.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from asr_core.transcript import Word, join_words

__all__ = [
    "MAX_WINDOW_S",
    "Engine",
    "EngineName",
    "Hypothesis",
    "Task",
    "Window",
    "mean_logprob",
    "never_cancelled",
    "without_first_words",
    "without_words",
]

Task = Literal["transcribe", "translate"]
EngineName = Literal["onnx", "ctranslate2", "transformers"]

MAX_WINDOW_S = 30.0
"""The longest window that Whisper was trained on, in seconds (Radford et al. 2022)."""


@dataclass(frozen=True)
class Window:
    """Audio to transcribe, and how.

    Attributes:
        samples: (n_samples,) float32, mono 16 kHz, at most 30 s.
        language: code such as ``"en"``; None to detect it.
        task: ``"translate"`` writes English, whatever is spoken.
        prompt: text before the window, for names and style.
        terms: names and terms that become likelier, at most
            :data:`asr_core.text.terms.MAX_TERMS`.
        prefix: text tokens that the beginning of the audio is known to say, given to the
            decoder as if it had written them, but for punctuation at their end; the hypothesis
            holds only what follows.
        context_s: seconds that the encoder sees, the audio and the silence after it; None for
            what the engine's accuracy needs. Never less than the audio, at most 30 s.
        repetition_penalty: above 1, tokens that the text already holds become less likely
            (Keskar et al. 2019).
        beam_size: hypotheses to follow at once, where the engine can; more are slower and find
            likelier texts.
        is_partial: the audio is decoded again when more of it is there, so speed matters more
            than certainty.
    """

    samples: NDArray[np.float32]
    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    terms: tuple[str, ...] = ()
    prefix: tuple[int, ...] = ()
    context_s: float | None = None
    repetition_penalty: float = 1.0
    beam_size: int = 1
    is_partial: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """Words that a model finds in a window, those of the window's prefix left out.

    Attributes:
        words: with times in seconds from the window's first sample.
        word_tokens: the text tokens of each word.
        language: code, as given or detected.
        language_probability: 0 to 1; 1 if the language was given.
        no_speech_probability: of the model's no-speech token, 0 to 1.
        avg_logprob: mean log-probability of the tokens.
        compression_ratio: of the text by zlib; above 2.4 the text repeats itself
            (Radford et al. 2022, section 4.5).
        known: the words of the window's prefix.
        word_logprobs: log-probability of each word, the sum of its tokens'.
    """

    words: tuple[Word, ...]
    word_tokens: tuple[tuple[int, ...], ...]
    language: str
    language_probability: float
    no_speech_probability: float
    avg_logprob: float
    compression_ratio: float
    known: tuple[str, ...] = ()
    word_logprobs: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """Text of the words."""
        return join_words(self.words)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Text tokens of the words."""
        return tuple(itertools.chain.from_iterable(self.word_tokens))


def without_first_words(hypothesis: Hypothesis, n: int) -> Hypothesis:
    """Return the hypothesis as if its first ``n`` words were its prefix."""
    if not n:
        return hypothesis
    rest = without_words(hypothesis, range(n))
    n_tokens = len(rest.tokens)
    return replace(
        rest,
        known=(*hypothesis.known, *(word.text for word in hypothesis.words[:n])),
        avg_logprob=sum(rest.word_logprobs) / n_tokens if n_tokens else 0.0,
    )


def without_words(hypothesis: Hypothesis, indices: Collection[int]) -> Hypothesis:
    """Return the hypothesis without the words at ``indices``."""
    if not indices:
        return hypothesis
    kept = [i for i in range(len(hypothesis.words)) if i not in indices]
    return replace(
        hypothesis,
        words=tuple(hypothesis.words[i] for i in kept),
        word_tokens=tuple(hypothesis.word_tokens[i] for i in kept),
        word_logprobs=tuple(hypothesis.word_logprobs[i] for i in kept),
    )


def mean_logprob(probabilities: Sequence[float]) -> float:
    """Return the mean log-probability of tokens; 0.0 for none."""
    if not probabilities:
        return 0.0
    return float(np.mean(np.log(np.maximum(probabilities, 1e-10))))


def never_cancelled() -> None:
    """Do nothing: the default of ``check_cancelled``."""


class Engine(Protocol):
    """Loaded model that recognises windows of audio.

    Any thread may call. ``n_parallel`` calls run at once, further ones wait; a call runs in its
    caller's thread, one batch after the other.
    """

    @property
    def n_parallel(self) -> int:
        """Number of calls that the hardware serves at once."""

    @property
    def batch_size(self) -> int:
        """Number of windows that a live call should bring.

        More than one only where a batch takes hardly longer than a single window.
        """

    @property
    def background_batch_size(self) -> int:
        """Number of windows that a background call should bring for each worker."""

    @property
    def name(self) -> EngineName:
        """Name of the engine."""

    @property
    def device(self) -> str:
        """Device and precision, for the user, such as ``"CPU, int8"``."""

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that the model knows."""

    def detect_language(self, windows: Sequence[Window]) -> tuple[str, float]:
        """Return the likeliest language of all ``windows`` and its mean probability.

        Raises:
            EngineError: the model failed.
        """

    def transcribe(
        self,
        windows: Sequence[Window],
        *,
        background: bool = False,
        check_cancelled: Callable[[], None] = never_cancelled,
    ) -> list[Hypothesis]:
        """Return a hypothesis per window, in their order.

        Args:
            windows: any number; the engine splits them into batches.
            background: nobody follows the words live; live calls go first.
            check_cancelled: called from any thread before each step of a background call, of
                about a second at most; what it raises ends the call.

        Raises:
            EngineError: the model failed; the windows may be tried again.
            ValueError: a window is longer than 30 s or in an unknown language.
        """
