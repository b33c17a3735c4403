from __future__ import annotations

from streamlit.testing.v1 import AppTest


def pages_of_items() -> None:
    import streamlit as st

    from widgets.testbench.pickers import paginate

    items = range(st.session_state.setdefault("n", 25))
    st.text(" ".join(map(str, paginate(items, 10, "page"))))


def test_the_page_of_a_list_stays_when_the_list_changes() -> None:
    app = AppTest.from_function(pages_of_items).run()
    app.number_input(key="page").set_value(2).run()
    app.session_state["n"] = 35
    assert app.run().text[0].value.startswith("10 11")
    app.number_input(key="page").set_value(4).run()
    app.session_state["n"] = 12
    assert app.run().text[0].value == "10 11"
    assert not app.exception
