"""Whisper on ONNX Runtime: the fast engine on a CPU.

Encoder and decoder are graphs of our own over 8-bit weights. What libraries bring computes
the encoder's attention in float32, which is half of its work, arranges the decoder's weights
anew for each token, or takes the tokens of a draft one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.alignment import token_frames
from asr_core.engines.base import EngineName
from asr_core.engines.beam import Ask, Found, search
from asr_core.engines.onnx_decoder import OnnxDecoder
from asr_core.engines.onnx_encoder import OnnxEncoder
from asr_core.engines.support import beside_the_best
from asr_core.engines.tokens import Vocabulary
from asr_core.engines.turns import workers
from asr_core.engines.whisper import Aligned, Decoded, Request, WhisperEngine
from asr_core.errors import ModelError
from asr_core.models.abilities import MULTILINGUAL_SIZE

__all__ = ["OnnxEngine"]

Sound = NDArray[np.float32]

_PATIENT_BATCH = 2
"""Windows of a file that a worker decodes together: the decoder's weights are read once for
both. Four were no quicker, and took 160 MB more (base, two workers)."""

_MARGIN = 1.5
"""A text that is so much less likely than the best one, as a logarithm, is followed no more: of
five texts three are left, which takes 3 to 4 % off a file, and errors are as before."""


class OnnxEngine(WhisperEngine[Sound]):
    """See :class:`~asr_core.engines.whisper.WhisperEngine`.

    Args:
        directory: a model in CTranslate2 format.
        n_threads: cores for all calls together; all there are by default.
        batch_size: windows of a file that are decoded together.
        live: people speak meanwhile: these are decoded one by one.

    Raises:
        ModelError: ``directory`` holds no Whisper model that can be loaded.
    """

    def __init__(
        self,
        directory: Path,
        *,
        n_threads: int | None = None,
        batch_size: int | None = None,
        live: bool = False,
    ) -> None:
        n_workers, n_each = workers(n_threads)
        try:
            self._encoder = OnnxEncoder(directory, n_threads=n_each)
            self._decoder = OnnxDecoder(directory, n_threads=n_each)
        except KeyError as error:
            raise ModelError(f"The model in {directory} is no Whisper model ({error}).") from None
        super().__init__(
            Vocabulary(directory, multilingual=self._decoder.n_tokens >= MULTILINGUAL_SIZE),
            self._encoder.n_mels,
            n_parallel=n_workers,
            patient_batch_size=batch_size or (1 if live else _PATIENT_BATCH),
            has_beams=True,
            checks_drafts=True,
        )

    @property
    def name(self) -> EngineName:
        return "onnx"

    @property
    def device(self) -> str:
        return "CPU, int8"

    def _encode(self, features: NDArray[np.float32]) -> Sound:
        return self._encoder(features)

    def _take(self, encoded: Sound, indices: list[int]) -> Sound:
        return encoded if indices == list(range(len(encoded))) else encoded[indices]

    def _join(self, encoded: list[Sound]) -> Sound:
        return np.concatenate(encoded)

    def _language_probabilities(self, encoded: Sound) -> list[dict[str, float]]:
        languages = self.vocabulary.language_tokens
        start = np.full((len(encoded), 1), self.vocabulary.start)
        logprobs = self._decoder.first_pass(start, encoded, wanted=[0]).all_logprobs.numpy()
        weights = np.exp(logprobs[:, 0, list(languages.values())])
        shares = weights / weights.sum(axis=1, keepdims=True)
        return [dict(zip(languages, row, strict=True)) for row in shares.tolist()]

    def _decode(self, encoded: Sound, requests: list[Request]) -> list[Decoded]:
        asks = [
            Ask(
                previous=request.previous,
                start=request.start,
                draft=request.draft,
                size=request.beam_size,
                end=self.vocabulary.end,
                n_most=len(request.draft) + request.max_new_tokens,
                margin=math.inf if request.is_look else _MARGIN,
                repetition_penalty=request.repetition_penalty,
            )
            for request in requests
        ]
        found = search(self._decoder, self._decoder.begin(encoded), asks)
        return [self._told(*each) for each in zip(found, requests, strict=True)]

    def _told(self, found: Found, request: Request) -> Decoded:
        """What was found, with times."""
        texts = found.best()
        best, *others = [self.vocabulary.text_only(text.tokens) for text in texts]
        aligned = None
        if best and len(best) == len(texts[0].tokens):
            attention = found.attention_of(texts[0])
            aligned = _aligned(attention, texts[0].logprobs[: len(best)], request)
        return Decoded(
            best,
            self._decoder.probability(self.vocabulary.no_speech, found.first, found.row),
            others,
            beside_the_best([text.total for text in texts]),
            aligned,
        )

    def _align(
        self, encoded: Sound, requests: list[Request], texts: list[list[int]]
    ) -> list[Aligned]:
        aligned = []
        for sound, request, text in zip(encoded, requests, texts, strict=True):
            before = request.previous + request.start
            tokens = np.array([before + text])
            said = range(len(before) - 1, tokens.shape[1])
            step = self._decoder.first_pass(tokens, sound[None], wanted=[0, *said])
            attention = step.attention[0][:, len(request.previous) :]
            aligned.append(_aligned(attention, step.logprobs_of(text, 0), request))
        return aligned


def _aligned(
    attention: NDArray[np.float32],
    logprobs: Sequence[float] | NDArray[np.float32],
    request: Request,
) -> Aligned:
    """From the attention (n_heads, n_tokens, n_frames) of the start sequence and the text."""
    begins = token_frames(attention, len(request.start), request.n_frames)
    # The last row tells where the text ends; one that was cut off has none.
    frames = np.append(begins, request.n_frames)[: len(logprobs) + 1]
    return Aligned(frames, np.exp(logprobs).tolist())
