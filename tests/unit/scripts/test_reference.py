"""Documents have no broken references."""

from __future__ import annotations

import pytest

from scripts import reference


@pytest.mark.parametrize("text", ["Modell", "Model.transscribe", "asr_core.nothing"])
def test_a_broken_reference_is_found(text: str) -> None:
    assert reference.unresolved(f"<p>See <code>{text}</code>.</p>") == [text]


@pytest.mark.parametrize(
    "text", ['<a href="#Model">Model</a>', "is_cancelled", "None", '"docx"', "speak-and-read"]
)
def test_links_arguments_and_values_are_not_broken_references(text: str) -> None:
    assert reference.unresolved(f"<p>See <code>{text}</code>.</p>") == []


def test_no_document_has_broken_references() -> None:
    assert reference.broken_links() == []
    assert reference.broken_names() == []
