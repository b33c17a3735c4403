"""Base class of the Whisper engines: batches, languages and prompts around a model.

A subclass adds what its library does: encode, detect the language, decode and align.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import (
    MAX_WINDOW_S,
    EngineName,
    Hypothesis,
    Window,
    never_cancelled,
)
from asr_core.engines.whisper.features import FRAMES_PER_SECOND, log_mel
from asr_core.engines.whisper.hypotheses import (
    DecodingResult,
    TokenTimings,
    build_hypothesis,
    cut_runaway_loop,
)
from asr_core.engines.whisper.prompt_echo import echoes_prompt, may_echo_prompt
from asr_core.engines.whisper.requests import (
    DecodingRequest,
    build_request,
    encoder_context_s,
    group_compatible,
)
from asr_core.engines.whisper.tokenizer import WhisperTokenizer
from asr_core.engines.worker_pool import PriorityWorkerPool
from asr_core.errors import AsrError, EngineError

__all__ = ["WhisperEngine"]

Encoded = TypeVar("Encoded")
"""A batch of encoder output, as the subclass keeps it."""


class WhisperEngine(ABC, Generic[Encoded]):
    """Whisper model behind the :class:`~asr_core.engines.base.Engine` protocol.

    Any thread may call ``transcribe``: as many calls as the engine has workers run at once,
    further ones wait.

    Args:
        tokenizer: the model's.
        n_mels: frequency bands of its input, 80 or 128.
        n_parallel: workers of the model.
        batch_size: windows that a worker decodes at once for a live call.
        background_batch_size: the same for a background call.
        batches_encoder: the encoder is faster on a batch than on one window after the other.
        supports_beam_search: ``_decode`` honours ``beam_size``.
        supports_terms: ``_decode`` honours ``terms``; an engine that does not is prompted with
            them.
    """

    def __init__(
        self,
        tokenizer: WhisperTokenizer,
        n_mels: int,
        *,
        n_parallel: int = 1,
        batch_size: int = 1,
        background_batch_size: int = 1,
        batches_encoder: bool = False,
        supports_beam_search: bool = False,
        supports_terms: bool = False,
    ) -> None:
        self.tokenizer = tokenizer
        self._n_mels = n_mels
        self._n_parallel, self._batch_size = n_parallel, batch_size
        self._background_batch_size = background_batch_size
        self._batches_encoder = batches_encoder
        self._supports_beam_search = supports_beam_search
        self._supports_terms = supports_terms
        self._pool = PriorityWorkerPool(n_parallel)

    @property
    def n_parallel(self) -> int:
        return self._n_parallel

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @property
    def background_batch_size(self) -> int:
        return self._background_batch_size

    @property
    @abstractmethod
    def name(self) -> EngineName: ...

    @property
    @abstractmethod
    def device(self) -> str: ...

    @property
    def languages(self) -> Sequence[str]:
        return self.tokenizer.languages

    # --- for a subclass to implement ---------------------------------------------------

    @abstractmethod
    def _encode(self, features: NDArray[np.float32]) -> Encoded:
        """Return the encoder's output for (batch, n_mels, n_frames) log-mel features."""

    @abstractmethod
    def _select(self, encoded: Encoded, indices: list[int]) -> Encoded:
        """Return the rows ``indices`` of the batch."""

    @abstractmethod
    def _concatenate(self, encoded: list[Encoded]) -> Encoded:
        """Return one batch of several, all of one length."""

    @abstractmethod
    def _language_probabilities(self, encoded: Encoded) -> list[dict[str, float]]:
        """Return the probability of every language, row by row."""

    @abstractmethod
    def _decode(self, encoded: Encoded, requests: list[DecodingRequest]) -> list[DecodingResult]:
        """Decode a batch whose requests share prompt, start sequence, options and prefix length.

        The tokens of a result begin with those of its request's prefix.
        """

    @abstractmethod
    def _align(
        self, encoded: Encoded, requests: list[DecodingRequest], texts: list[list[int]]
    ) -> list[TokenTimings]:
        """Return times and probabilities of the given texts, none of them empty."""

    # --- the engine contract -----------------------------------------------------------

    def detect_language(self, windows: Sequence[Window]) -> tuple[str, float]:
        """See :meth:`asr_core.engines.base.Engine.detect_language`."""
        if not self.tokenizer.multilingual:
            return "en", 1.0
        whole = [replace(window, context_s=MAX_WINDOW_S) for window in windows]
        with _translate_errors():
            encoded = self._encode_in_background(whole)
            with self._pool.acquire(background=True):
                rows = self._language_probabilities(encoded)
        mean = {language: sum(row[language] for row in rows) / len(rows) for language in rows[0]}
        return max(mean.items(), key=lambda item: item[1])

    def transcribe(
        self,
        windows: Sequence[Window],
        *,
        background: bool = False,
        check_cancelled: Callable[[], None] = never_cancelled,
    ) -> list[Hypothesis]:
        """See :meth:`asr_core.engines.base.Engine.transcribe`."""
        for window in windows:
            self._validate(window)
        if not self._supports_terms:
            windows = list(map(_with_terms_as_prompt, windows))
        size = self._background_batch_size if background else self._batch_size
        hypotheses: list[Hypothesis] = []
        with _translate_errors():
            for batch in _split_evenly(windows, max(1, -(-len(windows) // size))):
                hypotheses += self._transcribe_batch(batch, background, check_cancelled)
        return hypotheses

    def warm_up(self) -> None:
        """Transcribe a second of silence, so that the first speaker does not wait for set-up."""
        silence = Window(np.zeros(SAMPLE_RATE_HZ, np.float32), language="en", context_s=1.0)
        self.transcribe([silence], background=True)  # as nobody is speaking yet

    # --- one batch ---------------------------------------------------------------------

    def _validate(self, window: Window) -> None:
        if len(window.samples) > MAX_WINDOW_S * SAMPLE_RATE_HZ:
            raise ValueError(f"a window may last {MAX_WINDOW_S:.0f} s at most")
        if window.language is not None and window.language not in self.tokenizer.language_tokens:
            raise ValueError(f"the model does not know the language {window.language!r}")

    def _transcribe_batch(
        self, windows: Sequence[Window], background: bool, check_cancelled: Callable[[], None]
    ) -> list[Hypothesis]:
        if background:
            encoded = self._encode_in_background(windows, check_cancelled)
            check_cancelled()
            with self._pool.acquire(background=True):
                return self._decode_windows(windows, encoded)
        with self._pool.acquire(background=False):
            return self._decode_windows(windows, self._encode(self._features(windows)))

    def _encode_in_background(
        self, windows: Sequence[Window], check_cancelled: Callable[[], None] = never_cancelled
    ) -> Encoded:
        """Encode the windows; live calls may run between two of them."""
        features = self._features(windows)
        parts = [features] if self._batches_encoder else np.split(features, len(features))
        encoded = []
        for part in parts:
            check_cancelled()
            with self._pool.acquire(background=True):
                encoded.append(self._encode(part))
        return encoded[0] if len(encoded) == 1 else self._concatenate(encoded)

    def _features(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Return (batch, n_mels, n_frames), padded to the longest context that is wanted."""
        context_s = max(map(self._context_s, windows))
        n_frames = round(context_s * FRAMES_PER_SECOND)
        return np.stack([log_mel(window.samples, self._n_mels, n_frames) for window in windows])

    def _context_s(self, window: Window) -> float:
        """Return the seconds that the encoder sees; all for a language that nothing corrects."""
        is_detected = window.language is None and self.tokenizer.multilingual
        if is_detected and not window.is_partial:
            return MAX_WINDOW_S
        return encoder_context_s(window, self._beam_size(window))

    def _beam_size(self, window: Window) -> int:
        return window.beam_size if self._supports_beam_search else 1

    def _decode_windows(self, windows: Sequence[Window], encoded: Encoded) -> list[Hypothesis]:
        """Return a hypothesis per window; where the prompt misled, one decoded without it."""
        hypotheses = self._decode_once(windows, encoded)
        suspect = [
            i
            for i, (window, hypothesis) in enumerate(zip(windows, hypotheses, strict=True))
            if may_echo_prompt(
                hypothesis.words,
                window.prompt,
                may_start_late=window.is_partial or bool(window.prefix),
            )
        ]
        if suspect:
            without = [replace(windows[i], prompt="") for i in suspect]
            unprompted = self._decode_once(without, self._select(encoded, suspect))
            for i, other in zip(suspect, unprompted, strict=True):
                if echoes_prompt(hypotheses[i].text, windows[i].prompt, other.text):
                    hypotheses[i] = other
        return hypotheses

    def _decode_once(self, windows: Sequence[Window], encoded: Encoded) -> list[Hypothesis]:
        """Decode each window, together with those that can share a call of the decoder."""
        languages = self._resolve_languages(encoded, windows)
        requests = [
            self._request(window, language)
            for window, (language, _) in zip(windows, languages, strict=True)
        ]
        hypotheses: dict[int, Hypothesis] = {}
        for indices in group_compatible(requests, range(len(requests))):
            group = [requests[i] for i in indices]
            decoded = self._decode_and_align(self._select(encoded, indices), group)
            for i, (result, timings) in zip(indices, decoded, strict=True):
                n_prefix = len(requests[i].prefix)
                hypotheses[i] = build_hypothesis(
                    result, timings, self.tokenizer, *languages[i], n_prefix
                )
        return [hypotheses[i] for i in range(len(windows))]

    def _resolve_languages(
        self, encoded: Encoded, windows: Sequence[Window]
    ) -> list[tuple[str, float]]:
        """Return language and probability per window, detected where none is given."""
        if not self.tokenizer.multilingual:
            return [("en", 1.0)] * len(windows)
        unknown = [i for i, window in enumerate(windows) if window.language is None]
        detected: dict[int, tuple[str, float]] = {}
        if unknown:
            rows = self._language_probabilities(self._select(encoded, unknown))
            for i, row in zip(unknown, rows, strict=True):
                detected[i] = max(row.items(), key=lambda item: item[1])
        return [
            detected[i] if window.language is None else (window.language, 1.0)
            for i, window in enumerate(windows)
        ]

    def _request(self, window: Window, language: str) -> DecodingRequest:
        return build_request(window, self.tokenizer, language, beam_size=self._beam_size(window))

    def _decode_and_align(
        self, rows: Encoded, requests: list[DecodingRequest]
    ) -> list[tuple[DecodingResult, TokenTimings | None]]:
        """Return results with timings; these are None where nothing was decoded."""
        results = [
            cut_runaway_loop(result, request)
            for result, request in zip(self._decode(rows, requests), requests, strict=True)
        ]
        timings = [result.timings for result in results]
        missing = [
            i
            for i, (result, request) in enumerate(zip(results, requests, strict=True))
            if len(result.tokens) > len(request.prefix) and not result.timings
        ]
        if missing:
            aligned = self._align(
                self._select(rows, missing),
                [requests[i] for i in missing],
                [results[i].tokens for i in missing],
            )
            for i, each in zip(missing, aligned, strict=True):
                timings[i] = each
        return list(zip(results, timings, strict=True))


def _with_terms_as_prompt(window: Window) -> Window:
    if not window.terms:
        return window
    prompt = f"{', '.join(window.terms)}. {window.prompt}".strip()
    return replace(window, prompt=prompt, terms=())


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise what the model's library raises as an EngineError with a sentence for the user."""
    try:
        yield
    except AsrError:
        raise
    except (RuntimeError, MemoryError) as error:
        raise EngineError(
            f"The model failed on this audio ({error}); if it keeps failing, "
            "a smaller model may fit this machine."
        ) from error


def _split_evenly(windows: Sequence[Window], n: int) -> list[Sequence[Window]]:
    """Return ``windows`` in ``n`` runs of about one length, none of them empty."""
    cuts = [len(windows) * i // n for i in range(n + 1)]
    return [windows[a:b] for a, b in itertools.pairwise(cuts) if b > a]
