from __future__ import annotations

import pytest

from widgets.unsaved import _is_typed


@pytest.mark.parametrize(
    ("key", "value"),
    [("free-0", "Hello"), ("prompt", "Nagg"), ("record-speaker", "Anne"), ("note-x", "odd"),
     ("case-table-1-x", {"edited_rows": {0: {"said": "Hello"}}})],
)  # fmt: skip
def test_what_somebody_typed_counts(key: str, value: object) -> None:
    assert _is_typed(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("free-0", " "), ("prompt", ""), ("model", "tiny.en"), ("section", "Runs"), ("period", 0.4),
     ("case-table-1-x", {"edited_rows": {}}), ("prompt", None)],
)  # fmt: skip
def test_what_a_page_begins_with_does_not(key: str, value: object) -> None:
    assert not _is_typed(key, value)
