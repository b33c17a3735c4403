from __future__ import annotations

from asr_core.models import CATALOGUE, DEFAULT_MODEL

NAMES = {
    "tiny.en", "tiny", "base.en", "base", "small.en", "small",
    "medium", "large-v3", "large-v3-turbo", "distil-large-v3",
}  # fmt: skip


def test_the_whisper_family_is_there() -> None:
    assert set(CATALOGUE) == NAMES
    assert DEFAULT_MODEL in CATALOGUE


def test_every_card_says_what_a_user_wants_to_know() -> None:
    for name, card in CATALOGUE.items():
        assert card.name == name
        assert card.repo.count("/") == 1
        assert card.disk_mb > 0 and card.memory_mb > 0
        assert card.licence
        assert card.is_multilingual == (not name.endswith(".en") and not name.startswith("distil"))
        assert "of memory" in card.summary


def test_every_wheel_is_checked_by_digest() -> None:
    for card in CATALOGUE.values():
        if card.wheel is not None:
            assert set(card.wheel.parts) <= set(card.sha256)
