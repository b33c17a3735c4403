"""Fields of text, drawn by Streamlit without a browser."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from widgets.typed import is_typed_into


def two_pages() -> None:
    import streamlit as st

    from widgets.typed import KEPT, is_typed_into, typed

    if st.checkbox("Other page", key="other"):
        st.text("Other")
    else:
        given = st.session_state.setdefault("case", "stored")
        st.text_input("Said", key=typed("said", given), persist_state=KEPT)
        st.text_input("Note", key=typed("note"), persist_state=KEPT)
    st.session_state["counts"] = is_typed_into(st.session_state)


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(two_pages).run()


def there_and_back(app: AppTest) -> None:
    app.checkbox(key="other").check().run()
    assert [each.value for each in app.text] == ["Other"]
    app.checkbox(key="other").uncheck().run()


def test_what_was_typed_is_there_after_another_page(app: AppTest) -> None:
    assert app.text_input(key="said").value == "stored"
    app.text_input(key="said").set_value("typed").run()
    app.text_input(key="note").set_value("odd").run()
    there_and_back(app)
    assert not app.exception
    assert [field.value for field in app.text_input] == ["typed", "odd"]


def test_a_field_that_nobody_typed_into_follows_what_it_is_given(app: AppTest) -> None:
    app.session_state["case"] = "changed"
    there_and_back(app)
    assert app.text_input(key="said").value == "changed"
    app.text_input(key="said").set_value("typed").run()
    app.session_state["case"] = "changed again"
    app.run()
    assert app.text_input(key="said").value == "typed"


def test_only_what_was_typed_counts_also_on_another_page(app: AppTest) -> None:
    assert not app.session_state["counts"]
    app.text_input(key="note").set_value("  ").run()
    assert not app.session_state["counts"]
    app.text_input(key="note").set_value("odd").run()
    app.checkbox(key="other").check().run()
    assert app.session_state["counts"]


def test_a_field_that_was_emptied_counts() -> None:
    assert is_typed_into({"given": {"said": "stored"}, "said": ""})
    assert not is_typed_into({"given": {"said": "stored"}})
