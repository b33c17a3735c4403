from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from widgets.markdown import escape_markdown


@given(st.text())
def test_everything_but_letters_digits_and_spaces_is_escaped(text: str) -> None:
    shown = escape_markdown(text)
    for at, character in enumerate(shown):
        if character in "*_[]()<>#!|`~:$":
            assert shown[at - 1] == "\\"


def test_characters_no_message_can_carry_are_replaced() -> None:
    """Streamlit's messages are UTF-8, which has no lone surrogates."""
    assert escape_markdown("a\ud800\u202eb\x1b").encode() == "a\ufffdb\ufffd".encode()


def test_a_name_is_shown_as_it_is() -> None:
    def script() -> None:
        import streamlit as st

        from widgets.markdown import escape_markdown

        st.markdown(escape_markdown("![x](http://example.org/x.png) :red[a] $b$ *c* <i>"))

    app = AppTest.from_function(script).run()
    assert app.markdown[0].value.count("\\") >= 12
