from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from widgets.texts import as_written


@given(st.text())
def test_nothing_but_letters_figures_and_spaces_stands_alone(text: str) -> None:
    shown = as_written(text)
    for at, character in enumerate(shown):
        if character in "*_[]()<>#!|`~:$":
            assert shown[at - 1] == "\\"


def test_what_no_message_can_carry_is_replaced() -> None:
    """Streamlit's messages are UTF-8, in which half a character has no place."""
    assert as_written("a\ud800\u202eb\x1b").encode() == "a\ufffdb\ufffd".encode()


def test_a_name_is_shown_as_it_is() -> None:
    def script() -> None:
        import streamlit as st

        from widgets.texts import as_written

        st.markdown(as_written("![x](http://example.org/x.png) :red[a] $b$ *c* <i>"))

    app = AppTest.from_function(script).run()
    assert app.markdown[0].value.count("\\") >= 12
