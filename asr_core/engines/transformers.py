"""Whisper on transformers and torch: the engine for GPUs, and for any CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu
from transformers import DynamicCache, EncoderDecoderCache, WhisperForConditionalGeneration

from asr_core.engines.alignment import token_frames
from asr_core.engines.base import EngineName
from asr_core.engines.tokens import Vocabulary
from asr_core.engines.whisper import Aligned, Decoded, Request, WhisperEngine
from asr_core.errors import ModelError
from asr_core.models.convert import read_config, to_transformers

__all__ = ["TransformersEngine"]

_GPU_BATCH = 8
_MULTILINGUAL_VOCABULARY = 51865  # models for English alone have one token less


class TransformersEngine(WhisperEngine[torch.Tensor]):
    """See :class:`~asr_core.engines.whisper.WhisperEngine`.

    Decodes greedily with a key-value cache of its own making: the library's
    ``generate`` takes neither a shortened encoder context nor windows with
    prefixes of different lengths.

    Args:
        directory: a model in transformers or CTranslate2 format.
        device: ``cuda``, ``mps`` or ``cpu``; the best there is by default.
        n_threads: cores, for the whole process; all there are by default.
        batch_size: windows of a file that are decoded together.

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
        self._device = torch.device(device or _best_device())
        self._dtype = _best_dtype(self._device)
        config = read_config(directory)
        model = _load(directory)
        model.set_attn_implementation("sdpa")
        self._model: Any = model.to(device=self._device, dtype=self._dtype).eval()
        whisper_config = self._model.config
        multilingual = whisper_config.vocab_size >= _MULTILINGUAL_VOCABULARY
        super().__init__(
            Vocabulary(directory, multilingual=multilingual),
            whisper_config.num_mel_bins,
            batch_size=1 if self._device.type == "cpu" else _GPU_BATCH,
            patient_batch_size=batch_size or _GPU_BATCH,
            checks_drafts=True,
            encodes_batches=self._device.type != "cpu",
        )
        self._alignment_heads = _alignment_heads(directory, config, whisper_config)
        self._mask, self._first_mask = self._token_masks(directory, config)

    @property
    def name(self) -> EngineName:
        return "transformers"

    @property
    def device(self) -> str:
        return f"{self._device.type.upper()}, {str(self._dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def _encode(self, features: NDArray[np.float32]) -> torch.Tensor:
        """The encoder's own steps; its ``forward`` insists on 30 s of audio."""
        encoder = self._model.model.encoder
        mel = torch.from_numpy(features).to(self._device, self._dtype)
        hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for layer in encoder.layers:
            hidden = layer(hidden, None)
        output: torch.Tensor = encoder.layer_norm(hidden)
        return output

    def _take(self, encoded: torch.Tensor, indices: list[int]) -> torch.Tensor:
        return encoded[indices]

    def _join(self, encoded: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(encoded)

    @torch.inference_mode()
    def _language_probabilities(self, encoded: torch.Tensor) -> list[dict[str, float]]:
        start = torch.full((len(encoded), 1), self.vocabulary.start, device=self._device)
        codes, numbers = zip(*self.vocabulary.language_tokens.items(), strict=True)
        logits = self._logits(start, encoded)[:, -1, list(numbers)]
        return [dict(zip(codes, row, strict=True)) for row in logits.float().softmax(-1).tolist()]

    @torch.inference_mode()
    def _decode(self, encoded: torch.Tensor, requests: list[Request]) -> list[Decoded]:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        prompts = torch.tensor([request.prompt for request in requests], device=self._device)
        logits = self._logits(prompts, encoded, cache)
        no_speech = logits[:, len(requests[0].previous)].float().softmax(-1)
        no_speech = no_speech[:, self.vocabulary.no_speech].tolist()
        texts = [list(request.draft) for request in requests]
        running = [True] * len(requests)
        for step in range(max(request.max_new_tokens for request in requests)):
            mask = self._mask if step or requests[0].draft else self._first_mask
            scores = logits[:, -1].float() + mask
            if requests[0].repetition_penalty != 1:
                self._penalise(scores, texts, requests[0].repetition_penalty)
            tokens = scores.argmax(-1).tolist()
            for i in range(len(requests)):
                running[i] &= tokens[i] != self.vocabulary.end
                if running[i]:
                    texts[i].append(tokens[i])
            if not any(running):
                break
            logits = self._logits(
                torch.tensor(tokens, device=self._device)[:, None], encoded, cache
            )
        return [
            Decoded(self.vocabulary.text_only(text), probability)
            for text, probability in zip(texts, no_speech, strict=True)
        ]

    @staticmethod
    def _penalise(scores: torch.Tensor, texts: list[list[int]], penalty: float) -> None:
        """Of each row, in place, the tokens that its text has already."""
        for row, text in zip(scores, texts, strict=True):
            written = torch.tensor(sorted(set(text)), dtype=torch.long, device=row.device)
            row[written] = torch.where(
                row[written] > 0, row[written] / penalty, row[written] * penalty
            )

    @torch.inference_mode()
    def _align(
        self, encoded: torch.Tensor, requests: list[Request], texts: list[list[int]]
    ) -> list[Aligned]:
        start = requests[0].previous + requests[0].start
        longest = max(len(text) for text in texts)
        # Rows are filled up at the right; what comes after the end is not looked at.
        rows = [start + text + [self.vocabulary.end] * (longest + 1 - len(text)) for text in texts]
        queries = _CrossQueries(self._model, self._alignment_heads)
        with queries:
            logits = self._logits(torch.tensor(rows, device=self._device), encoded)
        probabilities = logits[:, len(start) - 1 : -1].float().softmax(-1)
        aligned = []
        for i, (request, text) in enumerate(zip(requests, texts, strict=True)):
            n_tokens = len(start) + len(text)
            weights = queries.weights(encoded, i, n_tokens, request.n_frames)
            spoken = probabilities[i, torch.arange(len(text)), text]
            aligned.append(Aligned(token_frames(weights, len(start)), spoken.tolist()))
        return aligned

    def _logits(
        self,
        tokens: torch.Tensor,
        encoded: torch.Tensor,
        cache: EncoderDecoderCache | None = None,
    ) -> torch.Tensor:
        """(batch, n_tokens) → (batch, n_tokens, n_vocabulary)."""
        hidden = self._model.model.decoder(
            input_ids=tokens,
            encoder_hidden_states=encoded,
            cache=cache,
            use_cache=cache is not None,
        )
        logits: torch.Tensor = self._model.proj_out(hidden.last_hidden_state)
        return logits

    def _token_masks(
        self, directory: Path, config: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What to add to the logits: minus infinity for what is never text."""
        generation = config
        if "suppress_ids" not in config and (directory / "generation_config.json").exists():
            import json

            generation = json.loads((directory / "generation_config.json").read_text())
        never = generation.get("suppress_ids", generation.get("suppress_tokens")) or []
        not_first = generation.get("suppress_ids_begin", generation.get("begin_suppress_tokens"))
        mask = torch.zeros(self._model.config.vocab_size, device=self._device)
        mask[[token for token in never if token >= 0]] = -torch.inf
        mask[self.vocabulary.no_timestamps + 1 :] = -torch.inf
        first = mask.clone()
        first[not_first or []] = -torch.inf
        return mask, first


class _CrossQueries:
    """Records what the alignment heads ask of the audio, while it is entered.

    The fused attention kernels do not hand out their weights, so those of the
    few heads that matter are computed again from the recorded queries.
    """

    def __init__(self, model: Any, heads: list[tuple[int, int]]) -> None:
        self._layers = model.model.decoder.layers
        self._heads = heads
        self._inputs: dict[int, torch.Tensor] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> None:
        for i in {layer for layer, _ in self._heads}:
            attention = self._layers[i].encoder_attn

            def record(module: Any, args: Any, kwargs: Any, i: int = i) -> None:
                self._inputs[i] = args[0] if args else kwargs["hidden_states"]

            self._hooks.append(attention.register_forward_pre_hook(record, with_kwargs=True))

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def weights(
        self, encoded: torch.Tensor, row: int, n_tokens: int, n_frames: int
    ) -> NDArray[np.float32]:
        """(n_heads, n_tokens, n_frames) attention of one row of the batch."""
        weights = []
        for layer, head in self._heads:
            attention = self._layers[layer].encoder_attn
            size = attention.head_dim
            span = slice(head * size, (head + 1) * size)
            query = attention.q_proj(self._inputs[layer][row, :n_tokens])[:, span]
            key = attention.k_proj(encoded[row, :n_frames])[:, span]
            scores = (query * attention.scaling) @ key.T
            weights.append(scores.float().softmax(-1))
        return torch.stack(weights).cpu().numpy()


def _load(directory: Path) -> Any:
    if (directory / "model.bin").exists():
        return to_transformers(directory)
    try:
        return WhisperForConditionalGeneration.from_pretrained(
            directory, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"The model in {directory} cannot be loaded ({error}).") from None


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cpu":
        return torch.float32
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def _alignment_heads(
    directory: Path, config: dict[str, Any], whisper_config: Any
) -> list[tuple[int, int]]:
    """Of the config, of the generation config, or all of the upper half."""
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
