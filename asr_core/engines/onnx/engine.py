"""Whisper on ONNX Runtime: the fast engine on a CPU.

Encoder and decoder are graphs of this package over 8-bit weights. Other libraries compute the
encoder's attention in float32, which is half of its work, rearrange the decoder's weights for
each token, or read the tokens of a prefix one by one. docs/onnx-engine.md draws the parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.base import EngineName
from asr_core.engines.onnx.beam_search import BeamRequest, BeamState, beam_search
from asr_core.engines.onnx.decoder import OnnxDecoder
from asr_core.engines.onnx.encoder import OnnxEncoder
from asr_core.engines.onnx.graph_cache import GraphCache
from asr_core.engines.whisper.confidence import relative_likelihoods
from asr_core.engines.whisper.engine import WhisperEngine
from asr_core.engines.whisper.hypotheses import DecodingResult, TokenTimings
from asr_core.engines.whisper.requests import DecodingRequest
from asr_core.engines.whisper.timing import token_frames
from asr_core.engines.whisper.tokenizer import WhisperTokenizer
from asr_core.engines.worker_pool import split_threads
from asr_core.errors import ModelError
from asr_core.models.capabilities import MULTILINGUAL_SIZE

__all__ = ["OnnxEngine"]

EncoderOutput = NDArray[np.float32]
"""(n_windows, n_frames, width)."""

_WINDOWS_PER_BATCH = 2  # windows of a file that share a pass over the weights (docs/tuning.md)

_BEAM_MARGIN = 1.5  # log-probability behind the best at which a beam drops (docs/tuning.md)


class OnnxEngine(WhisperEngine[EncoderOutput]):
    """Whisper model on the CPU, int8.

    Implements :class:`~asr_core.engines.whisper.engine.WhisperEngine`.

    Args:
        directory: a model in CTranslate2 format.
        n_threads: cores for all calls together; all of them by default.
        batch_size: windows of a file that are decoded together.
        live: people speak meanwhile, so windows of files are decoded one by one.

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
        n_workers, n_each = split_threads(n_threads)
        try:
            graphs = GraphCache(directory)
            self._encoder = OnnxEncoder(directory, graphs, n_threads=n_each)
            self._decoder = OnnxDecoder(directory, graphs, n_threads=n_each)
        except KeyError as error:
            raise ModelError(f"The model in {directory} is no Whisper model ({error}).") from None
        is_multilingual = self._decoder.n_vocabulary >= MULTILINGUAL_SIZE
        super().__init__(
            WhisperTokenizer(directory, multilingual=is_multilingual),
            self._encoder.n_mels,
            n_parallel=n_workers,
            background_batch_size=batch_size or (1 if live else _WINDOWS_PER_BATCH),
            supports_beam_search=True,
            supports_terms=True,
        )

    @property
    def name(self) -> EngineName:
        return "onnx"

    @property
    def device(self) -> str:
        return "CPU, int8"

    def _encode(self, features: NDArray[np.float32]) -> EncoderOutput:
        return self._encoder(features)

    def _select(self, encoded: EncoderOutput, indices: list[int]) -> EncoderOutput:
        return encoded if indices == list(range(len(encoded))) else encoded[indices]

    def _concatenate(self, encoded: list[EncoderOutput]) -> EncoderOutput:
        return np.concatenate(encoded)

    def _language_probabilities(self, encoded: EncoderOutput) -> list[dict[str, float]]:
        languages = self.tokenizer.language_tokens
        start = np.full((len(encoded), 1), self.tokenizer.start)
        logprobs = self._decoder.prefill(start, encoded, positions=[0]).logprobs.numpy()
        weights = np.exp(logprobs[:, 0, list(languages.values())])
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        return [dict(zip(languages, row, strict=True)) for row in probabilities.tolist()]

    def _decode(
        self, encoded: EncoderOutput, requests: list[DecodingRequest]
    ) -> list[DecodingResult]:
        beam_requests = [
            BeamRequest(
                previous=request.previous,
                start=request.start,
                prefix=request.prefix,
                beam_size=request.beam_size,
                end=self.tokenizer.end,
                max_tokens=len(request.prefix) + request.max_new_tokens,
                margin=math.inf if request.is_partial else _BEAM_MARGIN,
                repetition_penalty=request.repetition_penalty,
                terms=request.terms,
            )
            for request in requests
        ]
        beams = beam_search(self._decoder, self._decoder.new_cache(encoded), beam_requests)
        return [self._result(*pair) for pair in zip(beams, requests, strict=True)]

    def _result(self, beam: BeamState, request: DecodingRequest) -> DecodingResult:
        """Return a beam's best text with times, and its alternatives."""
        hypotheses = beam.ranked()
        best, *alternatives = [self.tokenizer.text_only(h.tokens) for h in hypotheses]
        timings = None
        if best and len(best) == len(hypotheses[0].tokens):
            attention = beam.attention_of(hypotheses[0])
            # What the prefix says is known.
            logprobs = [0.0] * len(request.prefix) + list(hypotheses[0].logprobs)
            timings = _token_timings(attention, logprobs[: len(best)], request)
        no_speech = self.tokenizer.no_speech
        return DecodingResult(
            best,
            self._decoder.suppressed_probability(no_speech, beam.prefill, beam.row),
            alternatives,
            relative_likelihoods([h.biased_logprob for h in hypotheses]),
            timings,
        )

    def _align(
        self, encoded: EncoderOutput, requests: list[DecodingRequest], texts: list[list[int]]
    ) -> list[TokenTimings]:
        timings = []
        for audio, request, text in zip(encoded, requests, texts, strict=True):
            prompt = request.previous + request.start
            tokens = np.array([prompt + text])
            positions = [0, *range(len(prompt) - 1, tokens.shape[1])]
            output = self._decoder.prefill(tokens, audio[None], positions=positions)
            attention = output.attention[0][:, len(request.previous) :]
            timings.append(_token_timings(attention, output.token_logprobs(text, 0), request))
        return timings


def _token_timings(
    attention: NDArray[np.float32],
    logprobs: Sequence[float] | NDArray[np.float32],
    request: DecodingRequest,
) -> TokenTimings:
    """Align the text's tokens with the audio.

    Args:
        attention: (n_heads, n_tokens, n_frames) of the start sequence and the text.
        logprobs: of the text's tokens.
        request: whose start sequence it is.
    """
    starts = token_frames(attention, len(request.start), request.n_frames)
    # The last row tells where the text ends; a text that was cut off has none.
    frames = np.append(starts, request.n_frames)[: len(logprobs) + 1]
    return TokenTimings(frames, np.exp(logprobs).tolist())
