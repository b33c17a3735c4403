"""Whisper on transformers and torch: the engine for GPUs; runs on any CPU as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu
from transformers import WhisperForConditionalGeneration

from asr_core.engines.base import EngineName
from asr_core.engines.torch.decoder import TorchDecoder, TorchEncodedAudio
from asr_core.engines.whisper.engine import WhisperEngine
from asr_core.engines.whisper.hypotheses import DecodingResult, TokenTimings
from asr_core.engines.whisper.requests import DecodingRequest
from asr_core.engines.whisper.timing import token_frames
from asr_core.engines.whisper.tokenizer import WhisperTokenizer
from asr_core.errors import ModelError
from asr_core.models.capabilities import MULTILINGUAL_SIZE
from asr_core.models.ctranslate2_format import convert_to_transformers, read_config
from asr_core.text.repetition import is_runaway

__all__ = ["TransformersEngine"]

_GPU_BATCH = 8
_BACKGROUND_BATCH = 8
_BACKGROUND_GPU_BATCH = 16


class TransformersEngine(WhisperEngine[TorchEncodedAudio]):
    """Whisper in torch, decoding greedily.

    Implements :class:`~asr_core.engines.whisper.engine.WhisperEngine`. The library's
    ``generate`` accepts no shortened encoder context.

    Args:
        directory: a model in transformers or CTranslate2 format.
        device: ``"cuda"``, ``"mps"`` or ``"cpu"``; None for the best one there is.
        n_threads: cores for the whole process; None for all.
        batch_size: windows of a file to decode together; None for the default.

    Raises:
        ModelError: ``directory`` holds no Whisper model that can be loaded.
    """

    def __init__(
        self,
        directory: Path,
        *,
        device: str | None = None,
        n_threads: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        self._device = torch.device(device or _default_device())
        self._dtype = _default_dtype(self._device)
        # cuDNN plans attention anew for each shape, and every decoding step has another one.
        torch.backends.cuda.enable_cudnn_sdp(False)
        config = read_config(directory)
        model = _load(directory)
        model.set_attn_implementation("sdpa")
        model = model.to(device=self._device, dtype=self._dtype).eval()
        n_vocabulary: int = model.config.vocab_size
        on_gpu = self._device.type != "cpu"
        super().__init__(
            WhisperTokenizer(directory, multilingual=n_vocabulary >= MULTILINGUAL_SIZE),
            model.config.num_mel_bins,
            batch_size=_GPU_BATCH if on_gpu else 1,
            background_batch_size=batch_size
            or (_BACKGROUND_GPU_BATCH if on_gpu else _BACKGROUND_BATCH),
            batches_encoder=on_gpu,
        )
        self._encoder: Any = model.model.encoder
        self._decoder = TorchDecoder(model, _alignment_heads(directory, config, model.config))
        self._mask, self._initial_mask = self._token_masks(directory, config, n_vocabulary)

    @property
    def name(self) -> EngineName:
        return "transformers"

    @property
    def device(self) -> str:
        return f"{self._device.type.upper()}, {str(self._dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def _encode(self, features: NDArray[np.float32]) -> TorchEncodedAudio:
        """Run the encoder's steps one by one: its ``forward`` insists on 30 s of audio."""
        encoder = self._encoder
        mel = torch.from_numpy(features).to(self._device, self._dtype)
        hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for layer in encoder.layers:
            hidden = layer(hidden, None)
        return TorchEncodedAudio(encoder.layer_norm(hidden))

    def _select(self, encoded: TorchEncodedAudio, indices: list[int]) -> TorchEncodedAudio:
        if indices == list(range(len(encoded.encoded))):
            return encoded
        return TorchEncodedAudio(encoded.encoded[indices])

    def _concatenate(self, encoded: list[TorchEncodedAudio]) -> TorchEncodedAudio:
        return TorchEncodedAudio(torch.cat([part.encoded for part in encoded]))

    @torch.inference_mode()
    def _language_probabilities(self, encoded: TorchEncodedAudio) -> list[dict[str, float]]:
        start = torch.full((len(encoded.encoded), 1), self.tokenizer.start, device=self._device)
        logits = self._decoder.logits(
            self._decoder.forward(start, self._decoder.new_cache(encoded, n_tokens=1))[:, 0]
        )
        codes, numbers = zip(*self.tokenizer.language_tokens.items(), strict=True)
        rows = logits[:, list(numbers)].softmax(-1).tolist()
        return [dict(zip(codes, row, strict=True)) for row in rows]

    @torch.inference_mode()
    def _decode(
        self, encoded: TorchEncodedAudio, requests: list[DecodingRequest]
    ) -> list[DecodingResult]:
        prompts = torch.tensor([request.decoder_input for request in requests], device=self._device)
        n_new = max(request.max_new_tokens for request in requests)
        cache = self._decoder.new_cache(encoded, prompts.shape[1] + n_new)
        hidden = self._decoder.forward(prompts, cache)
        no_speech = self._decoder.logits(hidden[:, len(requests[0].previous)]).softmax(-1)
        no_speech = no_speech[:, self.tokenizer.no_speech].tolist()
        texts = [list(request.prefix) for request in requests]
        running = [True] * len(requests)
        for step in range(n_new):
            mask = self._mask if step or requests[0].prefix else self._initial_mask
            scores = self._decoder.logits(hidden[:, -1]) + mask
            if requests[0].repetition_penalty != 1:
                self._penalise_repetition(scores, texts, requests[0].repetition_penalty)
            tokens = scores.argmax(-1).tolist()
            for i in range(len(requests)):
                running[i] &= tokens[i] != self.tokenizer.end
                if running[i]:
                    texts[i].append(tokens[i])
                    running[i] = not is_runaway(texts[i][len(requests[i].prefix) :])
            if not any(running):
                break
            newest = torch.tensor(tokens, device=self._device)[:, None]
            hidden = self._decoder.forward(newest, cache)
        return [
            DecodingResult(self.tokenizer.text_only(text), probability)
            for text, probability in zip(texts, no_speech, strict=True)
        ]

    @staticmethod
    def _penalise_repetition(scores: torch.Tensor, texts: list[list[int]], penalty: float) -> None:
        """Lower the scores of tokens that a row's text already holds, in place."""
        for row, text in zip(scores, texts, strict=True):
            written = torch.tensor(sorted(set(text)), dtype=torch.long, device=row.device)
            row[written] = torch.where(
                row[written] > 0, row[written] / penalty, row[written] * penalty
            )

    @torch.inference_mode()
    def _align(
        self, encoded: TorchEncodedAudio, requests: list[DecodingRequest], texts: list[list[int]]
    ) -> list[TokenTimings]:
        start = requests[0].previous + requests[0].start
        longest = max(len(text) for text in texts)
        # Rows are padded at the right; what comes after the end is ignored.
        rows = [start + text + [self.tokenizer.end] * (longest + 1 - len(text)) for text in texts]
        tokens = torch.tensor(rows, device=self._device)
        cache = self._decoder.new_cache(encoded, tokens.shape[1])
        hidden, attention = self._decoder.forward_with_attention(tokens, cache)
        probabilities = self._decoder.logits(hidden[:, len(start) - 1 : -1]).softmax(-1)
        targets = tokens[:, len(start) :, None]
        token_probabilities = probabilities.gather(-1, targets).squeeze(-1).tolist()
        weights = attention.cpu().numpy()
        aligned = []
        for i, (request, text) in enumerate(zip(requests, texts, strict=True)):
            frames = token_frames(
                weights[i, :, : len(start) + len(text)], len(start), request.n_frames
            )
            aligned.append(TokenTimings(frames, token_probabilities[i][: len(text)]))
        return aligned

    def _token_masks(
        self, directory: Path, config: dict[str, Any], n_vocabulary: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what to add to the logits: minus infinity for tokens that are never text.

        The second mask is for the first token.
        """
        generation = config
        if "suppress_ids" not in config and (directory / "generation_config.json").exists():
            import json

            generation = json.loads((directory / "generation_config.json").read_text())
        never = generation.get("suppress_ids", generation.get("suppress_tokens")) or []
        not_first = generation.get("suppress_ids_begin", generation.get("begin_suppress_tokens"))
        mask = torch.zeros(n_vocabulary, device=self._device)
        mask[[token for token in never if token >= 0]] = -torch.inf
        mask[self.tokenizer.no_timestamps + 1 :] = -torch.inf
        first = mask.clone()
        first[not_first or []] = -torch.inf
        return mask, first


def _load(directory: Path) -> Any:
    if (directory / "model.bin").exists():
        return convert_to_transformers(directory)
    try:
        return WhisperForConditionalGeneration.from_pretrained(
            directory, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"The model in {directory} cannot be loaded ({error}).") from None


def _default_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _default_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cpu":
        return torch.float32
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def _alignment_heads(
    directory: Path, config: dict[str, Any], whisper_config: Any
) -> list[tuple[int, int]]:
    """Return layer and head: as configured, else all heads of the upper half of the layers."""
    heads = config.get("alignment_heads")
    if heads is None and (directory / "generation_config.json").exists():
        import json

        heads = json.loads((directory / "generation_config.json").read_text()).get(
            "alignment_heads"
        )
    if heads:
        return [(int(layer), int(head)) for layer, head in heads]
    layers = range(whisper_config.decoder_layers // 2, whisper_config.decoder_layers)
    return [(i, head) for i in layers for head in range(whisper_config.decoder_attention_heads)]
