"""Our decoder on torch compared with the library's own, on real weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asr_core.models.ctranslate2_format import convert_to_transformers

HEADS = [(1, 2), (3, 0), (3, 5)]
TOKENS = [[50257, 50362, 632, 373], [50257, 50362, 383, 1266]]

if TYPE_CHECKING:  # every process that runs tests would import torch
    import torch


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    import torch

    with torch.inference_mode():
        yield


@pytest.fixture
def tokens() -> torch.Tensor:
    import torch

    return torch.tensor(TOKENS)


@pytest.fixture(scope="module")
def model(tiny_en: Path) -> Any:
    whisper = convert_to_transformers(tiny_en).eval()
    whisper.set_attn_implementation("eager")  # the implementation that returns its attention
    return whisper


@pytest.fixture(scope="module")
def encoded() -> torch.Tensor:
    """Random values of the level of the encoder's output."""
    import torch

    return torch.randn(2, 300, 384, generator=torch.Generator().manual_seed(1))


def test_logits_match_the_library_at_once_and_step_by_step(
    model: Any, encoded: torch.Tensor, tokens: torch.Tensor
) -> None:
    import torch

    from asr_core.engines.torch.decoder import TorchDecoder, TorchEncodedAudio

    known = model.model.decoder(input_ids=tokens, encoder_hidden_states=encoded)
    wanted = model.proj_out(known.last_hidden_state)
    decoder = TorchDecoder(model, HEADS)
    at_once = decoder.logits(
        decoder.forward(tokens, decoder.new_cache(TorchEncodedAudio(encoded), n_tokens=4))
    )
    torch.testing.assert_close(at_once, wanted, atol=1e-3, rtol=1e-4)
    alone = decoder.forward(
        tokens[:1], decoder.new_cache(TorchEncodedAudio(encoded[:1]), n_tokens=4)
    )[:, -1]
    torch.testing.assert_close(decoder.logits(alone), wanted[:1, -1], atol=1e-3, rtol=1e-4)
    cache = decoder.new_cache(TorchEncodedAudio(encoded), n_tokens=4)
    parts = [
        decoder.forward(part, cache) for part in (tokens[:, :2], tokens[:, 2:3], tokens[:, 3:])
    ]
    torch.testing.assert_close(
        decoder.logits(torch.cat(parts, dim=1)), wanted, atol=1e-3, rtol=1e-4
    )


def test_alignment_heads_match_the_library(
    model: Any, encoded: torch.Tensor, tokens: torch.Tensor
) -> None:
    import torch

    from asr_core.engines.torch.decoder import TorchDecoder, TorchEncodedAudio

    known = model.model.decoder(
        input_ids=tokens, encoder_hidden_states=encoded, output_attentions=True
    )
    wanted = torch.stack([known.cross_attentions[layer][:, head] for layer, head in HEADS], dim=1)
    decoder = TorchDecoder(model, HEADS)
    audio = TorchEncodedAudio(encoded)
    hidden, attention = decoder.forward_with_attention(tokens, decoder.new_cache(audio, n_tokens=4))
    torch.testing.assert_close(attention, wanted, atol=1e-5, rtol=1e-3)
    alone = decoder.forward(tokens, decoder.new_cache(audio, n_tokens=4))
    torch.testing.assert_close(hidden, alone)
