"""Whisper on transformers and torch: the engine for GPUs, and for any CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu
from transformers import WhisperForConditionalGeneration

from asr_core.engines.alignment import token_frames
from asr_core.engines.base import EngineName
from asr_core.engines.tokens import Vocabulary
from asr_core.engines.torch_decoder import Sound, TorchDecoder
from asr_core.engines.whisper import Aligned, Decoded, Request, WhisperEngine
from asr_core.errors import ModelError
from asr_core.models.abilities import MULTILINGUAL_SIZE
from asr_core.models.convert import read_config, to_transformers

__all__ = ["TransformersEngine"]

_GPU_BATCH = 8
_PATIENT_BATCH = 8
_PATIENT_GPU_BATCH = 16


class TransformersEngine(WhisperEngine[Sound]):
    """See :class:`~asr_core.engines.whisper.WhisperEngine`.

    Decodes greedily, step by step: the library's ``generate`` takes neither a shortened
    encoder context nor windows with prefixes of different lengths.

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
        # cuDNN's attention plans each new shape anew, and every step of a decoder is one.
        torch.backends.cuda.enable_cudnn_sdp(False)
        config = read_config(directory)
        model = _load(directory)
        model.set_attn_implementation("sdpa")
        model = model.to(device=self._device, dtype=self._dtype).eval()
        n_vocabulary: int = model.config.vocab_size
        on_gpu = self._device.type != "cpu"
        super().__init__(
            Vocabulary(directory, multilingual=n_vocabulary >= MULTILINGUAL_SIZE),
            model.config.num_mel_bins,
            batch_size=_GPU_BATCH if on_gpu else 1,
            patient_batch_size=batch_size or (_PATIENT_GPU_BATCH if on_gpu else _PATIENT_BATCH),
            checks_drafts=True,
            encodes_batches=on_gpu,
        )
        self._encoder: Any = model.model.encoder
        self._decoder = TorchDecoder(model, _alignment_heads(directory, config, model.config))
        self._mask, self._first_mask = self._token_masks(directory, config, n_vocabulary)

    @property
    def name(self) -> EngineName:
        return "transformers"

    @property
    def device(self) -> str:
        return f"{self._device.type.upper()}, {str(self._dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def _encode(self, features: NDArray[np.float32]) -> Sound:
        """The encoder's own steps; its ``forward`` insists on 30 s of audio."""
        encoder = self._encoder
        mel = torch.from_numpy(features).to(self._device, self._dtype)
        hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for layer in encoder.layers:
            hidden = layer(hidden, None)
        return Sound(encoder.layer_norm(hidden))

    def _take(self, encoded: Sound, indices: list[int]) -> Sound:
        if indices == list(range(len(encoded.encoded))):
            return encoded
        return Sound(encoded.encoded[indices])

    def _join(self, encoded: list[Sound]) -> Sound:
        return Sound(torch.cat([part.encoded for part in encoded]))

    @torch.inference_mode()
    def _language_probabilities(self, encoded: Sound) -> list[dict[str, float]]:
        start = torch.full((len(encoded.encoded), 1), self.vocabulary.start, device=self._device)
        logits = self._decoder.logits(
            self._decoder.read(start, self._decoder.begin(encoded, n_tokens=1))[:, 0]
        )
        codes, numbers = zip(*self.vocabulary.language_tokens.items(), strict=True)
        rows = logits[:, list(numbers)].softmax(-1).tolist()
        return [dict(zip(codes, row, strict=True)) for row in rows]

    @torch.inference_mode()
    def _decode(self, encoded: Sound, requests: list[Request]) -> list[Decoded]:
        prompts = torch.tensor([request.prompt for request in requests], device=self._device)
        n_new = max(request.max_new_tokens for request in requests)
        past = self._decoder.begin(encoded, prompts.shape[1] + n_new)
        hidden = self._decoder.read(prompts, past)
        no_speech = self._decoder.logits(hidden[:, len(requests[0].previous)]).softmax(-1)
        no_speech = no_speech[:, self.vocabulary.no_speech].tolist()
        texts = [list(request.draft) for request in requests]
        running = [True] * len(requests)
        for step in range(n_new):
            mask = self._mask if step or requests[0].draft else self._first_mask
            scores = self._decoder.logits(hidden[:, -1]) + mask
            if requests[0].repetition_penalty != 1:
                self._penalise(scores, texts, requests[0].repetition_penalty)
            tokens = scores.argmax(-1).tolist()
            for i in range(len(requests)):
                running[i] &= tokens[i] != self.vocabulary.end
                if running[i]:
                    texts[i].append(tokens[i])
            if not any(running):
                break
            newest = torch.tensor(tokens, device=self._device)[:, None]
            hidden = self._decoder.read(newest, past)
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
        self, encoded: Sound, requests: list[Request], texts: list[list[int]]
    ) -> list[Aligned]:
        start = requests[0].previous + requests[0].start
        longest = max(len(text) for text in texts)
        # Rows are filled up at the right; what comes after the end is not looked at.
        rows = [start + text + [self.vocabulary.end] * (longest + 1 - len(text)) for text in texts]
        tokens = torch.tensor(rows, device=self._device)
        past = self._decoder.begin(encoded, tokens.shape[1])
        hidden, attention = self._decoder.follow(tokens, past)
        probabilities = self._decoder.logits(hidden[:, len(start) - 1 : -1]).softmax(-1)
        said = tokens[:, len(start) :, None]
        spoken = probabilities.gather(-1, said).squeeze(-1).tolist()
        weights = attention.cpu().numpy()
        aligned = []
        for i, (request, text) in enumerate(zip(requests, texts, strict=True)):
            frames = token_frames(
                weights[i, :, : len(start) + len(text)], len(start), request.n_frames
            )
            aligned.append(Aligned(frames, spoken[i][: len(text)]))
        return aligned

    def _token_masks(
        self, directory: Path, config: dict[str, Any], n_vocabulary: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What to add to the logits: minus infinity for what is never text."""
        generation = config
        if "suppress_ids" not in config and (directory / "generation_config.json").exists():
            import json

            generation = json.loads((directory / "generation_config.json").read_text())
        never = generation.get("suppress_ids", generation.get("suppress_tokens")) or []
        not_first = generation.get("suppress_ids_begin", generation.get("begin_suppress_tokens"))
        mask = torch.zeros(n_vocabulary, device=self._device)
        mask[[token for token in never if token >= 0]] = -torch.inf
        mask[self.vocabulary.no_timestamps + 1 :] = -torch.inf
        first = mask.clone()
        first[not_first or []] = -torch.inf
        return mask, first


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
