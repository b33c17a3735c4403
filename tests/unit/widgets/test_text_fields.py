"""Text fields, drawn by Streamlit without a browser."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from widgets.text_fields import has_edits


def two_pages() -> None:
    import streamlit as st

    from widgets.text_fields import PERSIST, field_key, has_edits

    if st.checkbox("Other page", key="other"):
        st.text("Other")
    else:
        given = st.session_state.setdefault("case", "stored")
        st.text_input("Said", key=field_key("said", given), persist_state=PERSIST)
        st.text_input("Note", key=field_key("note"), persist_state=PERSIST)
    st.session_state["counts"] = has_edits(st.session_state)


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(two_pages).run()


def there_and_back(app: AppTest) -> None:
    app.checkbox(key="other").check().run()
    assert [each.value for each in app.text] == ["Other"]
    app.checkbox(key="other").uncheck().run()


def test_typed_text_is_kept_after_visiting_another_page(app: AppTest) -> None:
    assert app.text_input(key="said").value == "stored"
    app.text_input(key="said").set_value("field_key").run()
    app.text_input(key="note").set_value("odd").run()
    there_and_back(app)
    assert not app.exception
    assert [field.value for field in app.text_input] == ["field_key", "odd"]


def test_an_unedited_field_follows_its_given_value(app: AppTest) -> None:
    app.session_state["case"] = "changed"
    there_and_back(app)
    assert app.text_input(key="said").value == "changed"
    app.text_input(key="said").set_value("field_key").run()
    app.session_state["case"] = "changed again"
    app.run()
    assert app.text_input(key="said").value == "field_key"


def test_only_edited_fields_count_even_on_another_page(app: AppTest) -> None:
    assert not app.session_state["counts"]
    app.text_input(key="note").set_value("  ").run()
    assert not app.session_state["counts"]
    app.text_input(key="note").set_value("odd").run()
    app.checkbox(key="other").check().run()
    assert app.session_state["counts"]


def test_an_emptied_field_counts_as_edited() -> None:
    assert has_edits({"given": {"said": "stored"}, "said": ""})
    assert not has_edits({"given": {"said": "stored"}})
