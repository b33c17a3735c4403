from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from asr_core.errors import ModelError
from asr_core.models import CATALOGUE, Capabilities, capabilities, check_request


@pytest.mark.parametrize(
    ("model", "is_multilingual", "can_translate"),
    [
        ("tiny.en", False, False),
        ("base", True, True),
        ("large-v3", True, True),
        ("large-v3-turbo", True, False),
        ("dropbox-dash/faster-whisper-large-v3-turbo", True, False),
        ("distil-large-v3", False, False),
        ("distil-whisper/distil-large-v3.5", False, False),
    ],
)
def test_cards_and_hub_ids_give_capabilities_before_anything_is_fetched(
    model: str, is_multilingual: bool, can_translate: bool
) -> None:
    assert capabilities(model) == Capabilities(is_multilingual, can_translate)


def test_english_models_and_cut_down_decoders_do_not_translate() -> None:
    able = {name for name, card in CATALOGUE.items() if card.can_translate}
    assert able == {"tiny", "base", "small", "medium", "large-v3"}


def _in_ctranslate2(directory: Path, n_tokens: int, n_encoder: int, n_decoder: int) -> None:
    """Write a nearly empty ``model.bin`` with the right names."""

    def text(name: str) -> bytes:
        return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"

    layers = [("encoder", n_encoder), ("decoder", n_decoder)]
    arrays = [(f"{part}/layer_{i}/ffn/x", (1,)) for part, n in layers for i in range(n)]
    arrays.append(("decoder/embeddings/weight", (n_tokens, 1)))
    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, shape in arrays:
        n_bytes = shape[0]
        data += text(name) + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
        data += struct.pack("<BI", 1, n_bytes) + bytes(n_bytes)
    (directory / "model.bin").write_bytes(data + struct.pack("<I", 0))


def _in_transformers(directory: Path, n_tokens: int, n_encoder: int, n_decoder: int) -> None:
    config = {"vocab_size": n_tokens, "encoder_layers": n_encoder, "decoder_layers": n_decoder}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "model.safetensors").touch()


@pytest.mark.parametrize("write", [_in_ctranslate2, _in_transformers])
@pytest.mark.parametrize(
    ("n_tokens", "n_encoder", "n_decoder", "expected"),
    [
        (51_866, 32, 32, Capabilities(True, True)),
        (51_866, 32, 4, Capabilities(True, False)),
        (51_864, 4, 4, Capabilities(False, False)),
    ],
)
def test_other_models_are_known_by_their_files(
    write: object,
    n_tokens: int,
    n_encoder: int,
    n_decoder: int,
    expected: Capabilities,
    tmp_path: Path,
) -> None:
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json", "vocabulary.json"):
        (tmp_path / name).write_text("{}")
    write(tmp_path, n_tokens, n_encoder, n_decoder)  # type: ignore[operator]
    assert capabilities(str(tmp_path)) == expected


@pytest.mark.parametrize("model", ["some/model", "/nowhere", "no model", "\0"])
def test_nothing_is_claimed_for_an_unknown_model(model: str) -> None:
    assert capabilities(model) is None
    check_request(model, "de", translate=True)


def test_a_missing_capability_is_one_sentence() -> None:
    check_request("tiny.en", "en")
    check_request("large-v3-turbo", "de", is_mixed=True)
    check_request("base", None, translate=True, is_mixed=True)
    for model, language, wanted, sentence in (
        ("tiny.en", "de", {}, "does not know German"),
        ("tiny.en", None, {"translate": True}, "English only, so it cannot translate"),
        ("distil-large-v3", "en", {"is_mixed": True}, "so it cannot tell languages apart"),
        ("large-v3-turbo", None, {"translate": True}, "was not trained to translate"),
    ):
        with pytest.raises(ModelError, match=sentence):
            check_request(model, language, **wanted)
