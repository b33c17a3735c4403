"""Test bench page: how well do models recognise each voice?"""

import streamlit as st

from widgets.access import warn_if_public
from widgets.settings import current_settings
from widgets.testbench.cases_section import cases_section
from widgets.testbench.comparison_section import comparison_section
from widgets.testbench.flags_section import flags_section
from widgets.testbench.new_cases import new_cases
from widgets.testbench.results_section import results_section
from widgets.testbench.run_section import run_section
from widgets.testbench.store_access import show_errors, visitor_store

SECTIONS = ("Cases", "Runs", "Results", "Compare", "Flags")

current_settings()  # needed when this page is the first that the server opens
if "open-run" in st.session_state:
    st.session_state["section"] = "Results"
st.title("Test bench", anchor=False)
st.caption(
    "Run models on recordings with known words, clean and degraded, to see where they fail and "
    "for whom."
)
warn_if_public()
section = st.segmented_control(
    "Section", SECTIONS, default=None if "section" in st.session_state else SECTIONS[0],
    required=True, key="section", label_visibility="collapsed", bind="query-params",
)  # fmt: skip
store = visitor_store()
if store is not None:
    with show_errors():
        if section == "Cases":
            with st.expander("Add recordings", icon=":material/add:", expanded=not store.cases()):
                new_cases(store)
            cases_section(store)
        elif section == "Runs":
            run_section(store)
        elif section == "Results":
            results_section(store)
        elif section == "Compare":
            comparison_section(store)
        else:
            flags_section(store)
