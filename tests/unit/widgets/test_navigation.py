from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from widgets.markdown import escape_markdown


def script() -> None:
    from widgets.navigation import navigate

    navigate()


def test_without_a_gate_the_page_says_which_setting_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASR_LOG", "xml")
    page = AppTest.from_function(script, default_timeout=60).run()
    assert not page.exception
    assert [error.value for error in page.error] == [
        escape_markdown("ASR_LOG is 'xml'; set it to plain or json, or remove it.")
    ]
    assert not page.selectbox
