"""Test bench: does the model behave, for every voice?"""

import streamlit as st

from widgets.entrance import warn_if_open_to_all
from widgets.settings import current_settings
from widgets.testbench.case_list import case_list
from widgets.testbench.comparison_section import comparison_section
from widgets.testbench.flags_section import flags_section
from widgets.testbench.new_cases import new_cases
from widgets.testbench.opened import opened_store, saying_errors
from widgets.testbench.results_section import results_section
from widgets.testbench.run_section import run_section

SECTIONS = ("Cases", "Runs", "Results", "Compare", "Flags")

current_settings()  # a server that opens this page first needs it
if "open-run" in st.session_state:
    st.session_state["section"] = "Results"
st.title("Test bench", anchor=False)
st.caption(
    "Recordings whose words are known, made harder, heard by models: where do they fail, and on whom?"
)
warn_if_open_to_all()
section = st.segmented_control(
    "Section", SECTIONS, default=None if "section" in st.session_state else SECTIONS[0],
    required=True, key="section", label_visibility="collapsed", bind="query-params",
)  # fmt: skip
store = opened_store()
if store is not None:
    with saying_errors():
        if section == "Cases":
            with st.expander("Add recordings", icon=":material/add:", expanded=not store.cases()):
                new_cases(store)
            case_list(store)
        elif section == "Runs":
            run_section(store)
        elif section == "Results":
            results_section(store)
        elif section == "Compare":
            comparison_section(store)
        else:
            flags_section(store)
