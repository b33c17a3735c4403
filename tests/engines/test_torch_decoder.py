"""Our decoder on torch beside the library's own, on real weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from asr_core.engines.torch_decoder import Sound, TorchDecoder
from asr_core.models.convert import to_transformers

HEADS = [(1, 2), (3, 0), (3, 5)]
TOKENS = torch.tensor([[50257, 50362, 632, 373], [50257, 50362, 383, 1266]])


@pytest.fixture(scope="module")
def model(tiny_en: Path) -> Any:
    whisper = to_transformers(tiny_en).eval()
    whisper.set_attn_implementation("eager")  # the one that hands out its attention
    return whisper


@pytest.fixture(scope="module")
def encoded() -> torch.Tensor:
    """As loud as what the encoder gives; what it says does not matter here."""
    return torch.randn(2, 300, 384, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_it_says_what_the_library_says_all_at_once_and_step_by_step(
    model: Any, encoded: torch.Tensor
) -> None:
    known = model.model.decoder(input_ids=TOKENS, encoder_hidden_states=encoded)
    wanted = model.proj_out(known.last_hidden_state)
    decoder = TorchDecoder(model, HEADS)
    at_once = decoder.logits(decoder.read(TOKENS, decoder.begin(Sound(encoded), n_tokens=4)))
    torch.testing.assert_close(at_once, wanted, atol=1e-3, rtol=1e-4)
    alone = decoder.read(TOKENS[:1], decoder.begin(Sound(encoded[:1]), n_tokens=4))[:, -1]
    torch.testing.assert_close(decoder.logits(alone), wanted[:1, -1], atol=1e-3, rtol=1e-4)
    past = decoder.begin(Sound(encoded), n_tokens=4)
    parts = [decoder.read(part, past) for part in (TOKENS[:, :2], TOKENS[:, 2:3], TOKENS[:, 3:])]
    torch.testing.assert_close(
        decoder.logits(torch.cat(parts, dim=1)), wanted, atol=1e-3, rtol=1e-4
    )


@torch.inference_mode()
def test_it_tells_where_in_the_sound_its_followers_look(model: Any, encoded: torch.Tensor) -> None:
    known = model.model.decoder(
        input_ids=TOKENS, encoder_hidden_states=encoded, output_attentions=True
    )
    wanted = torch.stack([known.cross_attentions[layer][:, head] for layer, head in HEADS], dim=1)
    decoder = TorchDecoder(model, HEADS)
    sound = Sound(encoded)
    hidden, attention = decoder.follow(TOKENS, decoder.begin(sound, n_tokens=4))
    torch.testing.assert_close(attention, wanted, atol=1e-5, rtol=1e-3)
    alone = decoder.read(TOKENS, decoder.begin(sound, n_tokens=4))
    torch.testing.assert_close(hidden, alone)
