"""Whisper on CTranslate2 (https://opennmt.net/CTranslate2): the engine for GPUs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from asr_core.engines.base import EngineName
from asr_core.engines.cpu_features import use_widest_instructions
from asr_core.engines.whisper.confidence import relative_likelihoods
from asr_core.engines.whisper.engine import WhisperEngine
from asr_core.engines.whisper.hypotheses import DecodingResult, TokenTimings
from asr_core.engines.whisper.requests import DecodingRequest
from asr_core.engines.whisper.tokenizer import WhisperTokenizer
from asr_core.engines.worker_pool import split_threads
from asr_core.errors import ModelError
from asr_core.models.ctranslate2_format import locate_arrays

__all__ = ["CTranslate2Engine"]

_MEDIAN_FILTER_WIDTH = 7

_CUDA_BATCH = 8


class CTranslate2Engine(WhisperEngine[ctranslate2.StorageView]):
    """Whisper in CTranslate2.

    Implements :class:`~asr_core.engines.whisper.engine.WhisperEngine`.

    Args:
        directory: a model in CTranslate2 format.
        compute_type: of the weights; None for int8 on a CPU, 16-bit on CUDA.
        n_threads: cores for all calls together; None for all.
        batch_size: windows of a file to decode together; None for the default.

    Raises:
        ModelError: ``directory`` holds no Whisper model that can be loaded.
    """

    def __init__(
        self,
        directory: Path,
        *,
        compute_type: str | None = None,
        n_threads: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        self._on_cuda = ctranslate2.get_cuda_device_count() > 0
        self._compute_type = compute_type or ("float16" if self._on_cuda else "int8")
        n_workers, n_each = (1, 1) if self._on_cuda else split_threads(n_threads)
        locate_arrays(directory / "model.bin")  # raises if the file is damaged
        self._model = self._load(directory, n_workers, n_each)
        tokenizer = WhisperTokenizer(directory, multilingual=self._model.is_multilingual)
        usual_batch = _CUDA_BATCH if self._on_cuda else 1
        super().__init__(
            tokenizer,
            self._model.n_mels,
            n_parallel=n_workers,
            batch_size=usual_batch,
            background_batch_size=batch_size or usual_batch,
            batches_encoder=self._on_cuda,
            supports_beam_search=True,
        )

    def _load(self, directory: Path, n_workers: int, n_threads: int) -> ctranslate2.models.Whisper:
        use_widest_instructions()
        try:
            return ctranslate2.models.Whisper(
                str(directory),
                device="cuda" if self._on_cuda else "cpu",
                compute_type=self._compute_type,
                inter_threads=n_workers,
                intra_threads=n_threads,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"The model in {directory} cannot be loaded ({error}); delete that folder and "
                "fetch the model again."
            ) from None

    @property
    def name(self) -> EngineName:
        return "ctranslate2"

    @property
    def device(self) -> str:
        return f"{'CUDA' if self._on_cuda else 'CPU'}, {self._compute_type}"

    def _encode(self, features: NDArray[np.float32]) -> ctranslate2.StorageView:
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features))
        return self._model.encode(view, to_cpu=False)

    def _on_cpu(self, encoded: ctranslate2.StorageView) -> NDArray[np.float32]:
        return np.asarray(encoded.to_device(ctranslate2.Device.cpu) if self._on_cuda else encoded)

    def _select(
        self, encoded: ctranslate2.StorageView, indices: list[int]
    ) -> ctranslate2.StorageView:
        if indices == list(range(encoded.shape[0])):
            return encoded
        rows = np.ascontiguousarray(self._on_cpu(encoded)[indices])
        return ctranslate2.StorageView.from_array(rows)

    def _concatenate(self, encoded: list[ctranslate2.StorageView]) -> ctranslate2.StorageView:
        rows = np.concatenate([self._on_cpu(part) for part in encoded])
        return ctranslate2.StorageView.from_array(rows)

    def _language_probabilities(self, encoded: ctranslate2.StorageView) -> list[dict[str, float]]:
        rankings = self._model.detect_language(encoded)
        return [{token[2:-2]: p for token, p in ranking} for ranking in rankings]

    def _decode(
        self, encoded: ctranslate2.StorageView, requests: list[DecodingRequest]
    ) -> list[DecodingResult]:
        n_given = len(requests[0].decoder_input)
        n_new = max(request.max_new_tokens for request in requests)
        results = self._model.generate(
            encoded,
            [request.decoder_input for request in requests],
            beam_size=requests[0].beam_size,
            num_hypotheses=requests[0].beam_size,
            # CTranslate2 allows min(max_length / 2, max_length - prompt) new tokens.
            max_length=max(2 * n_new, n_new + n_given),
            return_no_speech_prob=True,
            return_scores=True,
            repetition_penalty=requests[0].repetition_penalty,
            # At the first token it also forbids the end, where a prefix may be the whole text.
            suppress_blank=not requests[0].prefix,
        )
        decoded = []
        for result in results:
            # With the prefix, as far as there is one.
            best, *alternatives = map(self.tokenizer.text_only, result.sequences_ids)
            # Scores are means over the tokens and the end token.
            lengths = [len(tokens) + 1 for tokens in result.sequences_ids]
            totals = [n * score for n, score in zip(lengths, result.scores, strict=True)]
            likelihoods = relative_likelihoods(totals)
            decoded.append(DecodingResult(best, result.no_speech_prob, alternatives, likelihoods))
        return decoded

    def _align(
        self,
        encoded: ctranslate2.StorageView,
        requests: list[DecodingRequest],
        texts: list[list[int]],
    ) -> list[TokenTimings]:
        # One by one on a CPU: in a batch each takes half as long again.
        size = len(texts) if self._on_cuda else 1
        results = []
        for at in range(0, len(texts), size):
            rows = list(range(at, at + size))
            results += self._model.align(
                self._select(encoded, rows),
                # CTranslate2 adds <|notimestamps|> itself.
                requests[0].previous + requests[0].start[:-1],
                [texts[i] for i in rows],
                [2 * requests[i].n_frames for i in rows],
                median_filter_width=_MEDIAN_FILTER_WIDTH,
            )
        aligned = []
        for result, text in zip(results, texts, strict=True):
            path = np.array(result.alignments, np.int64)
            first = np.searchsorted(path[:, 0], np.arange(len(text) + 1))
            frames = np.append(path[:, 1], path[-1, 1] + 1)[first]
            aligned.append(TokenTimings(cast(NDArray[np.int64], frames), result.text_token_probs))
        return aligned
