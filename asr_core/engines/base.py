"""The contract between those who have audio and those who have a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from asr_core.transcript import Word, join_words

__all__ = ["MAX_WINDOW_S", "Engine", "EngineName", "Hypothesis", "Task", "Window", "mean_logprob"]

Task = Literal["transcribe", "translate"]
EngineName = Literal["onnx", "ctranslate2", "transformers"]

MAX_WINDOW_S = 30.0
"""The longest window that Whisper was trained on (Radford et al. 2022)."""


@dataclass(frozen=True)
class Window:
    """A stretch of audio to transcribe, with what is known about it.

    Attributes:
        samples: (n_samples,) float32, mono 16 kHz, at most 30 s.
        language: code such as ``"en"``; None has it detected.
        task: translate goes into English, whatever was spoken.
        prompt: text that came before the window, for names and style.
        draft: tokens that an earlier look at the beginning of this audio gave. An
            engine checks them against the audio in one pass, and decodes only what comes
            after those that hold; or it leaves them, where that is no quicker.
        context_s: how much the encoder sees, the audio and the silence after
            it; None lets the engine add what its accuracy needs. Never less
            than the audio, never more than 30 s.
        repetition_penalty: above 1, tokens that stand in the text already become less
            likely (Keskar et al. 2019).
        beam_size: how many texts are followed side by side, where the engine can;
            more finds likelier ones and takes longer.
        is_look: this audio is decoded again when more of it is there; quick matters
            more than sure.
    """

    samples: NDArray[np.float32]
    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    draft: tuple[int, ...] = ()
    context_s: float | None = None
    repetition_penalty: float = 1.0
    beam_size: int = 1
    is_look: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """What the model takes a window to say.

    Attributes:
        words: seconds from the window's first sample.
        tokens: the text tokens behind the words.
        token_ends: of each token, seconds from the window's first sample.
        token_probabilities: of each token.
        language, language_probability: as detected; probability 1 if given.
        no_speech_probability: of the model's own no-speech token.
        avg_logprob: mean log-probability of the tokens; low means doubtful.
        compression_ratio: of the text by zlib; above 2.4 it repeats itself
            (Radford et al. 2022, section 4.5).
    """

    words: tuple[Word, ...]
    tokens: tuple[int, ...]
    token_ends: tuple[float, ...]
    token_probabilities: tuple[float, ...]
    language: str
    language_probability: float
    no_speech_probability: float
    avg_logprob: float
    compression_ratio: float

    @property
    def text(self) -> str:
        return join_words(self.words)

    def draft_until(self, end_s: float) -> tuple[int, ...]:
        """The tokens up to the first that is not over by ``end_s`` seconds."""
        ends = (i for i, end in enumerate(self.token_ends) if end > end_s)
        return self.tokens[: next(ends, len(self.tokens))]

    def after(self, start_s: float) -> Hypothesis:
        """The words and tokens that are not over by ``start_s`` seconds, and how far the
        model believes these."""
        n = len(self.draft_until(start_s))
        probabilities = self.token_probabilities[n:]
        return replace(
            self,
            words=tuple(word for word in self.words if word.end > start_s),
            tokens=self.tokens[n:],
            token_ends=self.token_ends[n:],
            token_probabilities=probabilities,
            avg_logprob=mean_logprob(probabilities),
        )


def mean_logprob(probabilities: Sequence[float]) -> float:
    """Of tokens, 0 of none."""
    if not probabilities:
        return 0.0
    return float(np.mean(np.log(np.maximum(probabilities, 1e-10))))


def nothing() -> None:
    """To be done between two steps, if there is nothing to do."""


class Engine(Protocol):
    """A loaded model. Any thread may call; ``n_parallel`` calls run side by side,
    more take turns. A call runs in its caller's thread, batch after batch."""

    @property
    def n_parallel(self) -> int:
        """How many calls the hardware serves at the same time."""

    @property
    def batch_size(self) -> int:
        """How many windows an urgent call had best bring: more than one only where
        a batch comes back about as soon as one window."""

    @property
    def patient_batch_size(self) -> int:
        """How many windows a worker had best get where only the whole counts."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""

    @property
    def device(self) -> str:
        """Where it runs, and in which precision, for the user."""

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that the model knows."""

    def detect_language(self, windows: Sequence[Window]) -> tuple[str, float]:
        """The likeliest language of ``windows`` together, and its mean probability.

        Raises:
            EngineError: the model failed.
        """

    def transcribe(
        self,
        windows: Sequence[Window],
        *,
        patient: bool = False,
        between_steps: Callable[[], None] = nothing,
    ) -> list[Hypothesis]:
        """One hypothesis per window, in their order.

        Args:
            patient: nobody waits for the words as they are spoken; calls that are
                not patient go first.
            between_steps: of a patient call, called before each step of about a
                second at most, from any thread; what it raises ends the call.

        Raises:
            EngineError: the model failed; the windows may be tried again.
            ValueError: a window is longer than 30 s or in an unknown language.
        """
