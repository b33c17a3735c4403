"""The app's own components, assembled from their files."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st

from widgets.frontend import define_component


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("kept_words", ["async function copy("]),
        ("microphone_check", []),
        ("transcript_editor", ["async function copy("]),
        ("transcript_view", ["async function copy(", "function keep("]),
    ],
)
def test_a_component_is_one_module_with_what_it_imports(
    name: str, shared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: dict[str, Any] = {}
    monkeypatch.setattr(st.components.v2, "component", lambda _, **given: sources.update(given))
    define_component(name)
    assert sources["html"]
    assert "import " not in sources["js"] and "@import" not in sources["css"]
    assert sources["js"].count("export ") == 1
    for function in shared:
        assert function in sources["js"]
